//! An administrator sets a user's password. The user is told, and is to choose another one (bar F26).

use uuid::Uuid;

use super::audit::Refuses;
use super::password::{self, NewPassword};
use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{Refusal, User};
use crate::hasher::HashError;
use crate::storage::{StorageError, audit, users};

/// Why the password was not set.
#[derive(Debug, thiserror::Error)]
pub enum AdminSetError {
    /// The policy refuses the password.
    #[error("the password is refused")]
    WrongPassword(Vec<Refusal>),
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// No hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refuses for AdminSetError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::WrongPassword(_) => Some("wrong_password"),
            Self::UnknownUser => Some("wrong_user"),
            Self::Hash(_) | Self::Storage(_) => None,
        }
    }
}

impl Flows {
    /// Sets the password of any user, also of one who is switched off and stays so. No id: what was sent cannot be one.
    pub async fn set_password(
        &self,
        actor: Actor,
        id: Option<Uuid>,
        new: NewPassword,
    ) -> Result<(), AdminSetError> {
        let user = match id {
            Some(id) => self.storage.read(move |c| users::find(c, id)).await?,
            None => None,
        };
        let id = user.as_ref().map(|user| user.id);
        let ended = self.set(actor.clone(), user, new).await;
        let did = |now| actor.did(Act::PasswordSet, now).to_any_user(id);
        self.audited(ended, did).await
    }

    async fn set(
        &self,
        actor: Actor,
        user: Option<User>,
        new: NewPassword,
    ) -> Result<(), AdminSetError> {
        let refuse = |reasons: Vec<Refusal>| match reasons.is_empty() {
            true => Ok(()),
            false => Err(AdminSetError::WrongPassword(reasons)),
        };
        let new = new.map_err(|refusal| AdminSetError::WrongPassword(vec![refusal]))?;
        refuse(self.judge(&new, None).await?)?;
        let user = user.ok_or(AdminSetError::UnknownUser)?;
        refuse(self.judge(&new, Some(&user.email.to_text())).await?)?;

        let hash = self.hasher.hash(new.password).await?;
        let now = self.clock.now();
        let set = self.storage.write(move |c| {
            let user = users::lock(c, user.id)?.ok_or(AdminSetError::UnknownUser)?;
            users::set_chosen_password(c, user.id, &hash, now)?;
            audit::record(c, &actor.did(Act::PasswordSet, now).to_user(user.id))?;
            password::finish(c, &user, actor.client_id, now)?;
            Ok::<_, AdminSetError>(())
        });
        set.await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}
