//! How acts come into the audit: with what they do, in its transaction; alone when they were refused.

use uuid::Uuid;

use super::{Actor, By, Flows};
use crate::domain::audit::{Act, Entry, Origin};
use crate::domain::{ClientId, Instant};
use crate::entropy;
use crate::storage::{StorageError, audit};

impl Actor {
    /// An act of this client.
    pub(super) fn did(&self, act: Act, now: Instant) -> Entry {
        entry(Some(&self.client_id), self.origin.clone(), act, now)
    }
}

impl By {
    /// An act of this client or operator.
    pub(super) fn did(&self, act: Act, now: Instant) -> Entry {
        match self {
            Self::Operator => entry(None, Origin::default(), act, now),
            Self::Client(actor) => actor.did(act, now),
        }
    }
}

fn entry(client_id: Option<&ClientId>, origin: Origin, act: Act, now: Instant) -> Entry {
    Entry {
        id: entropy::id(now),
        at: now,
        act,
        refusal: None,
        client_id: client_id.cloned(),
        subject_client: None,
        subject_user: None,
        origin,
    }
}

impl Entry {
    /// The act was done to this user.
    pub(super) fn to_user(mut self, id: Uuid) -> Self {
        self.subject_user = Some(id);
        self
    }

    /// The act was done to this client.
    pub(super) fn to_client(mut self, id: &ClientId) -> Self {
        self.subject_client = Some(id.clone());
        self
    }

    /// The act was refused, for this reason: a word of ours.
    pub(super) fn refused(mut self, reason: &str) -> Self {
        self.refusal = Some(reason.to_owned());
        self
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
