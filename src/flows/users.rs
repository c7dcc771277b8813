//! An operator looks after users.

use uuid::Uuid;

use super::Flows;
use crate::domain::{EmailAddress, EmailKey, Locale, Password, Refusal, User};
use crate::entropy;
use crate::hasher::HashError;
use crate::storage::{StorageError, access_tokens, mails, reset_tokens, users};

/// What is stated about a new user.
#[derive(Debug)]
pub struct NewUser {
    /// The address that mail is sent to.
    pub email: EmailAddress,
    /// A first password.
    pub password: Option<Password>,
    /// The language of this user's mails.
    pub locale: Option<Locale>,
    /// Whatever JSON object the apps keep here.
    pub profile: serde_json::Map<String, serde_json::Value>,
}

/// How an operator points at a user.
#[derive(Debug, Clone)]
pub enum UserRef {
    /// By id.
    Id(Uuid),
    /// By address.
    Email(EmailKey),
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

impl Flows {
    /// Makes an account.
    pub async fn add_user(&self, new: NewUser) -> Result<User, AddUserError> {
        if let Some(password) = &new.password {
            let context = new.email.to_text();
            let reasons = self.judge_password(password, &[&context]).await?;
            if !reasons.is_empty() {
                return Err(AddUserError::WrongPassword(reasons));
            }
        }
        let now = self.clock.now();
        let password_hash = match new.password {
            Some(password) => Some(self.hasher.hash(password).await?),
            None => None,
        };
        let user = User {
            id: entropy::id(now),
            email: new.email,
            password_changed_at: password_hash.is_some().then_some(now),
            password_hash,
            locale: new.locale,
            profile: new.profile,
            created_at: now,
            disabled_at: None,
        };
        let stored = user.clone();
        match self.storage.write(move |c| users::insert(c, &stored)).await {
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

    /// Switches an account off, with its tokens and links, or on again (bar F27). Says whether there is such an account.
    pub async fn disable_user(&self, user: UserRef, disabled: bool) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let Some(user) = self.find_user(user).await? else {
            return Ok(false);
        };
        self.storage
            .write(move |c| {
                c.serialise_on(user.email.key().as_str())?;
                if disabled {
                    reset_tokens::delete_of_user(c, user.id)?;
                    access_tokens::delete_of_user(c, user.id)?;
                    mails::cancel_resets(c, user.email.key().as_str(), now)?;
                }
                users::set_disabled(c, user.id, disabled.then_some(now))
            })
            .await
    }

    /// Deletes an account with all that belongs to it. A new one with the same address inherits nothing (bar F27).
    pub async fn delete_user(&self, user: UserRef) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let Some(user) = self.find_user(user).await? else {
            return Ok(false);
        };
        self.storage
            .write(move |c| {
                c.serialise_on(user.email.key().as_str())?;
                mails::cancel_resets(c, user.email.key().as_str(), now)?;
                users::delete(c, user.id)
            })
            .await
    }
}
