//! What the nodes tell each other of their buckets, twice a second (bar H12). No call waits for it: while the database is away, each
//! node goes on counting for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::Instrument;

use super::ledger::Untold;
use super::{Bucket, Limits};
use crate::clock::{self, Clock};
use crate::domain::Instant;
use crate::storage::limits::{self, Mark, Shared, Spent};
use crate::storage::{Storage, StorageError};
use crate::telemetry::span;

/// How often.
const PAUSE: Duration = Duration::from_millis(500);
/// The most callers of a bucket that are told of at a time, and the most that one question asks for; the rest waits for the next.
const MOST: usize = 1000;
/// The most questions at a time: a flood of callers must not keep the database busy.
const PAGES: usize = 5;
/// Changes are asked for again for this long: clocks of nodes differ, and a transaction may end after a later one.
const OVERLAP: TimeDelta = limits::CLOCKS_DIFFER;
/// Before every change.
const BEGINNING: Mark = (Instant::UNIX_EPOCH, [0; 32]);
/// How long the start waits for what was counted before.
const PATIENCE: Duration = Duration::from_secs(3);

impl Limits {
    /// Takes what was counted before this process began, so that a restart gives nobody a full bucket.
    pub async fn recall(&self, storage: &Storage, clock: &Clock) {
        if !self.enabled {
            return;
        }
        let recalled = async {
            let mut place = BEGINNING;
            while !self.take(storage, clock, &mut place).await? {}
            Ok::<_, StorageError>(())
        };
        let recalled = tokio::time::timeout(PATIENCE, recalled).await;
        if !matches!(recalled, Ok(Ok(()))) {
            tracing::warn!("what callers have used up of their limits is not known yet");
        }
    }

    /// Tells and asks for as long as it is run.
    pub async fn keep_shared(&self, storage: &Storage, clock: &Clock) {
        if !self.enabled {
            return;
        }
        // At first for everything: at the start the database may have been away.
        let mut place = BEGINNING;
        let (mut begun, mut failing) = (None, false);
        loop {
            tokio::time::sleep(PAUSE).await;
            let began = *begun.get_or_insert(clock.now());
            let exchange = async {
                self.tell(storage, clock).await?;
                self.take(storage, clock, &mut place).await
            };
            match exchange.await {
                Ok(all) => {
                    if all {
                        (place, begun) = ((began - OVERLAP, [0; 32]), None);
                    }
                    if std::mem::take(&mut failing) {
                        tracing::info!("limits are shared again");
                    }
                }
                // Once, and not twice a second.
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "limits are not shared: each node counts for itself");
                }
                Err(error) => tracing::debug!(%error, "limits are not shared"),
            }
        }
    }

    /// Tells what was counted here. What could not be told is told the next time; if the database has taken it although it did not
    /// answer, these calls count twice.
    pub async fn tell(&self, storage: &Storage, clock: &Clock) -> Result<(), StorageError> {
        let (tick, now) = (clock::monotonic(), clock.now());
        let told = self.buckets().map(|bucket| bucket.ledger.tell(tick, MOST));
        let each = self.buckets().into_iter().zip(&told);
        let spent: Vec<_> = each
            .clone()
            .flat_map(|(bucket, told)| told.iter().map(|told| bucket.spent(told, tick, now)))
            .collect();
        if spent.is_empty() {
            return Ok(());
        }
        let callers = spent.len();
        let stored = storage
            .write(move |c| limits::add(c, spent, now))
            .instrument(span!("limits", callers))
            .await;
        if stored.is_err() {
            each.for_each(|(bucket, told)| told.iter().for_each(|told| bucket.ledger.untell(told)));
        }
        stored
    }

    /// Takes what was changed anywhere, after this place in the order of changes, and moves it on. Says whether that was all.
    async fn take(
        &self,
        storage: &Storage,
        clock: &Clock,
        place: &mut Mark,
    ) -> Result<bool, StorageError> {
        let mut all = false;
        for _ in 0..PAGES {
            let (after, now) = (*place, clock.now());
            let changed = storage
                .read(move |c| limits::changed(c, after, now, MOST as i64))
                .await?;
            all = changed.len() < MOST;
            if let Some(last) = changed.last() {
                *place = last.mark;
            }
            self.learn(changed, now);
            if all {
                break;
            }
        }
        for bucket in self.buckets() {
            bucket.settle();
        }
        Ok(all)
    }

    fn learn(&self, changed: Vec<Shared>, now: Instant) {
        let tick = clock::monotonic();
        let possible = |shared: &Shared| shared.mark.0 <= now + limits::CLOCKS_DIFFER;
        // What is written by a clock that is far ahead tells nothing, and must lock nobody out.
        for shared in changed.into_iter().filter(possible) {
            let missing = (shared.full_at - now).to_std().unwrap_or_default();
            for bucket in self.buckets() {
                if bucket.name == shared.bucket {
                    // However many nodes there are.
                    let missing = missing.min(bucket.whole() * 4);
                    bucket.ledger.learn(shared.digest, tick + missing, tick);
                }
            }
        }
    }

    fn buckets(&self) -> [&Bucket; 3] {
        [&self.token, &self.api, &self.page]
    }
}

impl Bucket {
    fn whole(&self) -> Duration {
        self.refill * self.burst
    }

    fn spent(&self, told: &Untold, tick: std::time::Instant, now: Instant) -> Spent {
        Spent {
            digest: told.key,
            bucket: self.name,
            since: now - TimeDelta::from_std(tick - told.since).unwrap_or_default(),
            cost: TimeDelta::from_std(told.cost).unwrap_or_default(),
        }
    }

    /// Takes from the buckets here what was used up elsewhere, as far as there is any.
    fn settle(&self) {
        let limiter = self.config.limiter();
        for (key, calls) in self.ledger.debts(clock::monotonic()) {
            // All or nothing is what the library takes, so an empty bucket is come to by halves.
            let (mut left, mut step) = (calls, calls);
            while let Some(some) = NonZeroU32::new(step.min(left)) {
                match limiter.check_key_n(&key, some) {
                    Ok(Ok(_)) => left -= some.get(),
                    _ => step = some.get() / 2,
                }
            }
        }
    }
}
