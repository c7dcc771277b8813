//! Nothing that was acknowledged is lost, and nothing is half done (rig T3; bar D02, F12, E10): the real program under a mixed load is
//! killed at random moments and at each of its writes, or loses its database, and what its callers wrote down is held against the
//! database, the service and the mailbox.

mod asking;
mod deed;
mod finish;
mod reconcile;
mod rig;
mod server;
mod things;
mod writes;

use deed::Kind;
use rig::Rig;

use crate::both;
use crate::helpers::{Backend, rounds};

/// Whether every kind of call was answered before a crash, and some were cut off: else nothing was shown.
fn has_seen_all(rig: &Rig) -> bool {
    let cut_off = rig.seen.get("unknown").is_some_and(|count| *count > 3);
    cut_off
        && Kind::ALL.iter().all(|kind| {
            let how = if kind.is_refused() {
                "refused"
            } else {
                "acknowledged"
            };
            rig.seen.contains_key(&format!("{kind:?} {how}"))
        })
}

both! {
    async fn d02_kill_9_at_random_moments_under_a_mixed_load_loses_nothing_and_leaves_nothing_half_done(backend: Backend) {
        let mut rig = Rig::start(backend).await;
        let (wanted, mut round) = (rounds(20), 0);
        while round < wanted || !has_seen_all(&rig) {
            assert!(round < 10 * wanted + 50, "{:?}", rig.seen);
            round += 1;
            let kill = async |rig: &mut Rig| {
                tokio::task::block_in_place(|| rig.service.take().unwrap().kill());
            };
            let ledger = rig.fire(kill).await;
            rig.restart().await;
            rig.reconcile(&ledger).await;
        }
        rig.finish().await;
    }
}
