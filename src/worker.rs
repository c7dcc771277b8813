//! The loops beside the server: deliver mail, count what waits, and delete what has ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::clock;
use crate::flows::Flows;
use crate::mail::Mailer;

/// How often the queue is looked at without being asked to: mails of other processes, and retries.
const POLL: Duration = Duration::from_secs(1);
/// The pause between batches of mails that nobody is to get.
const BREATH: Duration = Duration::from_millis(10);
/// How long those that were fetched together may wait for their turn, for more than can be tried at once to be fetched next time.
const QUICK: Duration = Duration::from_secs(1);
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
    let mut ahead = VecDeque::new();
    let mut is_quick = true;
    'loops: loop {
        // One slow server must not hold up the others' mails for longer than an attempt (bar E12): whatever is free is used.
        let mut first = tokio::select! {
            _ = stopped.changed() => break,
            slot = Arc::clone(&slots).acquire_owned() => slot.ok(),
        };
        // Where mails go out quickly, the next ones are fetched while others are being sent: one look at the queue serves many of
        // them. Where they do not, nothing is fetched that another node could send meanwhile.
        let wanted = match is_quick {
            true => parallel,
            false => 1 + slots.available_permits(),
        };
        let claimed = flows.claim_mails(wanted, mailer.timeout()).await;
        let claimed = claimed
            .inspect_err(|error| tracing::warn!(%error, "the mail queue cannot be read"))
            .unwrap_or_default();
        let (claimed, skipped) = claimed;
        let idle = claimed.is_empty();
        let since = clock::monotonic();
        ahead.extend(claimed);
        while !ahead.is_empty() {
            let slot = match first.take() {
                Some(slot) => slot,
                None => tokio::select! {
                    _ = stopped.changed() => break 'loops,
                    Ok(slot) = Arc::clone(&slots).acquire_owned() => slot,
                },
            };
            let Some(mail) = ahead.pop_front() else { break };
            let (flows, mailer) = (flows.clone(), Arc::clone(&mailer));
            attempts.spawn(async move {
                if let Err(error) = flows.deliver(&mailer, mail).await {
                    tracing::warn!(%error, "a mail waits for the database");
                }
                drop(slot);
            });
        }
        if !idle {
            is_quick = since.elapsed() < QUICK;
        }
        drop(first);
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
    for mail in ahead {
        if let Err(error) = flows.give_back(mail).await {
            tracing::warn!(%error, "a mail waits for the end of its lease");
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
