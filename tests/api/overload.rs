//! More work than there is room for, at the real binary: the rest goes on, the excess is told to come back, and nothing that was taken
//! is lost (bar P12, D04).
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, Database, PATIENCE, Program, Reply, Service, rounds};
use crate::process::Latencies;

/// A tenth of a second is promised on a quiet machine; tests have neighbours.
const PROMPT: Duration = Duration::from_secs(1);

/// The program on a fresh database, with an app that may do everything.
async fn service(backend: Backend, cost: &str) -> (Database, Program, Service, Value) {
    let database = Database::create(backend);
    let program = Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_PASSWORD__BCRYPT_COST", cost),
        ("UNFORGET_LIMITS__ENABLED", "false"),
    ]);
    let scopes = "password:remind password:reset password:verify sessions:create";
    let client = program.json(&["client", "add", "Quotes", "--scope", scopes]);
    let service = program.serve().await;
    (database, program, service, client)
}

/// Calls until the time is over and says how long each call took.
async fn probe<F: Future<Output = ()>>(until: Instant, call: impl Fn() -> F) -> Latencies {
    let mut all = Vec::new();
    while Instant::now() < until || all.is_empty() {
        let begun = Instant::now();
        call().await;
        all.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Latencies::of(all)
}

both! {
    async fn p12_health_and_tokens_are_prompt_while_256_callers_have_passwords_hashed(backend: Backend) {
        // The cost that is the default takes the machine from the neighbours; it is for long runs.
        let cost = if std::env::var_os("TEST_ROUNDS").is_some() { "12" } else { "10" };
        let (_database, _program, service, client) = service(backend, cost).await;
        let token = service.token(&client).await;
        let over = Instant::now() + Duration::from_secs(rounds(2) as u64);
        let http = reqwest::Client::new();
        let caller = |number: usize| {
            let (http, token, base) = (http.clone(), &token, &service.base);
            async move {
                let mut answers: HashMap<u16, usize> = HashMap::new();
                for round in 0.. {
                    let (path, body) = match number % 3 {
                        0 => ("verify", json!({"email": format!("u{number}x{round}@example.com"), "password": "not the secret"})),
                        1 => ("sessions", json!({"email": format!("u{number}x{round}@example.com"), "password": "not the secret"})),
                        _ => ("reset", json!({"email": "u@example.com", "token": "x", "password": "a new secret"})),
                    };
                    let path = if path == "sessions" { "/v1/sessions".to_owned() } else { format!("/v1/password/{path}") };
                    let request = http.post(format!("{base}{path}")).bearer_auth(token).json(&body);
                    let reply = Reply::of(request.send().await.unwrap()).await;
                    *answers.entry(reply.status).or_default() += 1;
                    if reply.status == 503 {
                        assert_eq!(reply.header("retry-after"), "1");
                        tokio::time::sleep(Duration::from_millis(250)).await;
                    }
                    if Instant::now() > over {
                        break;
                    }
                }
                answers
            }
        };
        let callers = join_all((0..256).map(caller));
        let health = probe(over, || async {
            let url = format!("{}/health/live", service.base);
            assert_eq!(http.get(url).send().await.unwrap().status(), 200);
        });
        let tokens = probe(over, || async { drop(service.token(&client).await) });
        let (answers, health, tokens) = tokio::join!(callers, health, tokens);
        let mut sums: HashMap<u16, usize> = HashMap::new();
        for (status, count) in answers.into_iter().flatten() {
            *sums.entry(status).or_default() += count;
        }
        println!("{backend:?}: health {health}; tokens {tokens}; answers {sums:?}");
        // So many connect at once that the head of one may come too late.
        assert!(sums.keys().all(|status| [400, 408, 503].contains(status)), "{sums:?}");
        assert!(sums[&503] > 0 && sums[&400] > 0, "{sums:?}");
        assert!(health.percentile(50) < PROMPT, "{health}");
        assert!(tokens.percentile(50) < 3 * PROMPT, "{tokens}");
        // The queue was bounded: it is empty again, and whoever comes now is let in.
        let deadline = Instant::now() + PATIENCE;
        let body = json!({"email": "late@example.com", "password": "not the secret"});
        while service.post("/v1/password/verify", &token, body.clone()).await.status == 503 {
            assert!(Instant::now() < deadline, "there is never a place again");
        }
    }

    async fn d04_a_full_write_queue_sheds_the_excess_and_loses_nothing_that_it_took(backend: Backend) {
        let (database, program, service, client) = service(backend, "10").await;
        let token = service.token(&client).await;
        let before = service.memory();
        let lock = Foreign::lock(&database);
        let http = reqwest::Client::new();
        // One batch runs, and so many find room behind it.
        let calls = match backend {
            Backend::Sqlite => 256 + 1024 + 100,
            Backend::Postgres => 512 + 100,
        };
        let (shed, mut excess) = tokio::sync::mpsc::channel(calls);
        let remind = |number: usize| {
            let body = json!({"email": format!("u{number}@example.com")});
            let url = format!("{}/v1/password/remind", service.base);
            let request = http.post(url).bearer_auth(&token).json(&body).send();
            let shed = shed.clone();
            async move {
                let reply = Reply::of(request.await.unwrap()).await;
                if reply.status == 503 {
                    assert_eq!((reply.said().as_str(), reply.header("retry-after")), ("503 unavailable", "1"));
                    shed.try_send(()).unwrap();
                }
                reply.status
            }
        };
        let replies = join_all((0..calls).map(remind));
        let watch = async {
            for _ in 0..50 {
                excess.recv().await.unwrap();
            }
            let live = Instant::now();
            assert_eq!(reqwest::get(format!("{}/health/live", service.base)).await.unwrap().status(), 200);
            println!("{backend:?}: health in {:.1?} with a full queue", live.elapsed());
            assert!(live.elapsed() < 5 * PROMPT);
            drop(lock);
        };
        let (replies, ()) = tokio::join!(replies, watch);
        let taken = replies.iter().filter(|status| **status == 200).count();
        // So many callers in one process may themselves be too slow to say what they want.
        assert!(replies.iter().all(|status| [200, 408, 503].contains(status)), "{replies:?}");
        let grown = service.memory().saturating_sub(before);
        println!("{backend:?}: {taken} taken, {} shed, {grown} KiB more", calls - taken);
        assert!(taken > 0, "who waited is told to come back too");
        assert!(grown < 150_000, "{grown} KiB more");
        // None is lost: each is a row, whatever has become of it.
        let listed = program.json(&["mail", "list", "--limit", "5000"]);
        assert_eq!(listed.as_array().unwrap().len(), taken);
    }
}

/// Somebody else who holds the lock that every write needs, until it is dropped.
enum Foreign {
    Sqlite { _lock: SqliteConnection },
    Postgres { _lock: PgConnection },
}

impl Foreign {
    fn lock(database: &Database) -> Self {
        match database {
            Database::Sqlite(folder) => {
                let path = folder.path().join("unforget.db");
                let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                other
                    .batch_execute("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE")
                    .unwrap();
                Self::Sqlite { _lock: other }
            }
            Database::Postgres(database) => {
                let mut other = PgConnection::establish(&database.url).unwrap();
                other
                    .batch_execute("BEGIN; LOCK TABLE mails IN ACCESS EXCLUSIVE MODE")
                    .unwrap();
                Self::Postgres { _lock: other }
            }
        }
    }
}
