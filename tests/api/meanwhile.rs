//! What somebody else does to a row between its choice and the write on it is not undone: on PostgreSQL, with a transaction in the
//! test's hand, for SQLite has one writer. And what is asked for while everything is revoked is left alone.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl};
use unforget::clock::Clock;
use unforget::flows::{By, Flows};

use crate::accounts::{ANN, BOB};
use crate::both;
use crate::delivery::first_failure;
use crate::helpers::{APP, Backend, TestApp};
use crate::lock_order::meet;
use crate::smtp::Behaviour;

/// What the worker writes when a mail was sent.
const SENT: &str =
    "UPDATE mails SET state = 'sent', due_at = NULL, lease = NULL, finished_at = now()";

fn connect(app: &TestApp) -> PgConnection {
    PgConnection::establish(&app.database.url()).unwrap()
}

fn count(app: &TestApp, from: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        rows: i64,
    }
    let query = format!("SELECT COUNT(*) AS rows FROM {from}");
    let count: Count = diesel::sql_query(query)
        .get_result(&mut connect(app))
        .unwrap();
    count.rows
}

/// An app with a mail to Ann that was refused for now, and is due in three hours.
async fn with_a_mail_for_later() -> TestApp {
    let app = TestApp::start(Backend::Postgres).await;
    app.user(ANN).await;
    let token = app.token(APP).await;
    app.sink.behave(Behaviour::later());
    assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
    first_failure(&app).await; // so the worker has nothing to write any more
    connect(&app)
        .batch_execute("UPDATE mails SET lease = NULL, due_at = now() + INTERVAL '3 hours'")
        .unwrap();
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_a_mail_that_is_sent_while_its_time_is_put_right_does_not_go_out_again() {
    let app = with_a_mail_for_later().await;
    meet(&app, SENT, app.flows.purge(), "SELECT 1")
        .await
        .unwrap();
    assert_eq!(count(&app, "mails WHERE due_at IS NULL"), 1);
    assert_eq!(count(&app, "mails WHERE state = 'sent'"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_mail_that_is_sent_while_everything_is_revoked_stays_known_as_sent() {
    let app = with_a_mail_for_later().await;
    let revoked = meet(
        &app,
        SENT,
        app.flows.end_all_access(By::Operator),
        "SELECT 1",
    )
    .await;
    assert_eq!(revoked.unwrap().reset_mails, 0);
    assert_eq!(count(&app, "mails WHERE state = 'sent'"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_link_that_is_used_while_everything_is_revoked_stays_as_a_record() {
    let app = TestApp::start(Backend::Postgres).await;
    app.user(ANN).await;
    let token = app.token(APP).await;
    app.mailed_token(&token, ANN).await;
    app.quiet().await;
    let used = "UPDATE reset_tokens SET used_at = now()";
    let revoked = meet(
        &app,
        used,
        app.flows.end_all_access(By::Operator),
        "SELECT 1",
    )
    .await;
    assert_eq!(revoked.unwrap().reset_links, 0);
    assert_eq!(count(&app, "reset_tokens WHERE used_at IS NOT NULL"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f25_a_guess_that_is_counted_while_old_ones_are_purged_stays_counted() {
    let app = TestApp::start(Backend::Postgres).await;
    let old =
        "INSERT INTO guesses VALUES ('ann@example.com', 9, now() - INTERVAL '60 days', now())";
    connect(&app).batch_execute(old).unwrap();
    let guessed = "UPDATE guesses SET failures = 10, last_at = now()";
    meet(&app, guessed, app.flows.purge(), "SELECT 1")
        .await
        .unwrap();
    assert_eq!(count(&app, "guesses WHERE failures = 10"), 1);
}

both! {
    async fn d12_what_is_asked_for_after_the_revocation_began_is_left_alone(app: TestApp) {
        for email in [ANN, BOB, "carl@example.com"] {
            app.user(email).await;
        }
        let client = app.client(APP).await;
        let old = app.token_of(&client).await;
        let old_link = app.mailed_token(&old, ANN).await;
        // It begins now, and is so slow that the rest is ten minutes younger.
        let slow = Flows { clock: Clock::shifted(), ..app.flows.clone() };
        app.later(600).await;
        let new = app.token_of(&client).await;
        let link = app.mailed_token(&new, BOB).await;
        app.quiet().await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&new, "carl@example.com").await.said(), "200 reminder_sent");

        let ended = slow.end_all_access(By::Operator).await.unwrap();
        assert_eq!((ended.access_tokens, ended.reset_links, ended.reset_mails), (1, 1, 0), "{ended:?}");
        assert_eq!(app.check(&old, &link).await.status, 401);
        assert_eq!(app.check(&new, &old_link).await.said(), "400 wrong_token");
        assert_eq!(app.check(&new, &link).await.said(), "200 token_valid");
    }
}
