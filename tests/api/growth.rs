//! However much there is, what has ended is found and goes, and what lives stays (D10).

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use unforget::domain::Instant;
use unforget::flows::purge::Purged;
use unforget::storage::{AnyConnection, Storage, StorageError};

use crate::both;
use crate::helpers::{Backend, TestApp};
use crate::storage::lines;

/// The database's words for what the tests write.
struct Words {
    backend: Backend,
    now: Instant,
}

impl Words {
    fn time(&self, before: TimeDelta) -> String {
        let at = (self.now - before).timestamp_micros();
        match self.backend {
            Backend::Sqlite => at.to_string(),
            Backend::Postgres => format!("to_timestamp({at} / 1000000.0)"),
        }
    }

    fn series(&self, rows: usize) -> String {
        match self.backend {
            Backend::Sqlite => format!(
                "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT {rows})"
            ),
            Backend::Postgres => format!("WITH s(n) AS (SELECT generate_series(1, {rows}))"),
        }
    }

    fn digest(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "randomblob(32)",
            Backend::Postgres => "sha256(gen_random_uuid()::text::bytea)",
        }
    }

    fn id(&self) -> &'static str {
        match self.backend {
            Backend::Sqlite => "randomblob(16)",
            Backend::Postgres => "gen_random_uuid()",
        }
    }
}

pub(crate) async fn execute(storage: &Storage, statements: String) {
    let done = storage.write(move |c| Ok::<_, StorageError>(c.batch_execute(&statements)?));
    done.await.unwrap();
}

fn found(app: &TestApp, query: &str) -> Vec<String> {
    let mut c = AnyConnection::open(&app.settings.database_url).unwrap();
    lines(&mut c, query)
}

both! {
    /// More apps than are asked about at a time, with few tokens each, and one with more than go at a time.
    async fn d10_the_ended_tokens_of_any_number_of_apps_go_and_their_live_ones_stay(backend: Backend) {
        let app = TestApp::start(backend).await;
        let words = Words { backend, now: app.clock.now() };
        let (series, digest) = (words.series(1100), words.digest());
        let (past, future) = (words.time(TimeDelta::seconds(1)), words.time(TimeDelta::hours(-1)));
        let tokens = "INSERT INTO access_tokens (digest, client_id, scopes, created_at, expires_at)";
        let of_all = |end: &str| format!("{tokens} {series} SELECT {digest}, 'c' || n, '', {past}, {end} FROM s WHERE n % 3 <> 0;");
        let many = words.series(250);
        execute(&app.flows.storage, [
            format!("INSERT INTO clients (id, name, scopes, created_at) {series} SELECT 'c' || n, 'App', '', {past} FROM s;"),
            of_all(&past),
            of_all(&future),
            format!("{tokens} {many} SELECT {digest}, 'c1000', '', {past}, {past} FROM s;"),
        ].concat()).await;
        let purged = app.flows.purge().await.unwrap();
        assert_eq!(purged, Purged { access_tokens: 734 + 250, ..Purged::default() });
        let left = found(&app, "SELECT client_id AS line FROM access_tokens");
        let apps: std::collections::BTreeSet<_> = left.iter().collect();
        assert_eq!((left.len(), apps.len()), (734, 734));
        assert_eq!(app.flows.purge().await.unwrap(), Purged::default());
    }

    async fn d10_a_mail_stays_for_as_long_as_it_depends_on_how_it_ended(backend: Backend) {
        let app = TestApp::start(backend).await;
        let words = Words { backend, now: app.clock.now() };
        let (id, series) = (words.id(), words.series(150));
        let mail = |state: &str, hours: i64| {
            let ended = words.time(TimeDelta::hours(hours));
            format!(
                "INSERT INTO mails (id, kind, address_key, client_id, state, created_at, expires_at, attempts, finished_at) \
                 {series} SELECT {id}, 'reset', 'a', '{hours}', '{state}', {ended}, {ended}, 1, {ended} FROM s;"
            )
        };
        let ends = [("sent", 167), ("sent", 169), ("failed", 167), ("failed", 169), ("printed", 167), ("printed", 169), ("skipped", 23), ("skipped", 25)];
        execute(&app.flows.storage, ends.map(|(state, hours)| mail(state, hours)).concat()).await;
        assert_eq!(app.flows.purge().await.unwrap().mails, 4 * 150);
        let left = found(&app, "SELECT DISTINCT state || ' ' || client_id AS line FROM mails ORDER BY 1");
        assert_eq!(left, ["failed 167", "printed 167", "sent 167", "skipped 23"]);
    }

    /// Each row that goes leaves the time at which its transaction (its statement, on SQLite) began.
    async fn d10_a_purge_takes_few_rows_at_a_time_so_that_callers_come_in_between(backend: Backend) {
        let app = TestApp::start(backend).await;
        let words = Words { backend, now: app.clock.now() };
        let (series, digest, past) = (words.series(1050), words.digest(), words.time(TimeDelta::hours(1)));
        let client = app.client("password:remind").await.id;
        let note = match backend {
            Backend::Sqlite => "CREATE TRIGGER note AFTER DELETE ON access_tokens BEGIN INSERT INTO gone VALUES (strftime('%H:%M:%f', 'now')); END;",
            Backend::Postgres => {
                "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (now()::text); RETURN NULL; END $$; \
                 CREATE TRIGGER note AFTER DELETE ON access_tokens FOR EACH ROW EXECUTE FUNCTION note();"
            }
        };
        execute(&app.flows.storage, format!(
            "INSERT INTO access_tokens (digest, client_id, scopes, created_at, expires_at) {series} SELECT {digest}, '{client}', '', {past}, {past} FROM s; \
             CREATE TABLE gone (at TEXT); {note}"
        )).await;
        assert_eq!(app.flows.purge().await.unwrap().access_tokens, 1050);
        let batches = found(&app, "SELECT CAST(COUNT(*) AS TEXT) AS line FROM gone GROUP BY at");
        let sizes: Vec<usize> = batches.iter().map(|size| size.parse().unwrap()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 1050);
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
    }
}
