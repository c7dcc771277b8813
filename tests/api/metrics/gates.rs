//! What is shown of those who wait: for the database, for bcrypt, for a mail server. And that metrics answer while the database does not.

use std::sync::Mutex;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use futures_util::future::join_all;
use serde_json::json;
use unforget::storage::StorageError;

use super::scrape::Scrape;
use super::{shows, start};
use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, TestApp};
use crate::postgres::TestDatabase;
use crate::proxy::{Line, Proxy};
use crate::smtp::{Behaviour, Stage};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Holds one of the places in the database until what this returns is dropped.
async fn hold(app: &TestApp, writes: bool) -> Sender<()> {
    let (release, held) = mpsc::channel::<()>();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let held = Mutex::new(held);
    let wait = move || {
        let _told = entered.send(());
        let _released = held.lock().unwrap().recv();
    };
    let storage = app.flows.storage.clone();
    tokio::spawn(async move {
        let work = move |_: &mut _| {
            wait();
            Ok::<_, StorageError>(())
        };
        match writes {
            true => storage.write(work).await,
            false => storage.read(work).await,
        }
    });
    let inside = tokio::time::timeout(PATIENCE, inside).await;
    inside.unwrap().unwrap();
    release
}

both! {
    async fn metrics_answer_while_the_database_does_not_and_tell_who_waits(backend: Backend) {
        let app = start(backend, None).await;
        let mut held = Vec::new();
        for _ in 0..app.settings.database_parallel {
            held.push(hold(&app, false).await);
        }
        // On PostgreSQL who waits for 3 s is told to come back, and does.
        let asking: Vec<_> = (0..4).map(|_| {
            let (http, url) = (app.http().clone(), format!("{}/health/ready", app.base));
            tokio::spawn(async move {
                loop {
                    let answer = http.get(&url).send().await.unwrap().status().as_u16();
                    assert!([200, 503].contains(&answer), "{answer}");
                }
            })
        }).collect();
        let size = f64::from(app.settings.database_parallel);
        shows(&app, |s| match backend {
            Backend::Sqlite => s.sum("unforget_storage_queue_depth", &[("gate", "read")]) >= 3.0,
            Backend::Postgres => {
                let calls = |name| s.sum(name, &[("pool", "calls")]);
                calls("unforget_database_pool_waiting") >= 3.0
                    && calls("unforget_database_pool_in_use") == size
                    && calls("unforget_database_pool_size") == size
            }
        }).await;
        for task in asking {
            assert!(!task.is_finished(), "an answer that was none");
            task.abort();
        }
        drop(held);
        shows(&app, |s| match backend {
            Backend::Sqlite => s.sum("unforget_storage_queue_depth", &[]) == 0.0,
            Backend::Postgres => s.sum("unforget_database_pool_waiting", &[]) == 0.0,
        }).await;
    }

    async fn the_gate_before_bcrypt_shows_who_runs_who_waits_and_who_was_refused(backend: Backend) {
        let app = start(backend, None).await;
        let token = app.token("password:verify").await;
        let quiet = shows(&app, |_| true).await;
        let (slots, most) = (quiet.value("unforget_hash_slots").unwrap(), quiet.value("unforget_hash_waiting_limit").unwrap());
        let mut places: Vec<_> = std::iter::from_fn(|| app.flows.hasher.place().ok()).collect();
        assert_eq!(places.len() as f64, slots + most);
        let turn = places.pop().unwrap().turn().await.unwrap();
        let body = json!({"email": "ann@example.com", "password": "some secret"});
        let busy = app.post("/v1/password/verify", &token, body.clone()).await;
        assert_eq!(busy.status, 503, "{busy:?}");
        let shown = shows(&app, |_| true).await;
        let value = |name: &str| shown.value(name).unwrap();
        assert_eq!((value("unforget_hash_running"), value("unforget_hash_waiting")), (1.0, slots + most - 1.0));
        // One when no place was left to fill up with, and one for the call.
        assert_eq!(value("unforget_hash_refused_total"), 2.0);
        drop((places, turn));
        let waited = value("unforget_hash_wait_seconds_count");
        assert_eq!(app.post("/v1/password/verify", &token, body).await.said(), "400 wrong_credentials");
        let shown = shows(&app, |s| s.value("unforget_hash_waiting") == Some(0.0) && s.value("unforget_hash_running") == Some(0.0)).await;
        assert!(shown.value("unforget_hash_wait_seconds_count").unwrap() > waited);
        assert_eq!(shown.value("unforget_hash_refused_total"), Some(2.0));
    }

    async fn a_mail_that_is_due_and_not_taken_grows_old_in_the_metrics(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
            settings.mail.parallel = 1;
            settings.mail.timeout = Duration::from_secs(60);
        }).await;
        let token = app.token(APP).await;
        for email in ["ann@example.com", "bob@example.com"] {
            app.user(email).await;
        }
        app.sink.behave(Behaviour::stall(Stage::Mail).first(1));
        app.remind(&token, "ann@example.com").await;
        // Somebody has the one and waits for the server; nobody has the other.
        shows(&app, |_| app.sink.struck() == 1).await;
        app.remind(&token, "bob@example.com").await;
        let old = |s: &Scrape| s.value("unforget_mail_oldest_due_seconds").is_some_and(|age| age > 0.5);
        let shown = shows(&app, old).await;
        assert_eq!(shown.value("unforget_mail_queued"), Some(2.0));
    }
}

/// Many statements' worth of tokens wait for one that does not end: they are seen, and nobody waits for more than that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_wait_in_vain_are_shown_and_told_all_at_once() {
    const CALLS: usize = 900;
    let app = start(Backend::Postgres, None).await;
    let client = app.client(APP).await;
    app.token_of(&client).await;
    let mut other = PgConnection::establish(&app.database.url()).unwrap();
    other
        .batch_execute("BEGIN; LOCK TABLE access_tokens IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let begun = Instant::now();
    let asking = join_all((0..CALLS).map(|_| app.token_request(&client, &[GRANT])));
    let tokens = |s: &Scrape, name| s.sum(name, &[("pool", "tokens")]);
    let watching = shows(&app, |s| {
        tokens(s, "unforget_database_pool_waiting") > 500.0
            && tokens(s, "unforget_database_pool_in_use") == 1.0
            && tokens(s, "unforget_database_pool_size") == 1.0
    });
    let (answers, _) = tokio::join!(asking, watching);
    let with = |status| answers.iter().filter(|a| a.status == status).count();
    // So many at once: of some, the head may have come too late.
    assert!(with(503) > 500 && with(503) + with(408) == CALLS);
    // A statement has five seconds. Who came meanwhile is told with it, and does not wait until it gives up by itself.
    let gave_up = &[("waited_for", "connection")];
    let shown = shows(&app, |_| true).await;
    assert_eq!(
        shown.sum("unforget_database_pool_timeouts_total", gave_up),
        0.0
    );
    assert!(
        begun.elapsed() < Duration::from_secs(16),
        "{:?}",
        begun.elapsed()
    );
    drop(other);
    assert_eq!(app.token_request(&client, &[GRANT]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_share_a_transaction_are_counted_as_one_batch() {
    let app = start(Backend::Sqlite, None).await;
    let token = app.token(APP).await;
    let before = shows(&app, |_| true).await;
    let held = hold(&app, true).await;
    let reminds: Vec<_> = (0..6).map(|at| format!("u{at}@example.com")).collect();
    let reminds = join_all(reminds.iter().map(|email| app.remind(&token, email)));
    let release = async {
        let waiting =
            |s: &Scrape| s.sum("unforget_storage_queue_depth", &[("gate", "write")]) >= 6.0;
        shows(&app, waiting).await;
        drop(held);
    };
    tokio::join!(reminds, release);
    let after = shows(&app, |_| true).await;
    let large = |s: &Scrape| {
        let of = |le| {
            s.sum(
                "unforget_storage_batch_size_bucket",
                &[("gate", "write"), ("le", le)],
            )
        };
        of("+Inf") - of("4.0")
    };
    assert_eq!(large(&after) - large(&before), 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_answer_while_the_database_server_is_gone_and_say_so() {
    let database = TestDatabase::create();
    let proxy = Proxy::before(&database.url).await;
    let url = proxy.url.parse().unwrap();
    let app = TestApp::start_with(Backend::Sqlite, |settings| {
        settings.database_url = url;
        settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    let up = |s: &Scrape| s.value("unforget_database_up");
    let shown = shows(&app, |s| up(s) == Some(1.0)).await;
    assert_eq!(shown.value("unforget_mail_queued"), Some(0.0));
    proxy.set(Line::Silent);
    let shown = shows(&app, |s| up(s) == Some(0.0)).await;
    // Nobody knows how many mails wait.
    assert_eq!(shown.value("unforget_mail_queued"), None);
    assert_eq!(shown.value("unforget_mail_oldest_due_seconds"), None);
    assert!(shown.value("process_open_fds").is_some());
    let timeouts = |s: &Scrape| {
        s.sum(
            "unforget_database_pool_timeouts_total",
            &[("waited_for", "answer")],
        )
    };
    shows(&app, |s| timeouts(s) >= 1.0).await;
    proxy.set(Line::Works);
    shows(&app, |s| up(s) == Some(1.0)).await;
}
