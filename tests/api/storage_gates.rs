//! The two gates of storage: neighbours do not hurt each other, what is answered is durable, and too much is refused (D01, D04).

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use unforget::storage::{AnyConnection, Schema, Storage, StorageError};

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, TestApp};
use crate::storage::lines;

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn open(database: &Database, parallel: u32) -> Storage {
    Storage::open(&database.url().parse().unwrap(), parallel, Schema::Migrate).unwrap()
}

async fn execute(storage: &Storage, statement: &str) -> Result<(), StorageError> {
    let statement = statement.to_owned();
    storage
        .write(move |c| Ok(c.batch_execute(&statement)?))
        .await
}

async fn numbers(storage: &Storage, query: &'static str) -> Vec<i64> {
    let load = move |c: &mut AnyConnection| -> Result<Vec<Number>, StorageError> {
        Ok(match c {
            AnyConnection::Sqlite(sqlite) => sql_query(query).load(sqlite)?,
            AnyConnection::Postgres(postgres) => sql_query(query).load(postgres)?,
        })
    };
    storage
        .read(load)
        .await
        .unwrap()
        .into_iter()
        .map(|n| n.number)
        .collect()
}

/// A write that begins, and goes on when the sender is dropped.
fn blocker(
    storage: &Storage,
) -> (
    Receiver<()>,
    Sender<()>,
    tokio::task::JoinHandle<Result<(), StorageError>>,
) {
    let (began, begun) = channel();
    let (release, held) = channel::<()>();
    let storage = storage.clone();
    let task = tokio::spawn(async move {
        storage
            .write(move |_| {
                began.send(()).unwrap();
                let _released = held.recv();
                Ok(())
            })
            .await
    });
    (begun, release, task)
}

both! {
    async fn of_a_hundred_writes_a_bad_one_and_a_panicking_one_hurt_nobody_else(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database, 4);
        execute(&storage, "CREATE TABLE t (n BIGINT NOT NULL)").await.unwrap();
        let write = |n: i64| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let work = move |c: &mut AnyConnection| {
                    c.batch_execute(&format!("INSERT INTO t (n) VALUES ({n})"))?;
                    match n {
                        37 => Err(StorageError::Internal("changed my mind".to_owned())),
                        53 => panic!("a defect of one caller"),
                        71 => Ok(c.batch_execute("INSERT INTO t (n) VALUES (NULL)")?),
                        _ => Ok(()),
                    }
                };
                storage.write(work).await
            })
        };
        let tasks: Vec<_> = (0..100).map(write).collect();
        let mut failed = Vec::new();
        for (n, task) in (0..).zip(tasks) {
            if task.await.unwrap().is_err() {
                failed.push(n);
            }
        }
        assert_eq!(failed, [37, 53, 71]);
        let kept = numbers(&storage, "SELECT n AS number FROM t ORDER BY n").await;
        assert_eq!(kept, (0..100).filter(|n| !failed.contains(n)).collect::<Vec<_>>());
        execute(&storage, "INSERT INTO t (n) VALUES (100)").await.unwrap();
    }

    async fn a_full_queue_says_busy_at_once_and_keeps_what_it_took(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database, 1);
        execute(&storage, "CREATE TABLE t (n BIGINT NOT NULL)").await.unwrap();
        let room = match backend {
            Backend::Sqlite => 1024,
            Backend::Postgres => 63,
        };
        let (begun, release, blocked) = blocker(&storage);
        tokio::task::block_in_place(|| begun.recv()).unwrap();
        let (report, mut refused) = tokio::sync::mpsc::unbounded_channel();
        let write = |_| {
            let (storage, report) = (storage.clone(), report.clone());
            tokio::spawn(async move {
                let ended = execute(&storage, "INSERT INTO t (n) VALUES (1)").await;
                if let Err(error) = &ended {
                    report.send(error.clone()).unwrap();
                }
                ended.is_ok()
            })
        };
        let tasks: Vec<_> = (0..room + 7).map(write).collect();
        for _ in 0..7 {
            let error = tokio::time::timeout(PATIENCE, refused.recv()).await.unwrap().unwrap();
            assert!(matches!(error, StorageError::Busy(_)), "{error}");
        }
        drop(release);
        assert!(blocked.await.unwrap().is_ok());
        let mut kept = 0;
        for task in tasks {
            kept += i64::from(task.await.unwrap());
        }
        assert_eq!(kept, room);
        assert_eq!(numbers(&storage, "SELECT COUNT(*) AS number FROM t").await, [kept]);
    }

    async fn when_the_commit_fails_nobody_is_told_that_it_worked(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database, 1);
        execute(
            &storage,
            "CREATE TABLE parent (n BIGINT PRIMARY KEY); \
             CREATE TABLE child (n BIGINT NOT NULL REFERENCES parent (n) DEFERRABLE INITIALLY DEFERRED)",
        )
        .await
        .unwrap();
        let (begun, release, blocked) = blocker(&storage);
        tokio::task::block_in_place(|| begun.recv()).unwrap();
        // On SQLite these three wait together, so they share a transaction: the second one spoils it.
        let all = tokio::join!(
            execute(&storage, "INSERT INTO parent (n) VALUES (1)"),
            execute(&storage, "INSERT INTO child (n) VALUES (2)"),
            execute(&storage, "INSERT INTO parent (n) VALUES (3)"),
            async { drop(release) }, // polled last, so the three have been queued
        );
        blocked.await.unwrap().unwrap();
        assert!(all.1.is_err());
        let kept = numbers(&storage, "SELECT n AS number FROM parent ORDER BY n").await;
        let told: Vec<_> = [(1, &all.0), (3, &all.2)].into_iter().filter(|(_, r)| r.is_ok()).map(|(n, _)| n).collect();
        assert_eq!(kept, told);
        assert_eq!(told.len(), if backend == Backend::Sqlite { 0 } else { 2 });
        assert!(numbers(&storage, "SELECT n AS number FROM child").await.is_empty());
        execute(&storage, "INSERT INTO parent (n) VALUES (4)").await.unwrap();
    }
}

#[tokio::test]
async fn d01_sqlite_is_opened_for_durability_and_its_read_gate_only_reads() {
    let database = Database::create(Backend::Sqlite);
    let storage = open(&database, 2);
    let pragmas = |c: &mut AnyConnection| -> Result<Vec<String>, StorageError> {
        let names = [
            "journal_mode",
            "synchronous",
            "foreign_keys",
            "busy_timeout",
            "query_only",
        ];
        let value = |name| format!("SELECT CAST((SELECT * FROM pragma_{name}) AS TEXT) AS line");
        Ok(names
            .iter()
            .flat_map(|name| lines(c, &value(name)))
            .collect())
    };
    assert_eq!(
        storage.write(pragmas).await.unwrap(),
        ["wal", "2", "1", "5000", "0"]
    );
    assert_eq!(
        storage.read(pragmas).await.unwrap(),
        ["wal", "2", "1", "5000", "1"]
    );
    let write = |c: &mut AnyConnection| -> Result<(), StorageError> {
        Ok(c.batch_execute("DELETE FROM users")?)
    };
    assert!(storage.read(write).await.is_err());
    assert!(storage.write(write).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_leaves_the_log_of_sqlite_before_anybody_has_to_wait_for_it() {
    let database = Database::create(Backend::Sqlite);
    let storage = open(&database, 2);
    execute(&storage, "CREATE TABLE ballast (b BLOB NOT NULL)")
        .await
        .unwrap();
    let size = |name| {
        let path = database.folder().unwrap().join(name);
        std::fs::metadata(path).unwrap().len()
    };
    let (file, log) = (|| size("unforget.db"), || size("unforget.db-wal"));
    // Each writes a page.
    let write = async |rows| {
        let insert =
            |_| async { execute(&storage, "INSERT INTO ballast VALUES (zeroblob(3900))").await };
        for written in futures_util::future::join_all((0..rows).map(insert)).await {
            written.unwrap();
        }
    };
    let before = file();
    for _ in 0..9 {
        write(500).await;
    }
    // The thread that writes would do it after 8,000 pages, while everybody waits.
    assert!(log() < 25_000_000, "{}", log());
    let begun = Instant::now();
    while file() < before + 12_000_000 {
        assert!(begun.elapsed() < PATIENCE, "{} {}", file(), log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..40 {
        write(500).await;
        assert!(log() < 60_000_000, "{}", log());
    }
    assert!(file() > before + 60_000_000, "{}", file());
}

/// Another process that holds SQLite's write lock until it is dropped.
fn foreign_writer(app: &TestApp) -> SqliteConnection {
    let path = app.database.folder().unwrap().join("unforget.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other
        .batch_execute("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE")
        .unwrap();
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d04_a_foreign_lock_delays_writes_and_loses_none() {
    let app = TestApp::start(Backend::Sqlite).await;
    let token = app.token(APP).await;
    let emails: Vec<_> = (0..10).map(|n| format!("u{n}@example.com")).collect();
    for email in &emails {
        app.user(email).await;
    }
    let other = foreign_writer(&app);
    let reminds =
        futures_util::future::join_all(emails.iter().map(|email| app.remind(&token, email)));
    let meanwhile = async {
        for path in ["/health/live", "/health/ready"] {
            assert_eq!(app.request("GET", path).send().await.unwrap().status(), 200);
        }
        tokio::time::sleep(Duration::from_secs(1)).await; // how long the foreigner takes
        assert_eq!(app.flows.list_mails(None, 10).await.unwrap().len(), 0); // so it did hold the lock
        drop(other);
    };
    let (replies, ()) = tokio::join!(reminds, meanwhile);
    for reply in replies {
        assert_eq!(reply.said(), "200 reminder_sent");
    }
    app.mails(10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d04_behind_a_lock_that_stays_writers_are_told_to_come_back() {
    let app = TestApp::start(Backend::Sqlite).await;
    app.user("ann@example.com").await;
    let token = app.token(APP).await;
    let other = foreign_writer(&app);
    let reply = app.remind(&token, "ann@example.com").await;
    assert_eq!(
        (reply.said().as_str(), reply.header("retry-after")),
        ("503 unavailable", "1")
    );
    drop(other);
    assert_eq!(
        app.remind(&token, "ann@example.com").await.said(),
        "200 reminder_sent"
    );
    app.mails(1).await;
}
