//! Is this link still alive? Never uses it up (bar F17).

use super::Flows;
use crate::domain::{Instant, PlainToken, ResetToken, User};
use crate::storage::{StorageError, reset_tokens, users};

impl Flows {
    /// When a live token ends; nothing for any other.
    pub async fn check(
        &self,
        token: &PlainToken<ResetToken>,
    ) -> Result<Option<Instant>, StorageError> {
        let (digest, now) = (token.hashed(), self.clock.now());
        let live = self
            .storage
            .read(move |c| reset_tokens::find_live(c, &digest, now))
            .await?;
        Ok(live.map(|live| live.expires_at))
    }

    /// The user whose password a live token may set; nobody for any other.
    pub async fn user_of_link(
        &self,
        token: &PlainToken<ResetToken>,
    ) -> Result<Option<User>, StorageError> {
        let (digest, now) = (token.hashed(), self.clock.now());
        let found = self.storage.read(move |c| {
            let live = reset_tokens::find_live(c, &digest, now)?;
            let user = live.map(|live| users::find(c, live.user_id)).transpose()?;
            Ok::<_, StorageError>(user.flatten())
        });
        found.await
    }
}
