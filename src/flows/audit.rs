//! How acts come into the audit: with what they do, in its transaction; alone when they were refused.

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

impl Flows {
    /// Writes an act that left nothing else behind.
    pub(super) async fn record(&self, entry: Entry) -> Result<(), StorageError> {
        self.storage
            .write_last(move |c| audit::record(c, &entry))
            .await
    }
}
