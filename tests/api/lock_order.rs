//! Locks are taken in one order (bar D05): what two transactions do to one user must not end in a deadlock, which costs a second
//! and is told as 503. On PostgreSQL, with a transaction in the test's hand; SQLite has one writer.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use serde_json::json;

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP, NEW, path_of};
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};
use crate::recovery::eventually;
use crate::smtp::Behaviour;

/// How many transactions in this database wait for a lock.
fn waiting(c: &mut PgConnection) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        waiting: i64,
    }
    // Within a transaction the view is a snapshot unless it is told to look again.
    c.batch_execute("SELECT pg_stat_clear_snapshot()").unwrap();
    let query = "SELECT COUNT(*) AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let count: Count = diesel::sql_query(query).get_result(c).unwrap();
    count.waiting
}

/// Begins a transaction with `first`, lets `call` run into it, then goes on with `then`. The call must have waited.
pub(crate) async fn meet<T: std::fmt::Debug>(
    app: &TestApp,
    first: &str,
    call: impl Future<Output = T>,
    then: &str,
) -> T {
    let mut other = PgConnection::establish(&app.database.url()).unwrap();
    other.batch_execute(&format!("BEGIN; {first}")).unwrap();
    let mut call = std::pin::pin!(call);
    tokio::select! {
        reply = &mut call => panic!("it did not wait: {reply:?}"),
        () = eventually("it waits", || waiting(&mut other) > 0) => {}
    }
    other.batch_execute(&format!("{then}; COMMIT")).unwrap();
    call.await
}

/// Two users who want each other's address would wait for each other if each looked after its own only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wants_an_address_waits_for_whom_it_concerns() {
    let app = TestApp::start(Backend::Postgres).await;
    let (id, admin) = (app.user(BOB).await, app.token(ADMIN).await);
    let hold = format!("SELECT pg_advisory_xact_lock(hashtextextended('{ANN}', 0))");
    let change = app.patch(&admin, id, json!({"email": ANN}));
    let reply = meet(&app, &hold, change, "SELECT 1").await;
    assert_eq!(reply.said(), "200 user_updated");
}

/// The worker records that a mail was refused: it takes the link back, then touches the mail. Whatever ends a user's links goes
/// the same way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_links_takes_them_before_the_mails_as_the_worker_does() {
    let app = TestApp::start(Backend::Postgres).await;
    let (token, admin) = (
        app.lasting_token(FULL_APP).await,
        app.lasting_token(ADMIN).await,
    );
    for way in ["change", "set", "disable", "move", "delete"] {
        let email = format!("{way}@example.com");
        let id = app.user(&email).await;
        app.sink.behave(Behaviour::default());
        app.quiet().await;
        app.mailed_token(&token, &email).await;
        app.later(61).await;
        let before = app.sink.attempts();
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, &email).await.said(), "200 reminder_sent");
        eventually("a second link is refused for now", || {
            app.sink.attempts() > before
        })
        .await;
        let call = async {
            match way {
                "change" => app.change(&token, &email, OLD_PASSWORD, NEW).await,
                "set" => app.admin_set(&admin, id, NEW).await,
                "disable" => app.patch(&admin, id, json!({"disabled": true})).await,
                "move" => {
                    app.patch(&admin, id, json!({"email": "moved@example.com"}))
                        .await
                }
                _ => app.bare("DELETE", &path_of(id), &admin).await,
            }
        };
        let links = format!(
            "DELETE FROM reset_tokens USING users WHERE users.id = user_id AND users.email_key = '{email}'"
        );
        let mails = format!("UPDATE mails SET attempts = attempts WHERE address_key = '{email}'");
        let reply = meet(&app, &links, call, &mails).await;
        assert_eq!(reply.status, 200, "{way}: {reply:?}");
        app.sink.behave(Behaviour::default());
        app.advance(900);
    }
}
