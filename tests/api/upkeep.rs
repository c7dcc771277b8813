//! Tables stay bounded, and nobody waits for that (D10).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use futures_util::StreamExt;
use unforget::flows::By;
use unforget::storage::limits::{self, Spent};
use unforget::storage::{AnyConnection, StorageError, jtis};

use crate::both;
use crate::helpers::{Backend, Reply, TestApp, rounds};
use crate::storage::lines;

/// Tables that grow with what people register, and with nothing that strangers do.
const CHOSEN: [&str; 3] = ["clients", "users", "own_keys"];
/// Tables that grow by themselves, and how many of the rows of the test below live on for good: the app's own secret.
const PURGED: [(&str, i64); 8] = [
    ("access_tokens", 0),
    ("audit", 0),
    ("client_secrets", 1),
    ("guesses", 0),
    ("jtis", 0),
    ("limits", 0),
    ("mails", 0),
    ("reset_tokens", 0),
];
const ANN: &str = "ann@example.com";

fn connection(app: &TestApp) -> AnyConnection {
    AnyConnection::open(&app.settings.database_url).unwrap()
}

fn execute(app: &TestApp, statement: &str) {
    match &mut connection(app) {
        AnyConnection::Sqlite(c) => c.batch_execute(statement).unwrap(),
        AnyConnection::Postgres(c) => c.batch_execute(statement).unwrap(),
    }
}

fn count(app: &TestApp, table: &str) -> i64 {
    let query = format!("SELECT CAST(COUNT(*) AS TEXT) AS line FROM {table}");
    lines(&mut connection(app), &query)[0].parse().unwrap()
}

fn tables(app: &TestApp) -> BTreeSet<String> {
    let mut c = connection(app);
    let query = match c {
        AnyConnection::Sqlite(_) => {
            "SELECT name AS line FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
        AnyConnection::Postgres(_) => {
            "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    let mut names: BTreeSet<_> = lines(&mut c, query).into_iter().collect();
    assert!(names.remove("__diesel_schema_migrations"));
    names
}

/// Calls that do nothing special, one after the other, and how long each took.
async fn latencies(
    app: &TestApp,
    client: &crate::helpers::TestClient,
    token: &str,
    from: usize,
) -> [Duration; 2] {
    let began = Instant::now();
    app.token_of(client).await;
    let issued = began.elapsed();
    let reply = app
        .remind(token, &format!("nobody{from}@example.com"))
        .await;
    assert_eq!(reply.said(), "200 reminder_sent");
    [issued, began.elapsed() - issued]
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

both! {
    /// A new table stands in one of the lists, or this fails: in which, decides whether it needs a purge.
    async fn d10_every_table_is_bounded_by_what_people_register_or_by_the_purge(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.audit.retention = Some(TimeDelta::days(365))).await;
        app.user(ANN).await;
        let client = app.client("password:remind password:reset password:verify").await;
        let token = app.token_of(&client).await;
        app.mailed_token(&token, ANN).await;
        let wrong = serde_json::json!({"email": ANN, "password": "not this one"});
        app.post("/v1/password/verify", &token, wrong).await;
        app.flows.rotate_client(By::Operator, client.client_id(), TimeDelta::minutes(30)).await.unwrap();
        let soon = app.clock.now() + TimeDelta::minutes(5);
        let spent = app.flows.storage.write(move |c| jtis::spend(c, [7; 32], soon)).await;
        assert!(spent.map_err(|error: StorageError| error).unwrap());
        let now = app.clock.now();
        let used_up = Spent { digest: [7; 32], bucket: "api", since: now, cost: TimeDelta::minutes(1) };
        let told = app.flows.storage.write(move |c| limits::add(c, vec![used_up], now)).await;
        told.map_err(|error: StorageError| error).unwrap();

        let known: BTreeSet<String> = CHOSEN.iter().chain(PURGED.iter().map(|(name, _)| name)).map(ToString::to_string).collect();
        assert_eq!(tables(&app), known, "is a table without a purge among them?");
        for (name, _) in PURGED {
            assert!(count(&app, name) > 0, "{name} is empty, and nothing is proved of it");
        }
        app.quiet().await;
        app.advance(400 * 24 * 3600);
        app.flows.purge().await.unwrap();
        let left: BTreeMap<_, _> = PURGED.iter().map(|(name, _)| (*name, count(&app, name))).collect();
        assert_eq!(left, BTreeMap::from(PURGED));
    }

    /// `TEST_ROUNDS=1000`: a hundred thousand.
    async fn d10_a_flood_of_reminds_for_unknown_addresses_leaves_nothing_behind(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.audit.retention = Some(TimeDelta::days(1))).await;
        let client = app.client("password:remind").await;
        let mut pages = Vec::new();
        for wave in 0..3 {
            let token = app.token_of(&client).await;
            let (app, token) = (&app, &token);
            let calls = (0..rounds(4) * 100).map(|n| async move {
                let reply = app.remind(token, &format!("w{wave}n{n}@example.com")).await;
                assert_eq!(reply.said(), "200 reminder_sent");
            });
            futures_util::stream::iter(calls).buffer_unordered(32).collect::<()>().await;
            app.quiet().await;
            app.advance(25 * 3600);
            app.flows.purge().await.unwrap();
            for table in ["mails", "reset_tokens", "access_tokens", "guesses"] {
                assert_eq!(count(app, table), 0, "{table}");
            }
            assert!(count(app, "audit") < 10);
            if backend == Backend::Sqlite {
                let query = "SELECT CAST(page_count AS TEXT) AS line FROM pragma_page_count";
                pages.push(lines(&mut connection(app), query)[0].parse::<i64>().unwrap());
            }
        }
        // What the first wave needed is used again.
        assert!(pages.iter().all(|count| *count <= pages[0] * 3 / 2), "{pages:?}");
    }

    /// `TEST_ROUNDS=200`: two hundred thousand rows.
    async fn d10_callers_do_not_wait_for_a_purge_of_many_rows(backend: Backend) {
        let app = TestApp::start(backend).await;
        let client = app.client("password:remind").await;
        let token = app.token_of(&client).await;
        let rows = rounds(20) * 1000;
        let (digest, series, time) = match backend {
            Backend::Sqlite => ("randomblob(32)", format!("WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {rows})"), "0"),
            Backend::Postgres => ("sha256(n::text::bytea)", format!("WITH series(n) AS (SELECT generate_series(1, {rows}))"), "to_timestamp(0)"),
        };
        execute(&app, &format!(
            "INSERT INTO access_tokens (digest, client_id, scopes, created_at, expires_at) \
             {series} SELECT {digest}, '{}', '', {time}, {time} FROM series", client.id
        ));
        let mut before = Vec::new();
        for n in 0..20 {
            before.extend(latencies(&app, &client, &token, n).await);
        }
        let purge = tokio::spawn({
            let flows = app.flows.clone();
            async move { flows.purge().await.unwrap() }
        });
        let mut during = Vec::new();
        while !purge.is_finished() {
            during.extend(latencies(&app, &client, &token, 1000 + during.len()).await);
        }
        assert_eq!(purge.await.unwrap().access_tokens, rows);
        assert!(during.len() >= 2, "the purge was over before anybody called");
        let (usual, meanwhile) = (median(&mut before), median(&mut during));
        let (slowest, usually_slowest) = (during[during.len() - 1], before[before.len() - 1]);
        let calls = during.len();
        eprintln!("{backend:?}: {rows} rows; {usual:?} before (at most {usually_slowest:?}), {meanwhile:?} meanwhile (at most {slowest:?}, of {calls})");
        assert!(meanwhile < usual * 20 + Duration::from_millis(200), "{meanwhile:?}, and {usual:?} before");
        assert!(slowest < usually_slowest * 20 + Duration::from_secs(2), "{slowest:?}, and {usually_slowest:?} before");
    }
}

both! {
    async fn h16_readiness_goes_while_the_tables_are_not_ours_and_comes_back(app: TestApp) {
        let ask = async |path: &str| Reply::of(app.request("GET", path).send().await.unwrap()).await;
        assert_eq!(ask("/health/ready").await.status, 200);
        for (before, after) in [
            // A newer program has been here; a migration has yet to run.
            ("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')", "DELETE FROM __diesel_schema_migrations WHERE version = '29990101000000'"),
            ("UPDATE __diesel_schema_migrations SET version = '2' WHERE version = '20261123000000'", "UPDATE __diesel_schema_migrations SET version = '20261123000000' WHERE version = '2'"),
        ] {
            execute(&app, before);
            let (ready, live) = (ask("/health/ready").await, ask("/health/live").await);
            assert_eq!((ready.status, ready.json()), (503, serde_json::json!({"status": "not_ready"})));
            assert_eq!(live.status, 200);
            execute(&app, after);
            assert_eq!(ask("/health/ready").await.status, 200);
        }
    }
}
