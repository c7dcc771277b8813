//! An operator, or an app that may, looks after users: makes, finds and deletes accounts.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::audit::Refuses;
use super::password::{self, NewPassword};
use super::{By, Flows};
use crate::domain::audit::Act;
use crate::domain::{EmailAddress, EmailKey, Locale, PasswordHash, Refusal, User};
use crate::entropy;
use crate::hasher::HashError;
use crate::storage::{StorageError, audit, guesses, users};

pub use super::user_change::{ChangeUserError, UserChange};

/// What is stated about a new user.
#[derive(Debug)]
pub struct NewUser {
    /// The address that mail is sent to.
    pub email: EmailAddress,
    /// A first password.
    pub password: Option<NewPassword>,
    /// Or the hash of one, made elsewhere.
    pub password_hash: Option<PasswordHash>,
    /// The language of this user's mails.
    pub locale: Option<Locale>,
    /// Whatever JSON object the apps keep here.
    pub profile: Map<String, Value>,
}

/// How an operator points at a user.
#[derive(Debug, Clone)]
pub enum UserRef {
    /// By id.
    Id(Uuid),
    /// By address.
    Email(EmailKey),
    /// By what cannot be an id: it is nobody.
    Nobody,
}

impl UserRef {
    /// By the text of an id.
    pub fn of_id(text: &str) -> Self {
        text.parse().map_or(Self::Nobody, Self::Id)
    }
}

/// Why there is no new user.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    /// The policy refuses the password.
    #[error("the password is refused: {}", .0.iter().map(|r| r.name()).collect::<Vec<_>>().join(", "))]
    WrongPassword(Vec<Refusal>),
    /// The address is taken.
    #[error("there is a user with this address already")]
    Exists,
    /// No hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refuses for AddUserError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::WrongPassword(_) => Some("wrong_password"),
            Self::Exists => Some("user_exists"),
            Self::Hash(_) | Self::Storage(_) => None,
        }
    }
}

impl Flows {
    /// Makes an account.
    pub async fn add_user(&self, by: By, new: NewUser) -> Result<User, AddUserError> {
        let ended = self.add(by.clone(), new).await;
        self.audited(ended, |now| by.did(Act::UserAdd, now)).await
    }

    async fn add(&self, by: By, new: NewUser) -> Result<User, AddUserError> {
        let password_hash = match new.password {
            Some(chosen) => {
                let chosen =
                    chosen.map_err(|refusal| AddUserError::WrongPassword(vec![refusal]))?;
                let reasons = self.judge(&chosen, Some(&new.email.to_text())).await?;
                if !reasons.is_empty() {
                    return Err(AddUserError::WrongPassword(reasons));
                }
                Some(self.hasher.hash(chosen.password).await?)
            }
            None => new.password_hash,
        };
        let now = self.clock.now();
        let user = User {
            id: entropy::id(now),
            email: new.email,
            password_changed_at: password_hash.is_some().then_some(now),
            password_hash,
            locale: new.locale,
            profile: new.profile,
            created_at: now,
            password_must_change: false,
            disabled_at: None,
        };
        let stored = user.clone();
        let inserted = self.storage.write(move |c| {
            users::insert(c, &stored)?;
            // What was guessed while nobody had the address was not this password.
            guesses::forget(c, stored.email.key().as_str())?;
            audit::record(c, &by.did(Act::UserAdd, now).to_user(stored.id))
        });
        match inserted.await {
            Ok(()) => Ok(user),
            Err(StorageError::Exists) => Err(AddUserError::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds a user.
    pub async fn find_user(&self, user: UserRef) -> Result<Option<User>, StorageError> {
        self.storage
            .read(move |c| match user {
                UserRef::Id(id) => users::find(c, id),
                UserRef::Email(key) => users::find_by_email(c, &key),
                UserRef::Nobody => Ok(None),
            })
            .await
    }

    /// Up to `limit` users in the order of their ids, after the given one.
    pub async fn page_of_users(
        &self,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<User>, StorageError> {
        self.storage
            .read(move |c| users::page(c, after, limit))
            .await
    }

    /// Notes that every account is to be read with its password hash.
    pub async fn begin_export(&self, by: By) -> Result<(), StorageError> {
        self.record(by.did(Act::UserExport, self.clock.now())).await
    }

    /// Deletes an account with all that belongs to it. A new one with the same address inherits nothing (bar F27).
    pub async fn delete_user(&self, by: By, user: UserRef) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let entry = by.did(Act::UserDelete, now);
        let Some(user) = self.find_user(user).await? else {
            self.record(entry.refused("wrong_user")).await?;
            return Ok(false);
        };
        self.storage
            .write(move |c| {
                let Some(user) = users::lock(c, user.id)? else {
                    audit::record(c, &entry.refused("wrong_user"))?;
                    return Ok(false);
                };
                password::end_access(c, &user, now)?;
                guesses::forget(c, user.email.key().as_str())?;
                audit::record(c, &entry.to_user(user.id))?;
                users::delete(c, user.id)
            })
            .await
    }
}
