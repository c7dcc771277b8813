//! What has ended is deleted, in small batches, so that no call waits for long (bar D10).

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tracing::Instrument;

use super::Flows;
use crate::clock;
use crate::domain::guessing::MEMORY;
use crate::domain::mail::MailState;
use crate::domain::{ClientId, Instant};
use crate::storage::{
    StorageError, access_tokens, audit, client_secrets, clients, guesses, jtis, limits, mails,
    reset_tokens,
};
use crate::telemetry::span;

/// How many rows go in one transaction. Each lies on a page of its own, and all who write wait for them: a few milliseconds.
pub(super) const BATCH: i64 = 100;
/// How many clients are asked about at a time.
const CLIENTS: i64 = 500;
/// Of how many clients tokens go together: many may have a few each.
const TOGETHER: usize = 50;
/// How long a finished mail stays visible to operators.
const MAIL_HISTORY: TimeDelta = TimeDelta::days(7);
/// How long a request for an address that nobody has is kept: longer than the hourly cap needs it, and no longer than that
/// for data about strangers.
const SKIPPED_HISTORY: TimeDelta = TimeDelta::hours(24);
/// The ways in which a mail ends, and how long it stays then.
const ENDS: [(MailState, TimeDelta); 4] = [
    (MailState::Sent, MAIL_HISTORY),
    (MailState::Failed, MAIL_HISTORY),
    (MailState::Printed, MAIL_HISTORY),
    (MailState::Skipped, SKIPPED_HISTORY),
];

/// How long an ended secret stays visible to operators: who used it last, and when, may matter after its end.
const SECRET_HISTORY: TimeDelta = TimeDelta::days(30);

/// Between two batches, at least and at most: a pause must be noticed, and a slow database must not make a purge endless.
const LEAST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

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
        let mut purged = Purged {
            access_tokens: self.purge_access_tokens(now).await?,
            ..Purged::default()
        };
        purged.reset_tokens = self
            .in_batches(move |c| reset_tokens::purge(c, now, BATCH))
            .await?;
        for (state, kept) in ENDS {
            purged.mails += self
                .in_batches(move |c| mails::purge(c, state, now - kept, now, BATCH))
                .await?;
        }
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

    /// Client by client, for so they are in order; only those are asked for their tokens that have ended ones.
    async fn purge_access_tokens(&self, now: Instant) -> Result<usize, StorageError> {
        let (mut last, mut total) = (None, 0);
        loop {
            let page = self
                .storage
                .read(move |c| clients::first_ends(c, last.as_ref(), CLIENTS));
            let page = page.await?;
            last = page.last().map(|(client, _)| client.clone());
            if last.is_none() {
                return Ok(total);
            }
            let ended = |(client, end): (ClientId, Option<Instant>)| {
                end.is_some_and(|end| end <= now).then_some(client)
            };
            let ended: Vec<_> = page.into_iter().filter_map(ended).collect();
            for clients in ended.chunks(TOGETHER) {
                let clients: Arc<[ClientId]> = clients.into();
                total += self
                    .in_batches(move |c| access_tokens::purge(c, &clients, now, BATCH as usize))
                    .await?;
            }
        }
    }

    /// Runs this until it finds less than a whole batch. After each it waits for as long as that took: half of the time is the callers',
    /// also those of another process, which on SQLite have to find the file unlocked when they look.
    pub(super) async fn in_batches<F>(&self, delete: F) -> Result<usize, StorageError>
    where
        F: Fn(&mut crate::storage::AnyConnection) -> Result<usize, StorageError>
            + Clone
            + Send
            + 'static,
    {
        let mut total = 0;
        loop {
            let began = clock::monotonic();
            let deleted = self.storage.write(delete.clone()).await?;
            total += deleted;
            if deleted < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                return Ok(total);
            }
            tokio::time::sleep(began.elapsed().clamp(LEAST_PAUSE, LONGEST_PAUSE)).await;
        }
    }
}
