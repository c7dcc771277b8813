//! An administrator sets a user's password. The user is told, and is to choose another one (bar F26).

use uuid::Uuid;

use super::password::{self, Chosen};
use super::{Actor, Flows};
use crate::domain::Refusal;
use crate::hasher::HashError;
use crate::storage::{StorageError, users};

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

impl Flows {
    /// Sets the password of any user, also of one who is switched off and stays so.
    pub async fn set_password(
        &self,
        actor: Actor,
        id: Uuid,
        new: Chosen,
    ) -> Result<(), AdminSetError> {
        let refuse = |reasons: Vec<Refusal>| match reasons.is_empty() {
            true => Ok(()),
            false => Err(AdminSetError::WrongPassword(reasons)),
        };
        refuse(self.judge(&new, None).await?)?;
        let found = self.storage.read(move |c| users::find(c, id)).await?;
        let user = found.ok_or(AdminSetError::UnknownUser)?;
        refuse(self.judge(&new, Some(&user.email.to_text())).await?)?;

        let hash = self.hasher.hash(new.password).await?;
        let now = self.clock.now();
        let set = self.storage.write(move |c| {
            let user = users::lock(c, id)?.ok_or(AdminSetError::UnknownUser)?;
            users::set_chosen_password(c, id, &hash, now)?;
            password::finish(c, &user, actor.client_id, now)?;
            Ok::<_, AdminSetError>(())
        });
        set.await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}
