//! An operator, or an app that may, looks after users.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::password::{self, Chosen};
use super::{By, Flows};
use crate::domain::mail::MailKind;
use crate::domain::{EmailAddress, EmailKey, Instant, Locale, PasswordHash, Refusal, User};
use crate::entropy;
use crate::hasher::HashError;
use crate::storage::{StorageError, guesses, mails, reset_tokens, users};

/// The most that a profile may grow to by patches, in bytes of JSON: what fits into one call.
const MAX_PROFILE: usize = 16 * 1024;

/// What is stated about a new user.
#[derive(Debug)]
pub struct NewUser {
    /// The address that mail is sent to.
    pub email: EmailAddress,
    /// A first password.
    pub password: Option<Chosen>,
    /// Or the hash of one, made elsewhere.
    pub password_hash: Option<PasswordHash>,
    /// The language of this user's mails.
    pub locale: Option<Locale>,
    /// Whatever JSON object the apps keep here.
    pub profile: Map<String, Value>,
}

/// What is to be changed of a user. What is absent stays.
#[derive(Debug, Default)]
pub struct UserChange {
    /// The address that mail is sent to.
    pub email: Option<EmailAddress>,
    /// The language of this user's mails, or none.
    pub locale: Option<Option<Locale>>,
    /// A merge patch for the profile (RFC 7396): an object, or none to empty it.
    pub profile: Option<Option<Map<String, Value>>>,
    /// Whether the account is switched off.
    pub disabled: Option<bool>,
}

/// Why a user was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeUserError {
    /// There is no such user.
    #[error("there is no such user")]
    Unknown,
    /// The new address is taken.
    #[error("there is a user with this address already")]
    Exists,
    /// The profile would grow beyond all measure.
    #[error("the profile is too large")]
    ProfileTooLarge,
    /// No database.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for ChangeUserError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Exists => Self::Exists,
            error => Self::Storage(error),
        }
    }
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
    pub async fn add_user(&self, by: By, new: NewUser) -> Result<User, AddUserError> {
        let password_hash = match new.password {
            Some(chosen) => {
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
            guesses::forget(c, stored.email.key().as_str())
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
    pub async fn disable_user(
        &self,
        by: By,
        user: UserRef,
        disabled: bool,
    ) -> Result<bool, StorageError> {
        let Some(user) = self.find_user(user).await? else {
            return Ok(false);
        };
        let change = UserChange {
            disabled: Some(disabled),
            ..UserChange::default()
        };
        match self.change_user(by, user.id, change).await {
            Ok(_) => Ok(true),
            Err(ChangeUserError::Storage(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Changes what is stated, and keeps the rest. A new address ends the links that went to the old one, and the old one is
    /// told (bar F14, F21); switching off ends every token and link at once (bar F27).
    pub async fn change_user(
        &self,
        by: By,
        id: Uuid,
        change: UserChange,
    ) -> Result<User, ChangeUserError> {
        let now = self.clock.now();
        let changed = self.storage.write(move |c| {
            let wanted = change.email.as_ref().map(EmailAddress::key);
            let before = users::lock_with(c, id, wanted.as_ref())?;
            let before = before.ok_or(ChangeUserError::Unknown)?;
            let after = change.applied_to(&before, now);
            if size(&after.profile) > MAX_PROFILE.max(size(&before.profile)) {
                return Err(ChangeUserError::ProfileTooLarge);
            }
            let moves = after.email.key() != before.email.key();
            let ends = after.disabled_at.is_some() && before.disabled_at.is_none();
            if moves || ends {
                reset_tokens::delete_unused(c, id)?;
                mails::cancel_resets(c, before.email.key().as_str(), now)?;
            }
            if ends {
                password::end_access(c, &before, now)?;
            }
            users::update(c, &after)?;
            if moves {
                // Guesses belong to the account: what was guessed at the new address before was not its password.
                guesses::rename(
                    c,
                    before.email.key().as_str(),
                    after.email.key().as_str(),
                    now,
                )?;
                let kind = MailKind::EmailChanged {
                    user_id: id,
                    recipient: before.email,
                };
                let client = by.client_id().cloned();
                mails::insert(c, &password::notice(kind, client, now))?;
            }
            Ok::<_, ChangeUserError>((after, moves))
        });
        let (user, moved) = changed.await?;
        if moved {
            self.mail_queued.notify_one();
        }
        Ok(user)
    }

    /// Deletes an account with all that belongs to it. A new one with the same address inherits nothing (bar F27).
    pub async fn delete_user(&self, by: By, user: UserRef) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let Some(user) = self.find_user(user).await? else {
            return Ok(false);
        };
        self.storage
            .write(move |c| {
                let Some(user) = users::lock(c, user.id)? else {
                    return Ok(false);
                };
                password::end_access(c, &user, now)?;
                guesses::forget(c, user.email.key().as_str())?;
                users::delete(c, user.id)
            })
            .await
    }
}

impl UserChange {
    fn applied_to(self, user: &User, now: Instant) -> User {
        let mut user = user.clone();
        if let Some(email) = self.email {
            user.email = email;
        }
        if let Some(locale) = self.locale {
            user.locale = locale;
        }
        match self.profile {
            Some(Some(patch)) => merge(&mut user.profile, patch),
            Some(None) => user.profile.clear(),
            None => {}
        }
        match self.disabled {
            Some(true) if user.disabled_at.is_none() => user.disabled_at = Some(now),
            Some(false) => user.disabled_at = None,
            _ => {}
        }
        user
    }
}

/// In bytes of JSON.
fn size(profile: &Map<String, Value>) -> usize {
    serde_json::to_string(profile).map_or(0, |text| text.len())
}

/// RFC 7396: members of the patch replace those of the target, null removes them, and objects are merged.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match (value, target.get_mut(&name)) {
            (Value::Null, _) => {
                target.remove(&name);
            }
            (Value::Object(inner), Some(Value::Object(existing))) => merge(existing, inner),
            (Value::Object(inner), _) => {
                let mut fresh = Map::new();
                merge(&mut fresh, inner);
                target.insert(name, fresh.into());
            }
            (value, _) => {
                target.insert(name, value);
            }
        }
    }
}
