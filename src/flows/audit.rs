//! How acts come into the audit: with what they do, in its transaction; alone when they were refused.
//!
//! A refusal must not tell more by its time than by its words (bar F02, F15, F24): it is one write whoever the account is, or nobody.
//! The user stands in its row only where finding out cost everybody the same.

use uuid::Uuid;

use super::{Actor, By, Flows};
use crate::domain::Instant;
use crate::domain::audit::{Act, Entry, Origin};
use crate::entropy;
use crate::storage::{StorageError, audit};

impl Actor {
    /// An act of this client.
    pub(super) fn did(&self, act: Act, now: Instant) -> Entry {
        Entry::new(entropy::id(now), now, act, self.origin.clone()).by_client(&self.client_id)
    }
}

impl By {
    /// An act of this client or operator.
    pub(super) fn did(&self, act: Act, now: Instant) -> Entry {
        match self {
            Self::Operator => Entry::new(entropy::id(now), now, act, Origin::default()),
            Self::Client(actor) => actor.did(act, now),
        }
    }
}

/// An error that may be a refusal, which the audit remembers, or a fault of ours, which is in the logs.
pub(super) trait Refuses {
    /// The word for the refusal; none for a fault.
    fn refusal(&self) -> Option<&'static str>;

    /// The user that the refused act was about, where only the error knows.
    fn user(&self) -> Option<Uuid> {
        None
    }
}

/// An act of somebody who is not known to be anybody.
pub(super) fn stranger(origin: Origin, act: Act, now: Instant) -> Entry {
    Entry::new(entropy::id(now), now, act, origin)
}

impl Flows {
    /// Writes an act that left nothing else behind.
    pub(super) async fn record(&self, entry: Entry) -> Result<(), StorageError> {
        self.storage
            .write_one(move |c| audit::record(c, &entry))
            .await
    }

    /// Passes on how an act ended. When it was refused, that is written first: who cannot be told in the audit is not told at all.
    pub(super) async fn audited<T, E>(
        &self,
        ended: Result<T, E>,
        entry: impl FnOnce(Instant) -> Entry,
    ) -> Result<T, E>
    where
        E: Refuses + From<StorageError>,
    {
        if let Err(error) = &ended
            && let Some(word) = error.refusal()
        {
            let mut entry = entry(self.clock.now()).refused(word);
            entry.subject_user = entry.subject_user.or_else(|| error.user());
            self.record(entry).await?;
        }
        ended
    }
}
