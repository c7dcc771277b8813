//! PostgreSQL itself is killed in the midst of the load: the service goes on after its restart, with nothing lost.

use std::sync::Arc;
use std::time::Duration;

use super::rig::Rig;
use crate::helpers::{Database, PATIENCE, rounds};
use crate::postgres::{PrivateServer, TestDatabase};
use crate::site::Site;

/// Waits until the service, and our own flows beside it, have their database back, and for a second more: a connection that was used
/// within that time is trusted without asking the server.
async fn until_back(rig: &Rig) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let ready = || async {
        let answer = reqwest::get(format!("{}/health/ready", rig.base())).await;
        let served = answer.is_ok_and(|answer| answer.status().is_success());
        served && rig.site.flows.list_clients().await.is_ok()
    };
    while !ready().await {
        assert!(tokio::time::Instant::now() < deadline, "it never heals");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_postgresql_killed_under_a_mixed_load_loses_nothing_and_the_service_goes_on() {
    let server = Arc::new(PrivateServer::new());
    let database = Database::Postgres(TestDatabase::create_on(&server.url()));
    let mut rig = Rig::on(Site::on(database).await).await;
    let (wanted, mut round) = (rounds(3), 0);
    // Until calls were cut off: before that nothing was shown.
    while round < wanted || !rig.seen.contains_key("unknown") {
        assert!(round < 10 * wanted, "{:?}", rig.seen);
        round += 1;
        let server = Arc::clone(&server);
        let restart = async |_: &mut Rig| {
            let restarted = tokio::task::spawn_blocking(move || server.restart());
            restarted.await.unwrap();
        };
        let ledger = rig.fire(restart).await;
        until_back(&rig).await;
        rig.reconcile(&ledger).await;
    }
    rig.finish().await;
}
