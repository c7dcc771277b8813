//! Limits that nodes share when there are very many callers, and when the database was away (bar H12).

use std::time::Duration;

use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use unforget::storage::StorageError;
use unforget::storage::limits::{self, Spent};

use crate::both;
use crate::helpers::{Backend, Program};
use crate::limits_shared::{BURST, Caller, start};
use crate::postgres::{PrivateServer, TestDatabase};
use crate::recovery::eventually;

const PAUSE: Duration = Duration::from_millis(200);
/// More than a node asks for at a time.
const FLOOD: usize = 7000;

both! {
    async fn h12_a_flood_of_callers_hides_nobody_from_the_other_nodes(backend: Backend) {
        let app = start(backend).await;
        let (now, second) = (app.clock.now(), app.second());
        let spent = move |text: &str| Spent {
            digest: Sha256::digest(text).into(),
            bucket: "api",
            since: now,
            cost: TimeDelta::minutes(i64::from(BURST)),
        };
        // Somebody has used a bucket up just before the flood, and somebody just after it.
        let work = app.flows.storage.write(move |c| {
            let at = |milliseconds| now - TimeDelta::milliseconds(milliseconds);
            limits::add(c, vec![spent("api address 127.0.0.1")], at(2))?;
            let flood: Vec<_> = (0..FLOOD).map(|n| spent(&n.to_string())).collect();
            for some in flood.chunks(1000) {
                limits::add(c, some.to_vec(), at(1))?;
            }
            limits::add(c, vec![spent("api address 127.0.0.2")], at(0))?;
            Ok::<_, StorageError>(())
        });
        work.await.unwrap();
        let late = app.second();
        for base in [&app.base, &second.1, &late.1] {
            for address in ["127.0.0.1", "127.0.0.2"] {
                // So few that the node has not yet told of them itself, which would make their row a new one.
                let through = Caller::at(address).use_up(base, 5 * PAUSE).await;
                assert!(through * 8 < BURST, "{base} let {address} call {through} times");
            }
            assert_eq!(Caller::at("127.0.0.3").call(base).await.status, 401);
        }
        second.0.stop().await;
        late.0.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h12_what_was_counted_while_the_database_was_away_is_told_when_it_is_back() {
    const FAILED: &str = "limits are not shared";
    let postgres = PrivateServer::new();
    let database = TestDatabase::create_on(&postgres.url());
    let program = Program::new(&[
        ("DATABASE_URL", &database.url),
        ("UNFORGET_LIMITS__API_PER_MINUTE", "1"),
        ("UNFORGET_LIMITS__API_BURST", &BURST.to_string()),
        ("RUST_LOG", "debug"),
    ]);
    let first = program.serve().await;
    let lines = |what: &[&str]| {
        let log = program.log();
        let all = log.lines();
        all.filter(|line| what.iter().all(|what| line.contains(what)))
            .count()
    };
    tokio::task::block_in_place(|| postgres.stop());
    eventually("a node says it", || lines(&[FAILED, "\"WARN\""]) > 0).await;
    let caller = Caller::at("127.0.0.1");
    assert_eq!(caller.use_up(&first.base, Duration::ZERO).await, BURST);
    // The second failure from now on is of one that was to tell of all of them.
    let before = lines(&[FAILED]);
    eventually("it cannot be told", || lines(&[FAILED]) > before + 1).await;
    tokio::task::block_in_place(|| postgres.start());
    eventually("it says that too", || {
        lines(&["limits are shared again", "\"INFO\""]) > 0
    })
    .await;
    assert_eq!(lines(&[FAILED, "\"WARN\""]), 1, "once, and not each time");

    let second = program.serve().await;
    let through = caller.use_up(&second.base, PAUSE).await;
    assert!(through < BURST, "the second node gave a bucket of its own");
}
