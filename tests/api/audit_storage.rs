//! Entries and acts go in together or not at all: in a batch with others, when the commit fails, and when the process is killed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use unforget::clock::Clock;
use unforget::domain::audit::{Act, Entry, Origin};
use unforget::entropy;
use unforget::storage::audit::{Filter, Order, Range, page, record, record_all};
use unforget::storage::{AnyConnection, Schema, Storage, StorageError};
use uuid::Uuid;

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, TestApp};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

pub(crate) fn open(database: &Database) -> Storage {
    Storage::open(&database.url().parse().unwrap(), 4, Schema::Migrate).unwrap()
}

/// An entry that knows its number.
pub(crate) fn entry(number: usize) -> Entry {
    let now = Clock::System.now();
    let origin = Origin {
        request_id: Some(number.to_string()),
        address: None,
    };
    Entry::new(entropy::id(now), now, Act::PasswordCheck, origin)
}

async fn numbers(storage: &Storage) -> Vec<usize> {
    let all = Range {
        after: Uuid::nil(),
        before: Uuid::max(),
    };
    let found = storage
        .read(move |c| page(c, all, &Filter::default(), Order::OldestFirst))
        .await
        .unwrap();
    let number = |entry: &Entry| entry.origin.request_id.clone().unwrap().parse().unwrap();
    let mut numbers: Vec<_> = found.entries.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

async fn count(storage: &Storage, query: &'static str) -> i64 {
    let load = move |c: &mut AnyConnection| -> Result<Vec<Number>, StorageError> {
        Ok(match c {
            AnyConnection::Sqlite(sqlite) => sql_query(query).load(sqlite)?,
            AnyConnection::Postgres(postgres) => sql_query(query).load(postgres)?,
        })
    };
    storage.read(load).await.unwrap()[0].number
}

both! {
    async fn of_many_writes_at_once_those_that_fail_leave_no_entry_and_take_none_away(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database);
        let write = |n: usize| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let work = move |c: &mut AnyConnection| {
                    record(c, &entry(n))?;
                    match n % 7 {
                        3 => Err(StorageError::Internal("changed my mind".to_owned())),
                        5 => panic!("a defect of one caller"),
                        _ => Ok(()),
                    }
                };
                // On PostgreSQL, what is promised to be one statement is done when it is done.
                match n % 3 {
                    0 => storage.write(work).await,
                    1 => storage.write_last(work).await,
                    _ => storage.write_one(move |c| record(c, &entry(n))).await,
                }
            })
        };
        let tasks: Vec<_> = (0..150).map(write).collect();
        let mut kept = Vec::new();
        for (n, task) in tasks.into_iter().enumerate() {
            if task.await.unwrap().is_ok() {
                kept.push(n);
            }
        }
        assert_eq!(kept.len(), (0..150).filter(|n| n % 3 == 2 || ![3, 5].contains(&(n % 7))).count());
        assert_eq!(numbers(&storage).await, kept);
    }

    async fn when_the_commit_fails_there_is_no_entry(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database);
        let tables = "CREATE TABLE parent (n BIGINT PRIMARY KEY); \
             CREATE TABLE child (n BIGINT NOT NULL REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED)";
        storage.write(move |c| Ok::<_, StorageError>(c.batch_execute(tables)?)).await.unwrap();
        let spoilt = storage.write(|c| {
            record(c, &entry(1))?;
            Ok::<_, StorageError>(c.batch_execute("INSERT INTO child (n) VALUES (7)")?)
        });
        assert!(spoilt.await.is_err());
        assert_eq!(numbers(&storage).await, Vec::<usize>::new());
        storage.write(|c| record(c, &entry(2))).await.unwrap();
        assert_eq!(numbers(&storage).await, [2]);
    }

    async fn entries_are_kept_as_long_as_is_configured_and_go_in_small_batches(backend: Backend) {
        for retention in [Some(TimeDelta::days(30)), None] {
            let app = TestApp::start_with(backend, |settings| settings.audit.retention = retention).await;
            let old: Vec<_> = (0..1203).map(entry).collect();
            app.flows.storage.write(move |c| record_all(c, &old)).await.unwrap();
            app.clock.advance(TimeDelta::days(30) - TimeDelta::minutes(10));
            assert_eq!(app.flows.purge().await.unwrap().audit, 0);
            app.user("ann@example.com").await;
            app.clock.advance(TimeDelta::minutes(11));
            let purged = app.flows.purge().await.unwrap().audit;
            let left: Vec<_> = app.audit().await.iter().map(|entry| entry.act).collect();
            match retention {
                Some(_) => assert_eq!((purged, left), (1203, vec![Act::UserAdd])),
                None => assert_eq!((purged, left.len()), (0, 1204)),
            }
        }
    }

    async fn d02_kill_9_leaves_an_entry_for_every_token_and_none_without(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_LIMITS__ENABLED", "false")]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let mut service = program.serve().await;
        service.token(&client).await;
        let acknowledged = Arc::<AtomicUsize>::default();
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (base, client, acknowledged) = (service.base.clone(), client.clone(), Arc::clone(&acknowledged));
                tokio::spawn(async move {
                    let http = reqwest::Client::new();
                    let text = |key: &str| client[key].as_str().unwrap().to_owned();
                    loop {
                        let request = http.post(format!("{base}/oauth/token")).basic_auth(text("client_id"), Some(text("client_secret")));
                        match request.form(&[("grant_type", "client_credentials")]).send().await {
                            Ok(reply) if reply.status() == 200 => acknowledged.fetch_add(1, Ordering::SeqCst),
                            _ => return, // it is gone
                        };
                    }
                })
            })
            .collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while acknowledged.load(Ordering::SeqCst) < 200 {
            assert!(tokio::time::Instant::now() < deadline, "too few answers");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.kill();
        for caller in callers {
            caller.await.unwrap();
        }
        let storage = open(&database);
        let tokens = count(&storage, "SELECT COUNT(*) AS number FROM access_tokens").await;
        let entries = count(&storage, "SELECT COUNT(*) AS number FROM audit WHERE act = 'token.issue' AND refusal IS NULL").await;
        assert_eq!(tokens, entries);
        let acknowledged = acknowledged.load(Ordering::SeqCst) + 1;
        assert!(tokens >= i64::try_from(acknowledged).unwrap(), "{tokens} {acknowledged}");
    }
}

#[test]
fn ids_of_entries_begin_with_the_time() {
    let (first, second) = (entry(1), entry(2));
    let floor = unforget::domain::audit::first_id(first.at);
    assert!(floor < first.id && floor <= second.id);
    let later = unforget::domain::audit::first_id(second.at + TimeDelta::milliseconds(1));
    assert!(first.id < later && second.id < later);
    assert_eq!(HashSet::from([first.id, second.id]).len(), 2);
}
