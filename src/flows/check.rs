//! Is this link still alive? Never uses it up (bar F17).

use super::Flows;
use crate::domain::{Instant, PlainToken, ResetToken};
use crate::storage::{StorageError, reset_tokens};

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
}
