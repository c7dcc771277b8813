//! The mails that a worker has: counted while they wait, claimed by a lease that ends, given back when they are not tried.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::Flows;
use crate::domain::Instant;
use crate::domain::mail::Mail;
use crate::entropy;
use crate::storage::{StorageError, mails};
use crate::telemetry::metrics::Queue;

/// How much longer than an attempt its lease lasts: time to wait for its turn, and for the database before and after.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// How much of that may pass before its turn comes.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(5);

/// A mail that this worker has claimed.
#[derive(Debug)]
pub struct Claimed {
    pub(super) mail: Mail,
    pub(super) lease: Uuid,
    at: Instant,
}

impl Claimed {
    /// Whether what is left of the lease is too short for an attempt: two workers must not send one mail (bar E11).
    pub(super) fn has_waited_too_long(&self, now: Instant) -> bool {
        now - self.at > LONGEST_WAIT
    }
}

impl Flows {
    /// Counts the mails that wait, for `remind` to know when it is enough.
    pub async fn count_mails(&self) -> Result<(), StorageError> {
        let counted = self.storage.read(|c| {
            let (waiting, first_due_at) = (mails::count_queued(c)?, mails::first_due(c)?);
            Ok::<_, StorageError>(Queue {
                waiting,
                first_due_at,
            })
        });
        let counted = counted.await;
        self.metrics.mail.queue_is(counted.as_ref().ok().copied());
        self.mails_waiting
            .store(counted?.waiting, Ordering::Relaxed);
        Ok(())
    }

    /// Claims up to `limit` mails that are due, and finishes some that nobody is to get: how many, is said too. The lease
    /// outlasts an attempt of `attempt`; when this process dies, the mail is
    /// tried again after it (bar E10).
    pub async fn claim_mails(
        &self,
        limit: usize,
        attempt: Duration,
    ) -> Result<(Vec<Claimed>, usize), StorageError> {
        let now = self.clock.now();
        let lease = entropy::id(now);
        let lasts = TimeDelta::from_std(attempt + LEASE_MARGIN).unwrap_or(TimeDelta::MAX);
        let claim = self
            .storage
            .write(move |c| mails::claim(c, now, lease, now + lasts, limit));
        let (claimed, skipped) = claim.await?;
        let nobodys = u64::try_from(skipped).unwrap_or(u64::MAX);
        self.metrics.mail.outcomes.add("skipped", nobodys);
        let mails = claimed.into_iter().map(|mail| Claimed {
            mail,
            lease,
            at: now,
        });
        Ok((mails.collect(), skipped))
    }

    /// Gives a claimed mail back that is not going to be tried now.
    pub async fn give_back(&self, claimed: Claimed) -> Result<(), StorageError> {
        let (now, Claimed { mail, lease, .. }) = (self.clock.now(), claimed);
        let give_back = move |c: &mut _| mails::give_back(c, mail.id, lease, now);
        self.storage.write_one(give_back).await
    }
}
