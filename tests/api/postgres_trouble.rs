//! When PostgreSQL, or the way to it, fails: the right 503, never a lie, and healed without a restart (bar D05, D06).
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use serde_json::json;

use crate::accounts::{ANN, NEW};
use crate::helpers::{APP, Backend, PATIENCE, Reply, TestApp};
use crate::postgres::TestDatabase;
use crate::proxy::{Line, Proxy};

/// What a caller may have to wait for a connection and then for an answer, on a machine that has much else to do.
const ANSWERED: Duration = Duration::from_secs(40);

/// A service that reaches its database by a line of the test's own.
async fn by_proxy() -> (TestApp, TestDatabase, Proxy) {
    let database = TestDatabase::create();
    let proxy = Proxy::before(&database.url).await;
    let url = proxy.url.parse().unwrap();
    let app = TestApp::start_with(Backend::Sqlite, |settings| settings.database_url = url).await;
    (app, database, proxy)
}

fn come_back(reply: &Reply) {
    let said = (reply.said(), reply.header("retry-after"));
    assert_eq!(said, ("503 unavailable".to_owned(), "1"), "{reply:?}");
}

/// Waits until reminders are taken again, and says how long that took.
async fn healed(app: &TestApp, token: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let reply = app.remind(token, "healing@example.com").await;
        if reply.status == 200 {
            return begun.elapsed();
        }
        come_back(&reply);
        assert!(begun.elapsed() < 2 * PATIENCE, "it does not heal");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_a_server_that_falls_silent_is_a_503_in_time_and_left_behind() {
    let (app, _database, proxy) = by_proxy().await;
    let token = app.token(APP).await;
    let emails: Vec<_> = (0..8).map(|n| format!("u{n}@example.com")).collect();
    let reminds = || emails.iter().map(|email| app.remind(&token, email));
    // All connections are there, and in use.
    for reply in futures_util::future::join_all(reminds()).await {
        assert_eq!(reply.said(), "200 reminder_sent");
    }
    proxy.set(Line::Silent);
    let begun = Instant::now();
    let (replies, live) = tokio::join!(
        futures_util::future::join_all(reminds()),
        app.request("GET", "/health/live").send()
    );
    println!("told after {:.1?}", begun.elapsed());
    assert!(begun.elapsed() < ANSWERED);
    assert_eq!(live.unwrap().status(), 200);
    replies.iter().for_each(come_back);
    // New connections work; the old ones stay silent, and nobody closes them.
    proxy.set(Line::Works);
    println!("healed in {:.1?}", healed(&app, &token).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d06_a_reminder_whose_commit_was_swallowed_is_sent_once_however_often_it_is_asked() {
    let (app, _database, proxy) = by_proxy().await;
    app.user(ANN).await;
    let token = app.token(APP).await;
    proxy.swallow_commit_of(ANN);
    come_back(&app.remind(&token, ANN).await);
    assert!(proxy.has_swallowed());
    for _ in 0..3 {
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
    }
    app.quiet().await;
    assert_eq!(app.sink.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d06_a_reset_whose_commit_was_swallowed_has_happened_and_says_so_when_it_is_repeated() {
    let (app, _database, proxy) = by_proxy().await;
    app.user(ANN).await;
    let token = app
        .token("password:remind password:reset password:verify")
        .await;
    let reset = app.mailed_token(&token, ANN).await;
    proxy.swallow_commit_of(ANN);
    come_back(&app.reset(&token, ANN, &reset, NEW).await);
    assert!(proxy.has_swallowed());
    // It is true that the token cannot be used: it has been.
    let again = app.reset(&token, ANN, &reset, "yet another secret").await;
    assert_eq!(again.said(), "400 wrong_token");
    assert_eq!(app.verify(&token, ANN, NEW).await.status, 200);
    app.quiet().await;
    assert_eq!(app.sink.received().len(), 2, "the link, and one notice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_a_server_that_refuses_connections_is_a_503_and_heals() {
    let (app, _database, proxy) = by_proxy().await;
    let client = app.client(APP).await;
    let token = app.token_of(&client).await;
    for (state, text) in [
        ("53300", "sorry, too many clients already"),
        ("57P03", "the database system is starting up"),
        ("57P01", "Administrator beendet die Verbindung"), // whatever it speaks
    ] {
        proxy.set(Line::Refuses(state, text));
        let begun = Instant::now();
        let grant = [("grant_type", "client_credentials")];
        let (reminded, issued) =
            tokio::join!(app.remind(&token, ANN), app.token_request(&client, &grant));
        assert!(begun.elapsed() < ANSWERED, "{state}");
        come_back(&reminded);
        assert_eq!(issued.said(), "503 temporarily_unavailable", "{state}");
        assert_eq!(issued.header("retry-after"), "1");
        proxy.set(Line::Works);
        println!("{state}: healed in {:.1?}", healed(&app, &token).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_a_server_that_has_become_read_only_still_answers_what_only_reads() {
    let app = TestApp::start(Backend::Postgres).await;
    app.user(ANN).await;
    let token = app.token(APP).await;
    let reset = app.mailed_token(&token, ANN).await;
    let mut admin = PgConnection::establish(&app.database.url()).unwrap();
    let mut switch = |on: &str| {
        let name = "EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ";
        let alter = format!("DO $$ BEGIN {name}{on}', current_database()); END $$;");
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
        admin
            .batch_execute("SET default_transaction_read_only = off")
            .unwrap();
        admin.batch_execute(&alter).unwrap();
        admin.batch_execute(cut).unwrap();
    };
    switch("on");
    // The first calls find that their connections are gone.
    let begun = Instant::now();
    while app.check(&token, &reset).await.status == 503 {
        assert!(begun.elapsed() < PATIENCE);
    }
    assert_eq!(app.check(&token, &reset).await.said(), "200 token_valid");
    let begun = Instant::now();
    for _ in 0..3 {
        come_back(&app.remind(&token, "bob@example.com").await);
        come_back(&app.reset(&token, ANN, &reset, NEW).await);
    }
    assert!(begun.elapsed() < ANSWERED);
    switch("off");
    println!("healed in {:.1?}", healed(&app, &token).await);
    // The refused reset has burnt nothing.
    let reply = app.reset(&token, ANN, &reset, NEW).await;
    assert_eq!(reply.said(), "200 password_reset");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_every_passing_error_of_the_server_is_a_503_and_every_other_one_a_500() {
    let app = TestApp::start(Backend::Postgres).await;
    let token = app.token(APP).await;
    let mut admin = PgConnection::establish(&app.database.url()).unwrap();
    let function = "CREATE TABLE trouble (state TEXT, says TEXT); \
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE t trouble; BEGIN \
        FOR t IN SELECT * FROM trouble LOOP RAISE EXCEPTION USING ERRCODE = t.state, MESSAGE = t.says; END LOOP; RETURN NEW; END $$; \
        CREATE TRIGGER fail BEFORE INSERT ON mails FOR EACH ROW EXECUTE FUNCTION fail();";
    admin.batch_execute(function).unwrap();
    // What PostgreSQL 15 says, word for word.
    let passing = [
        (
            "40001",
            "could not serialize access due to concurrent update",
        ),
        ("40P01", "deadlock detected"),
        ("55P03", "canceling statement due to lock timeout"),
        (
            "55P03",
            "could not obtain lock on row in relation \"mails\"",
        ),
        ("57014", "canceling statement due to statement timeout"),
        ("57014", "canceling statement due to user request"),
        (
            "53100",
            "could not extend file \"base/5/1\": No space left on device",
        ),
        (
            "58030",
            "could not read block 1 in file \"base/5/1\": Input/output error",
        ),
        ("53200", "out of memory"),
        ("25006", "cannot execute INSERT in a read-only transaction"),
    ];
    for (number, (state, says)) in passing.into_iter().enumerate() {
        let says = says.replace('\'', "''");
        let trouble =
            format!("DELETE FROM trouble; INSERT INTO trouble VALUES ('{state}', '{says}')");
        admin.batch_execute(&trouble).unwrap();
        let email = format!("u{number}@example.com");
        let reply = app.remind(&token, &email).await;
        assert_eq!(reply.said(), "503 unavailable", "{state} {says}");
        assert_eq!(reply.header("retry-after"), "1");
        admin.batch_execute("DELETE FROM trouble").unwrap();
        assert_eq!(app.remind(&token, &email).await.said(), "200 reminder_sent");
    }
    // A defect is no trouble of the database's.
    let defect = "INSERT INTO trouble VALUES ('22012', 'division by zero')";
    admin.batch_execute(defect).unwrap();
    let body = json!({"email": "u99@example.com"});
    let reply = app.post("/v1/password/remind", &token, body).await;
    assert_eq!(reply.said(), "500 internal");
    assert!(!reply.text.contains("zero"));
}
