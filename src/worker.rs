//! The loops beside the server: deliver mail, count what waits, and delete what has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::flows::Flows;
use crate::mail::Mailer;

/// How often the queue is looked at without being asked to: mails of other processes, and retries.
const POLL: Duration = Duration::from_secs(1);
/// The pause between batches of mails that nobody is to get.
const BREATH: Duration = Duration::from_millis(10);
/// How often what has ended is deleted.
const PURGE: Duration = Duration::from_secs(600);
/// How long attempts may go on when the service stops; the rest is tried again by whoever runs next.
const GRACE: Duration = Duration::from_secs(10);

/// The running loops.
pub struct Worker {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
}

impl Worker {
    /// Starts the loops on the current runtime; `parallel` attempts to send go side by side.
    pub fn start(flows: &Flows, mailer: Mailer, parallel: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut loops = JoinSet::new();
        loops.spawn(deliver(
            flows.clone(),
            Arc::new(mailer),
            parallel,
            stopped.clone(),
        ));
        loops.spawn(count(flows.clone(), stopped.clone()));
        loops.spawn(purge(flows.clone(), stopped));
        Self { stop, loops }
    }

    /// Lets running attempts finish and ends the loops.
    pub async fn stop(mut self) {
        let _ended = self.stop.send(true);
        while self.loops.join_next().await.is_some() {}
    }
}

async fn deliver(
    flows: Flows,
    mailer: Arc<Mailer>,
    parallel: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(parallel));
    let mut attempts = JoinSet::new();
    loop {
        // One slow server must not hold up the others' mails for longer than an attempt (bar E12): whatever is free is used.
        let first = tokio::select! {
            _ = stopped.changed() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let mut free: Vec<_> = first.into_iter().collect();
        free.extend(std::iter::from_fn(|| {
            Arc::clone(&slots).try_acquire_owned().ok()
        }));
        let claimed = flows.claim_mails(free.len(), mailer.timeout()).await;
        let claimed = claimed
            .inspect_err(|error| tracing::warn!(%error, "the mail queue cannot be read"))
            .unwrap_or_default();
        let (claimed, skipped) = claimed;
        let idle = claimed.is_empty();
        for (mail, slot) in claimed.into_iter().zip(free) {
            let (flows, mailer) = (flows.clone(), Arc::clone(&mailer));
            attempts.spawn(async move {
                if let Err(error) = flows.deliver(&mailer, mail).await {
                    tracing::warn!(%error, "a mail waits for the database");
                }
                drop(slot);
            });
        }
        while attempts.try_join_next().is_some() {}
        if idle {
            // A flood of made-up addresses is worked off at a measured pace: it must not slow down those who ask.
            let pause = if skipped > 0 { BREATH } else { POLL };
            let asked = async {
                match skipped {
                    0 => flows.mail_queued.notified().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = stopped.changed() => break,
                () = asked => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
    let finish = async { while attempts.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::warn!("some mails are still being sent; they will be tried again");
    }
}

async fn count(flows: Flows, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = flows.count_mails().await {
            tracing::warn!(%error, "the mail queue cannot be counted");
        }
        tokio::select! {
            _ = stopped.changed() => break,
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

async fn purge(flows: Flows, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            () = tokio::time::sleep(PURGE) => {}
        }
        match flows.purge().await {
            Ok(purged) => tracing::info!(?purged, "deleted what had ended"),
            Err(error) => tracing::warn!(%error, "what has ended was not deleted"),
        }
    }
}
