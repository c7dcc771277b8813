//! A user who knows the old password sets a new one.

use uuid::Uuid;

use super::audit::Refuses;
use super::password::{self, NewPassword};
use super::prove::{self, ProveError};
use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{EmailKey, Password, Refusal};
use crate::hasher::HashError;
use crate::storage::{StorageError, audit, users};

/// Whose password is to be changed.
#[derive(Debug)]
pub enum Whose {
    /// That of the user whom the token speaks for.
    Subject(Uuid),
    /// That of the user with this address, if anybody has it.
    Address(EmailKey),
    /// That of nobody: an address was given that cannot be one.
    Nobody,
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

impl Refuses for ChangeError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::WrongPassword(_) => Some("wrong_password"),
            Self::Unproven(error) => error.refusal(),
        }
    }

    fn user(&self) -> Option<Uuid> {
        match self {
            Self::WrongPassword(_) => None,
            Self::Unproven(error) => error.user(),
        }
    }
}

impl Flows {
    /// Judges the new password, proves the old one, and sets the new one if the old one still holds; ends every link and token of the
    /// user, the one of this call too, and queues the notice, in one transaction (bar F14, F21, F23). An old password that cannot be
    /// anybody's is none.
    pub async fn change_password(
        &self,
        actor: Actor,
        whose: Whose,
        old: impl Into<Option<Password>>,
        new: NewPassword,
    ) -> Result<(), ChangeError> {
        let subject = match &whose {
            Whose::Subject(id) => Some(*id),
            Whose::Address(_) | Whose::Nobody => None,
        };
        let ended = self.change(&actor, whose, old.into(), new).await;
        let did = |now| actor.did(Act::PasswordChange, now).to_any_user(subject);
        self.audited(ended, did).await
    }

    async fn change(
        &self,
        actor: &Actor,
        whose: Whose,
        old: Option<Password>,
        new: NewPassword,
    ) -> Result<(), ChangeError> {
        let new = new.map_err(|refusal| ChangeError::WrongPassword(vec![refusal]))?;
        let (key, subject) = match whose {
            Whose::Nobody => (None, None),
            Whose::Address(key) => (Some(key), None),
            Whose::Subject(id) => {
                // Deleting a user ends the token; without a user, it happened just now.
                let user = self.storage.read(move |c| users::find(c, id)).await?;
                (user.map(|user| user.email.key()), Some(id))
            }
        };
        let reasons = self.judge(&new, key.as_ref().map(EmailKey::as_str)).await?;
        if !reasons.is_empty() {
            return Err(ChangeError::WrongPassword(reasons));
        }
        let (key, old) = key.zip(old).ok_or(ProveError::WrongCredentials(None))?;
        let changed = prove::anew(|| async {
            let proven = self.prove(key.clone(), old.clone()).await?;
            // The address may have gone to another user just now.
            if subject.is_some_and(|id| id != proven.user.id) {
                return Err(ProveError::WrongCredentials(None));
            }
            // The same one again is still the one that somebody else chose.
            let must_change = proven.user.password_must_change && old == new.password;
            let turn = proven.place.turn().await?;
            let hash = turn.hash(new.password.clone()).await?;
            let (now, actor) = (self.clock.now(), actor.clone());
            let changed = self.storage.write(move |c| {
                proven.still_holds(c)?;
                users::set_password(c, proven.user.id, &hash, must_change, now)?;
                password::finish(c, &proven.user, actor.client_id.clone(), now)?;
                let entry = actor.did(Act::PasswordChange, now);
                audit::record(c, &entry.to_user(proven.user.id))?;
                Ok::<_, ProveError>(())
            });
            changed.await
        });
        changed.await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}
