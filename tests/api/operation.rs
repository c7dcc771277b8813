//! The service as an operator lives with it: health, a database that goes away, and a storm of hashing (H16, D05, P12).

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};
use futures_util::future::join_all;
use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, Reply, TestApp};
use crate::postgres::{PrivateServer, TestDatabase};
use unforget::flows::By;

/// Ends all connections to the database but the one that says it.
const OTHERS_END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn get(app: &TestApp, path: &str) -> Reply {
    Reply::of(app.request("GET", path).send().await.unwrap()).await
}

/// A service whose PostgreSQL server the test may break. The guards are dropped after it.
async fn on_private_server() -> (TestApp, TestDatabase, PrivateServer) {
    let server = PrivateServer::new();
    let database = TestDatabase::create_on(&server.url());
    let url = database.url.parse().unwrap();
    let app = TestApp::start_with(Backend::Sqlite, |s| s.database_url = url).await;
    (app, database, server)
}

/// Callers that never rest: each asks for a token and for mails to addresses of its own.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    callers: Vec<tokio::task::JoinHandle<(HashSet<String>, HashSet<u16>)>>,
}

impl Load {
    async fn start(app: &TestApp, users: &[Vec<String>]) -> Self {
        let client = app.client(APP).await;
        let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let caller = |own: Vec<String>| {
            let (base, client) = (app.base.clone(), client.clone());
            let (stop, answers) = (Arc::clone(&stop), Arc::clone(&answers));
            tokio::spawn(async move {
                let http = reqwest::Client::new();
                let (mut kept, mut codes) = (HashSet::new(), HashSet::new());
                let mut token = String::new();
                for email in own.iter().cycle() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let ask = http
                        .post(format!("{base}/oauth/token"))
                        .basic_auth(&client.id, Some(&client.secret))
                        .form(&[("grant_type", "client_credentials")]);
                    let reply = Reply::of(ask.send().await.unwrap()).await;
                    codes.insert(reply.status);
                    if reply.status == 200 {
                        token = reply.json()["access_token"].as_str().unwrap().to_owned();
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                    let remind = http
                        .post(format!("{base}/v1/password/remind"))
                        .bearer_auth(&token)
                        .json(&json!({"email": email}));
                    let reply = Reply::of(remind.send().await.unwrap()).await;
                    if !token.is_empty() {
                        codes.insert(reply.status);
                    }
                    if reply.status == 200 {
                        kept.insert(email.clone());
                    }
                }
                (kept, codes)
            })
        };
        let callers = users.iter().cloned().map(caller).collect();
        let load = Self {
            stop,
            answers,
            callers,
        };
        load.answered(20).await;
        load
    }

    /// Waits until so many more tokens were issued.
    async fn answered(&self, more: usize) {
        let wanted = self.answers.load(Ordering::SeqCst) + more;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.answers.load(Ordering::SeqCst) < wanted {
            assert!(
                tokio::time::Instant::now() < deadline,
                "no answers any more"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whose reminders were acknowledged; every answer was a success or a "come back later".
    async fn finish(self) -> HashSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut kept = HashSet::new();
        for caller in self.callers {
            let (own, codes) = caller.await.unwrap();
            assert!(codes.is_subset(&HashSet::from([200, 503])), "{codes:?}");
            kept.extend(own);
        }
        kept
    }
}

async fn users(app: &TestApp) -> Vec<Vec<String>> {
    let mut users = vec![Vec::new(); 4];
    for n in 0..20 {
        let email = format!("u{n}@example.com");
        app.user(&email).await;
        users[n % 4].push(email);
    }
    users
}

/// All of them have got their mail.
async fn mailed(app: &TestApp, kept: &HashSet<String>) {
    // A mail whose outcome could not be written down is tried again when its lease has ended.
    app.advance(30);
    app.quiet().await;
    let got: HashSet<_> = app.sink.received().into_iter().flat_map(|m| m.to).collect();
    assert!(
        !kept.is_empty() && kept.is_subset(&got),
        "lost: {:?}",
        kept.difference(&got)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h16_readiness_follows_the_database_and_liveness_does_not() {
    let (app, _database, server) = on_private_server().await;
    let client = app.client(APP).await;
    let token = app.token_of(&client).await;
    let ready = get(&app, "/health/ready").await;
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ready"}))
    );

    server.stop();
    let grant = [("grant_type", "client_credentials")];
    let (ready, live, reminded, issued) = tokio::join!(
        get(&app, "/health/ready"),
        get(&app, "/health/live"),
        app.remind(&token, "ann@example.com"),
        app.token_request(&client, &grant),
    );
    let not_ready = json!({"status": "not_ready"}); // no details
    assert_eq!((ready.status, ready.json()), (503, not_ready));
    assert_eq!(
        (live.status, live.json()),
        (200, json!({"status": "alive"}))
    );
    assert_eq!(reminded.said(), "503 unavailable");
    assert_eq!(issued.said(), "503 temporarily_unavailable");
    for reply in [ready, reminded, issued] {
        assert_eq!(reply.header("retry-after"), "1");
    }

    server.start();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while get(&app, "/health/ready").await.status != 200 {
        assert!(tokio::time::Instant::now() < deadline, "it does not heal");
    }
    assert_eq!(
        app.remind(&token, "ann@example.com").await.said(),
        "200 reminder_sent"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_postgres_crashes_under_load_and_every_acknowledged_mail_still_goes_out() {
    let (app, _database, server) = on_private_server().await;
    let load = Load::start(&app, &users(&app).await).await;
    for _ in 0..2 {
        server.restart();
        load.answered(20).await;
    }
    mailed(&app, &load.finish().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_all_backends_are_terminated_under_load_and_nobody_sees_a_500() {
    let app = TestApp::start(Backend::Postgres).await;
    let load = Load::start(&app, &users(&app).await).await;
    let mut admin = PgConnection::establish(&app.database.url()).unwrap();
    for _ in 0..5 {
        assert!(sql_query(OTHERS_END).execute(&mut admin).unwrap() > 0);
        load.answered(10).await;
    }
    mailed(&app, &load.finish().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_one_call_that_meets_a_lost_connection_spares_the_others_theirs() {
    let app = TestApp::start(Backend::Postgres).await;
    let client = app.client(APP).await;
    let mut admin = PgConnection::establish(&app.database.url()).unwrap();
    let ready = async || get(&app, "/health/ready").await.status;
    let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
    loop {
        assert!(tokio::time::Instant::now() < deadline, "no call meets one");
        // The pool's connections and the one of the token endpoint, all used just now.
        assert_eq!(join_all((0..8).map(|_| ready())).await, [200; 8]);
        app.token_of(&client).await;
        assert!(sql_query(OTHERS_END).execute(&mut admin).unwrap() > 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
        if ready().await == 503 {
            app.token_of(&client).await;
            assert_eq!(join_all((0..8).map(|_| ready())).await, [200; 8]);
            return;
        }
        // Its connection was made just now, or had rested for a second, or the worker has met the loss. The ended ones rest now.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
}

both! {
    async fn p12_a_storm_of_resets_is_bounded_and_burns_no_token(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.bcrypt_cost = 9).await;
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        // One hash runs on each core and sixty-four wait; the rest is too much.
        let storm = std::thread::available_parallelism().unwrap().get() + 64 + 30;
        let emails: Vec<_> = (0..storm).map(|n| format!("u{n}@example.com")).collect();
        for email in &emails {
            let new = unforget::flows::users::NewUser {
                email: unforget::domain::EmailAddress::parse(email).unwrap(),
                password: None,
                password_hash: None,
                locale: None,
                profile: serde_json::Map::new(),
            };
            app.flows.add_user(By::Operator, new).await.unwrap();
            assert_eq!(app.remind(&token, email).await.status, 200);
        }
        let mails = app.mails(storm).await;
        let tokens: Vec<_> = mails.iter().map(|m| (m.to[0].clone(), m.parse().token())).collect();
        let over = AtomicBool::new(false);
        let resets = async {
            let resets = tokens.iter().map(|(email, reset)| app.reset(&token, email, reset, "a new secret"));
            let replies = join_all(resets).await;
            over.store(true, Ordering::SeqCst);
            replies
        };
        let watch = async {
            let mut rounds = 0;
            while !over.load(Ordering::SeqCst) || rounds == 0 {
                assert_eq!(get(&app, "/health/live").await.status, 200);
                app.token_of(&client).await;
                rounds += 1;
            }
        };
        let (replies, ()) = tokio::join!(resets, watch);
        let mut refused = Vec::new();
        for (reply, (email, reset)) in replies.iter().zip(&tokens) {
            match reply.said().as_str() {
                "200 password_reset" => {}
                "503 unavailable" => {
                    assert_eq!(reply.header("retry-after"), "1");
                    assert_eq!(app.check(&token, reset).await.said(), "200 token_valid");
                    refused.push((email, reset));
                }
                other => panic!("{other}"),
            }
        }
        assert!(!refused.is_empty() && refused.len() < storm);
        let (email, reset) = refused[0];
        assert_eq!(app.reset(&token, email, reset, "a new secret").await.said(), "200 password_reset");
    }
}
