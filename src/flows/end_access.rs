//! Everything that lets somebody in is ended at once: after a restored backup, which revives what had ended since it was made, or when
//! nobody knows any more who has what. Passwords and client secrets stay (bar D12).

use super::purge::BATCH;
use super::{By, Flows};
use crate::domain::audit::Act;
use crate::storage::{StorageError, access_tokens, audit, backup, clients, mails, reset_tokens};

/// What was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Access tokens, of applications and of users.
    pub access_tokens: usize,
    /// Links that were mailed and not used.
    pub reset_links: usize,
    /// Reset mails that waited.
    pub reset_mails: usize,
    /// Tokens that manage a client's registration.
    pub registration_tokens: usize,
}

impl Flows {
    /// Ends every token and link that there is by now, and none that is asked for later: this ends however many come. Access tokens are
    /// dead from the first step on, whatever comes between; the mails go before the links, so that none makes another one. In a
    /// damaged database nobody could say what has ended, so nothing is done.
    pub async fn end_all_access(&self, by: By) -> Result<Ended, StorageError> {
        self.storage.read(backup::require_whole).await?;
        let now = self.clock.now();
        let entry = by.did(Act::AccessEnd, now);
        let marked = self.storage.write(move |c| {
            clients::lock(c)?;
            audit::record(c, &entry)?;
            clients::end_all_tokens(c, now)
        });
        Ok(Ended {
            registration_tokens: marked.await?,
            reset_mails: self
                .in_batches(move |c| mails::cancel_all_resets(c, now, BATCH))
                .await?,
            reset_links: self
                .in_batches(move |c| reset_tokens::delete_all_unused(c, now, BATCH))
                .await?,
            access_tokens: self
                .in_batches(move |c| access_tokens::delete_all(c, now, BATCH))
                .await?,
        })
    }
}
