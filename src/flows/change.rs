//! A user who knows the old password sets a new one.

use uuid::Uuid;

use super::password::{self, Chosen};
use super::prove::ProveError;
use super::{Actor, Flows};
use crate::domain::{EmailKey, Password, Refusal};
use crate::hasher::HashError;
use crate::storage::{StorageError, users};

/// Whose password is to be changed.
#[derive(Debug)]
pub enum Whose {
    /// That of the user whom the token speaks for.
    Subject(Uuid),
    /// That of the user with this address, if anybody has it.
    Address(EmailKey),
}

/// Why the password was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The policy refuses the new password.
    #[error("the password is refused")]
    WrongPassword(Vec<Refusal>),
    /// The old password is not known to be right.
    #[error(transparent)]
    Unproven(#[from] ProveError),
}

impl From<StorageError> for ChangeError {
    fn from(error: StorageError) -> Self {
        Self::Unproven(error.into())
    }
}

impl From<HashError> for ChangeError {
    fn from(error: HashError) -> Self {
        Self::Unproven(error.into())
    }
}

impl Flows {
    /// Judges the new password, proves the old one, and sets the new one if the old one still holds; ends every link and token of the
    /// user, the one of this call too, and queues the notice, in one transaction (bar F14, F21, F23).
    pub async fn change_password(
        &self,
        actor: Actor,
        whose: Whose,
        old: Password,
        new: Chosen,
    ) -> Result<(), ChangeError> {
        let key = match whose {
            Whose::Address(key) => key,
            Whose::Subject(id) => {
                let user = self.storage.read(move |c| users::find(c, id)).await?;
                // Deleting a user ends the token; it happened just now.
                user.ok_or(ProveError::WrongCredentials)?.email.key()
            }
        };
        let reasons = self.judge(&new, Some(key.as_str())).await?;
        if !reasons.is_empty() {
            return Err(ChangeError::WrongPassword(reasons));
        }
        let proven = self.prove(key, old).await?;
        let hash = self.hasher.hash(new.password).await?;
        let now = self.clock.now();
        let changed = self.storage.write(move |c| {
            proven.still_holds(c)?;
            users::set_password(c, proven.user.id, &hash, now)?;
            password::finish(c, &proven.user, actor.client_id, now)?;
            Ok::<_, ProveError>(())
        });
        changed.await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}
