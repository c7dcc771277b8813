//! What has ended is deleted, in small batches, so that no call waits for long (bar D10).

use chrono::TimeDelta;
use tracing::Instrument;

use super::Flows;
use crate::domain::guessing::MEMORY;
use crate::storage::{
    StorageError, access_tokens, audit, client_secrets, clients, guesses, jtis, limits, mails,
    reset_tokens,
};
use crate::telemetry::span;

/// How many rows go in one transaction.
pub(super) const BATCH: i64 = 500;
/// How long a finished mail stays visible to operators.
const MAIL_HISTORY: TimeDelta = TimeDelta::days(7);
/// How long a request for an address that nobody has is kept: longer than the hourly cap needs it, and no longer than that
/// for data about strangers.
const SKIPPED_HISTORY: TimeDelta = TimeDelta::hours(24);

/// How long an ended secret stays visible to operators: who used it last, and when, may matter after its end.
const SECRET_HISTORY: TimeDelta = TimeDelta::days(30);

/// No mail that waits is due later than that: between two tries there are a quarter of an hour at most, and a lease is shorter.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Access tokens.
    pub access_tokens: usize,
    /// Reset tokens.
    pub reset_tokens: usize,
    /// Mails.
    pub mails: usize,
    /// Client secrets.
    pub client_secrets: usize,
    /// Addresses whose passwords were guessed at, long ago.
    pub guesses: usize,
    /// Ids of signed messages that were used.
    pub spent_ids: usize,
    /// Entries of the audit that were kept long enough.
    pub audit: usize,
}

impl Flows {
    /// Deletes everything that has ended.
    pub async fn purge(&self) -> Result<Purged, StorageError> {
        self.delete_what_has_ended()
            .instrument(span!("purge"))
            .await
    }

    async fn delete_what_has_ended(&self) -> Result<Purged, StorageError> {
        let now = self.clock.now();
        self.in_batches(move |c| mails::pull_back(c, now + LONGEST_WAIT, now, BATCH))
            .await?;
        let mut purged = Purged::default();
        for client in self.storage.read(clients::list).await? {
            purged.access_tokens += self
                .in_batches(move |c| access_tokens::purge(c, &client.id, now, BATCH))
                .await?;
        }
        purged.reset_tokens = self
            .in_batches(move |c| reset_tokens::purge(c, now, BATCH))
            .await?;
        purged.mails = self
            .in_batches(move |c| {
                mails::purge(c, now - MAIL_HISTORY, now - SKIPPED_HISTORY, now, BATCH)
            })
            .await?;
        purged.guesses = self
            .in_batches(move |c| guesses::purge(c, now - MEMORY, BATCH))
            .await?;
        purged.spent_ids = self.in_batches(move |c| jtis::purge(c, now, BATCH)).await?;
        // Not counted: they are nothing that anybody has stored.
        self.in_batches(move |c| limits::purge(c, now, BATCH))
            .await?;
        purged.client_secrets = self
            .storage
            .write(move |c| client_secrets::purge(c, now - SECRET_HISTORY))
            .await?;
        if let Some(before) = self
            .audit_retention
            .and_then(|kept| now.checked_sub_signed(kept))
        {
            purged.audit = self
                .in_batches(move |c| audit::purge(c, before, BATCH))
                .await?;
        }
        Ok(purged)
    }

    pub(super) async fn in_batches<F>(&self, delete: F) -> Result<usize, StorageError>
    where
        F: Fn(&mut crate::storage::AnyConnection) -> Result<usize, StorageError>
            + Clone
            + Send
            + 'static,
    {
        let mut total = 0;
        loop {
            let deleted = self.storage.write(delete.clone()).await?;
            total += deleted;
            if deleted < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(total);
            }
        }
    }
}
