//! What the nodes tell each other of their buckets, twice a second (bar H12). No call waits for it: while the database is away, each
//! node goes on counting for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;

use super::{Bucket, Limits};
use crate::clock::{self, Clock};
use crate::domain::Instant;
use crate::storage::limits::{self, Spent};
use crate::storage::{Storage, StorageError};

/// How often.
const PAUSE: Duration = Duration::from_millis(500);
/// The most callers that are told or asked of at a time; the rest waits for the next.
const MOST: usize = 1000;
/// Changes are asked for again for this long: clocks of nodes differ, and a transaction may end after a later one.
const OVERLAP: TimeDelta = TimeDelta::seconds(10);
/// How long the start waits for what was counted before.
const PATIENCE: Duration = Duration::from_secs(3);

impl Limits {
    /// Takes what was counted before this process began, so that a restart gives nobody a full bucket.
    pub async fn recall(&self, storage: &Storage, clock: &Clock) {
        if !self.enabled {
            return;
        }
        let recalled = self.take(storage, clock, Instant::UNIX_EPOCH);
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
        let mut asked = Instant::UNIX_EPOCH + OVERLAP;
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = clock.now();
            let exchange = async {
                self.tell(storage, clock).await?;
                self.take(storage, clock, asked - OVERLAP).await
            };
            match exchange.await {
                Ok(()) => asked = now,
                Err(error) => tracing::debug!(%error, "limits are not shared"),
            }
        }
    }

    /// Tells what was counted here.
    pub async fn tell(&self, storage: &Storage, clock: &Clock) -> Result<(), StorageError> {
        let (tick, now) = (clock::monotonic(), clock.now());
        let buckets = self.buckets().into_iter();
        let told: Vec<_> = buckets.flat_map(|bucket| bucket.told(tick, now)).collect();
        if told.is_empty() {
            return Ok(());
        }
        storage.write(move |c| limits::add(c, told, now)).await
    }

    /// Takes what was changed since, anywhere.
    async fn take(
        &self,
        storage: &Storage,
        clock: &Clock,
        since: Instant,
    ) -> Result<(), StorageError> {
        let (tick, now) = (clock::monotonic(), clock.now());
        let changed = storage
            .read(move |c| limits::changed(c, since, now, MOST as i64))
            .await?;
        for shared in changed {
            let missing = (shared.full_at - now).to_std().unwrap_or_default();
            for bucket in self.buckets() {
                if bucket.name == shared.bucket {
                    // A clock that is far ahead locks nobody out for long.
                    let missing = missing.min(bucket.whole() * 4);
                    bucket.ledger.learn(shared.digest, tick + missing, tick);
                }
            }
        }
        for bucket in self.buckets() {
            bucket.settle();
        }
        Ok(())
    }

    fn buckets(&self) -> [&Bucket; 3] {
        [&self.token, &self.api, &self.page]
    }
}

impl Bucket {
    fn whole(&self) -> Duration {
        self.refill * self.burst
    }

    fn told(&self, tick: std::time::Instant, now: Instant) -> Vec<Spent> {
        let told = self.ledger.tell(tick, MOST).into_iter();
        told.map(|untold| Spent {
            digest: untold.key,
            bucket: self.name,
            since: now - TimeDelta::from_std(tick - untold.since).unwrap_or_default(),
            cost: TimeDelta::from_std(untold.cost).unwrap_or_default(),
        })
        .collect()
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
