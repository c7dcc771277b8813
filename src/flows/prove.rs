//! Is this the user's password? Asked by verify, sessions and change; the guesses of all three are counted together.

use chrono::TimeDelta;
use uuid::Uuid;

use super::Flows;
use super::audit::Refuses;
use crate::domain::guessing::Guesses;
use crate::domain::{EmailAddress, EmailKey, Password, PasswordHash, User};
use crate::hasher::{HashError, Place, Verified};
use crate::storage::{AnyConnection, StorageError, guesses, users};

/// The longest password that is compared with a hash, in characters: what any policy allows (bar P13).
const LONGEST: usize = 1024;

/// Why it is not known to be the user's password.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// It is not, or there is no such account, or it is switched off, or it has no password: one answer for all (bar F24). The account,
    /// if there is one, is for the audit only.
    #[error("the address or the password is wrong")]
    WrongCredentials(Option<Uuid>),
    /// Too many wrong ones in a row: come back after this time (bar F25).
    #[error("too many wrong passwords")]
    TooMany(TimeDelta),
    /// It was, but another one has been stored meanwhile: prove it once more.
    #[error("the stored password was replaced meanwhile")]
    Stale,
    /// No hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A user who has just shown to know the password.
#[derive(Debug)]
pub(super) struct Proven {
    /// As the user was found, before the work.
    pub(super) user: User,
    /// What the hash is to be replaced by, when it is not one that we would make.
    replacement: Option<PasswordHash>,
    /// For another hash: who was let in to prove need not queue again.
    pub(super) place: Place,
}

/// Who has to wait is not looked up: it would be the only difference between an account and none.
impl Refuses for ProveError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::WrongCredentials(_) => Some("wrong_credentials"),
            Self::TooMany(_) => Some("throttled"),
            Self::Stale | Self::Hash(_) | Self::Storage(_) => None,
        }
    }

    fn user(&self) -> Option<Uuid> {
        match self {
            Self::WrongCredentials(user) => *user,
            _ => None,
        }
    }
}

impl Flows {
    /// Like `prove`, for what may be no credentials at all.
    pub(super) async fn prove_any(
        &self,
        credentials: Option<(EmailAddress, Password)>,
    ) -> Result<Proven, ProveError> {
        let (email, password) = credentials.ok_or(ProveError::WrongCredentials(None))?;
        self.prove(email.key(), password).await
    }

    /// Counts the try, then compares with no connection held. Who finds no place is sent away first, for that is no guess. What
    /// may be done with the answer is decided by `Proven::still_holds`, in the transaction that does it.
    pub(super) async fn prove(
        &self,
        key: EmailKey,
        password: Password,
    ) -> Result<Proven, ProveError> {
        let place = self.hasher.place()?;
        let now = self.clock.now();
        let counted = self.storage.write(move |c| {
            c.serialise_on(key.as_str())?;
            let counted = Guesses::admit(guesses::find(c, key.as_str())?, now)
                .map_err(ProveError::TooMany)?;
            guesses::store(c, key.as_str(), now, &counted)?;
            Ok::<_, ProveError>(users::find_by_email(c, &key)?)
        });
        let user = counted.await?;
        let id = user.as_ref().map(|user| user.id);
        let user = user.filter(|user| user.disabled_at.is_none());
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        let stored = stored.filter(|_| password.characters() <= LONGEST);
        match (place.verify(password, stored).await?, user) {
            (Verified::Yes(replacement, place), Some(user)) => Ok(Proven {
                user,
                replacement,
                place,
            }),
            _ => Err(ProveError::WrongCredentials(id)),
        }
    }
}

/// Makes an attempt, and another one if the stored password was replaced in the middle of the first.
pub(super) async fn anew<T, E, F>(attempt: impl Fn() -> F) -> Result<T, E>
where
    E: IsStale,
    F: Future<Output = Result<T, E>>,
{
    match attempt().await {
        Err(error) if error.is_stale() => attempt().await,
        ended => ended,
    }
}

/// An error that may be `ProveError::Stale`.
pub(super) trait IsStale {
    /// Whether it is.
    fn is_stale(&self) -> bool;
}

impl IsStale for ProveError {
    fn is_stale(&self) -> bool {
        matches!(self, Self::Stale)
    }
}

impl Proven {
    /// Whether the password is still the user's, now that this transaction is the only one that concerns the address. If so,
    /// the failures before are forgotten, and a hash of another kind or cost is replaced by ours (bar P11).
    pub(super) fn still_holds(&self, c: &mut AnyConnection) -> Result<(), ProveError> {
        let key = self.user.email.key();
        c.serialise_on(key.as_str())?;
        let now = users::find_by_email(c, &key)?.filter(|user| {
            user.id == self.user.id
                && user.disabled_at.is_none()
                && user.password_changed_at == self.user.password_changed_at
        });
        let now = now.ok_or(ProveError::WrongCredentials(Some(self.user.id)))?;
        // Another caller with the same password may have replaced an imported hash just now, or an import the password.
        if now.password_hash != self.user.password_hash {
            return Err(ProveError::Stale);
        }
        guesses::forget(c, key.as_str())?;
        if let Some(hash) = &self.replacement {
            users::replace_hash(c, self.user.id, hash)?;
        }
        Ok(())
    }
}
