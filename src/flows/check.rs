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
        let live = match token {
            Some(token) => {
                let (digest, now) = (token.hashed(), self.clock.now());
                self.storage
                    .read(move |c| reset_tokens::find_live(c, &digest, now))
                    .await?
            }
            None => None,
        };
        if live.is_none() {
            self.record_dead_link(&actor).await?;
        }
        Ok(live.map(|live| live.expires_at))
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
