//! Limits that nodes share through the database, and that a restart does not reset (bar H12).

use std::net::IpAddr;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use unforget::clock::Clock;
use unforget::config::LimitSettings;
use unforget::domain::Instant;
use unforget::server;
use unforget::storage::limits::{self, Spent};

use crate::both;
use crate::helpers::{Backend, PATIENCE, Reply, TestApp, settings};
use crate::postgres::{PrivateServer, TestDatabase};

/// What a caller may do at once; it gets a call back each minute, so that none does during a test.
pub(crate) const BURST: u32 = 120;

fn limits() -> Option<LimitSettings> {
    Some(LimitSettings {
        token_per_minute: 1,
        token_burst: BURST,
        api_per_minute: 1,
        api_burst: BURST,
        page_per_minute: 1,
        page_burst: BURST,
    })
}

pub(crate) async fn start(backend: Backend) -> TestApp {
    TestApp::start_with(backend, |settings| settings.limits = limits()).await
}

/// Somebody who calls without a token, and so is counted by the address.
pub(crate) struct Caller(reqwest::Client);

impl Caller {
    pub(crate) fn at(address: &str) -> Self {
        let http = reqwest::Client::builder().local_address(address.parse::<IpAddr>().unwrap());
        Self(http.build().unwrap())
    }

    pub(crate) async fn call(&self, base: &str) -> Reply {
        let request = self.0.post(format!("{base}/v1/password/check"));
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert!([401, 429].contains(&reply.status), "{reply:?}");
        reply
    }

    /// Calls until it is refused, and says how often it was not.
    pub(crate) async fn use_up(&self, base: &str, pause: Duration) -> u32 {
        let mut through = 0;
        while self.call(base).await.status == 401 {
            through += 1;
            tokio::time::sleep(pause).await;
        }
        through
    }
}

both! {
    async fn h12_a_caller_who_goes_from_node_to_node_gets_about_one_bucket_in_all(backend: Backend) {
        let app = start(backend).await;
        let (second, third) = (app.second(), app.second());
        let caller = Caller::at("127.0.0.1");
        assert_eq!(caller.use_up(&app.base, Duration::ZERO).await, BURST);
        // The others learn of it within a second; a noisy machine has ten times that.
        let elsewhere = [&second.1, &third.1].map(|base| caller.use_up(base, Duration::from_millis(200)));
        let more: u32 = join_all(elsewhere).await.into_iter().sum();
        assert!(more < BURST, "{BURST} and then {more}");

        let reply = Caller::at("127.0.0.2").call(&second.1).await;
        assert_eq!(reply.header("x-ratelimit-remaining"), (BURST - 1).to_string(), "another caller");
        second.0.stop().await;
        third.0.stop().await;
    }

    async fn h12_what_several_nodes_let_through_at_once_is_waited_for_on_all(backend: Backend) {
        let app = start(backend).await;
        let (second, base) = app.second();
        let caller = Caller::at("127.0.0.1");
        let bases = [&app.base, &base];
        let spent = join_all(bases.map(|base| caller.use_up(base, Duration::ZERO))).await;
        let over = i64::from(spent.iter().sum::<u32>()) - i64::from(BURST);
        assert!(over >= 0, "{spent:?}");
        // By itself a node would have a call for the caller within a minute.
        for base in bases {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            loop {
                let reply = caller.call(base).await;
                assert_eq!((reply.status, reply.header("x-ratelimit-remaining")), (429, "0"), "{reply:?}");
                let wait: i64 = reply.header("retry-after").parse().unwrap();
                assert!(wait <= 60 * (over + 1), "{wait} s for {spent:?}");
                if wait > 60 * over - 30 {
                    break;
                }
                assert!(tokio::time::Instant::now() < deadline, "{wait} s for {spent:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        second.stop().await;
    }

    async fn h12_a_clock_that_is_ahead_locks_nobody_out_elsewhere(backend: Backend) {
        let app = start(backend).await;
        let (second, base) = app.second();
        let caller = Caller::at("127.0.0.1");
        // Enough to be told of.
        for _ in 0..BURST / 2 {
            assert_eq!(caller.call(&app.base).await.status, 401);
        }
        let all = || app.flows.storage.read({
            let now = app.clock.now();
            move |c| limits::changed(c, (Instant::UNIX_EPOCH, [0; 32]), now, 10)
        });
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let row = loop {
            if let Some(row) = all().await.unwrap().pop() {
                break row;
            }
            assert!(tokio::time::Instant::now() < deadline, "nothing is told");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        // What a third node would tell whose clock is an hour ahead.
        let ahead = app.clock.now() + TimeDelta::hours(1);
        let spent = Spent { digest: row.digest, bucket: "api", since: ahead, cost: TimeDelta::hours(1) };
        assert_eq!(row.bucket, spent.bucket);
        app.flows.storage.write(move |c| limits::add(c, vec![spent], ahead)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for base in [&app.base, &base] {
            assert_eq!(caller.call(base).await.status, 401);
        }
        // The next node with a good clock puts the row right.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while all().await.unwrap()[0].full_at > app.clock.now() + TimeDelta::minutes(2 * i64::from(BURST)) {
            assert!(tokio::time::Instant::now() < deadline, "it stays wrong");
            caller.call(&app.base).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        second.stop().await;
    }

    async fn h12_a_restart_gives_nobody_a_new_bucket(backend: Backend) {
        let mut app = start(backend).await;
        let caller = Caller::at("127.0.0.1");
        assert_eq!(caller.use_up(&app.base, Duration::ZERO).await, BURST);
        app.stop().await;
        let (again, base) = app.second();
        // What is not known at the start, since the database took its time, is known soon after it.
        let mut let_in = 0;
        while caller.call(&base).await.said() != "429 too_many_requests" {
            let_in += 1;
            assert!(let_in <= BURST / 4, "there was a new bucket");
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        assert_eq!(Caller::at("127.0.0.2").call(&base).await.status, 401);
        again.stop().await;
        // Once the bucket is full again, the row is of no use and goes.
        app.advance(i64::from(BURST) * 60 + 60);
        app.flows.purge().await.unwrap();
        let (again, base) = app.second();
        assert_eq!(caller.call(&base).await.status, 401);
        again.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h12_while_the_database_is_away_each_node_counts_for_itself() {
    let postgres = PrivateServer::new();
    let database = TestDatabase::create_on(&postgres.url());
    let mut settings = settings(&database.url, "file:/dev/null/none");
    settings.limits = limits();
    let running = server::start(&settings, Clock::System).unwrap();
    let base = format!("http://{}", running.address);
    let caller = Caller::at("127.0.0.1");
    assert_eq!(caller.call(&base).await.status, 401);
    tokio::task::block_in_place(|| postgres.stop());
    assert_eq!(
        caller.use_up(&base, Duration::ZERO).await,
        BURST - 1,
        "nothing waits for the database, and nothing is forgotten"
    );
    tokio::task::block_in_place(|| postgres.start());
    assert_eq!(caller.call(&base).await.status, 429);
    running.stop().await;
}
