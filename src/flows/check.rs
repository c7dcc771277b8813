//! Is this link still alive? Never uses it up (bar F17). A dead one leaves its entry in the audit.

use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{Instant, PlainToken, ResetToken, User};
use crate::storage::{StorageError, reset_tokens, users};

impl Flows {
    /// When a live token ends; nothing for any other, nor for a text that cannot be one.
    pub async fn check(
        &self,
        actor: Actor,
        token: Option<&PlainToken<ResetToken>>,
    ) -> Result<Option<Instant>, StorageError> {
        let ends = match token {
            Some(token) => self.end_of_link(token).await?,
            None => None,
        };
        if ends.is_none() {
            self.record_dead_link(&actor).await?;
        }
        Ok(ends)
    }

    /// A page may ask again and again; storage is asked once a second. Whether a link is used, is decided by storage alone.
    async fn end_of_link(
        &self,
        token: &PlainToken<ResetToken>,
    ) -> Result<Option<Instant>, StorageError> {
        let (digest, now) = (token.hashed(), self.clock.now());
        let key = digest.digest();
        if let Some(ends) = self.links.recall(&key, &self.storage, now) {
            self.metrics.link_cache.hit();
            return Ok(Some(ends).filter(|ends| *ends > now));
        }
        self.metrics.link_cache.miss();
        let asked = self.links.asking(&self.storage, now);
        let found = self
            .storage
            .read(move |c| reset_tokens::find_live(c, &digest, now));
        let Some(live) = found.await? else {
            self.links.forget(&key);
            return Ok(None);
        };
        self.links.keep(key, live.expires_at, asked);
        Ok(Some(live.expires_at))
    }

    /// The user whose password a live token may set; nobody for any other, nor for a text that cannot be one.
    pub async fn user_of_link(
        &self,
        actor: Actor,
        token: Option<&PlainToken<ResetToken>>,
    ) -> Result<Option<User>, StorageError> {
        let user = match token {
            Some(token) => {
                let (digest, now) = (token.hashed(), self.clock.now());
                let found = self.storage.read(move |c| {
                    let live = reset_tokens::find_live(c, &digest, now)?;
                    let user = live.map(|live| users::find(c, live.user_id)).transpose()?;
                    Ok::<_, StorageError>(user.flatten())
                });
                found.await?
            }
            None => None,
        };
        if user.is_none() {
            self.record_dead_link(&actor).await?;
        }
        Ok(user)
    }

    async fn record_dead_link(&self, actor: &Actor) -> Result<(), StorageError> {
        let entry = actor.did(Act::PasswordCheck, self.clock.now());
        self.record(entry.refused("wrong_token")).await
    }
}
