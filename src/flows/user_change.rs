//! What is known of a user is changed, by an operator or by an app that may.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::audit::Refuses;
use super::users::UserRef;
use super::{By, Flows, password};
use crate::domain::audit::Act;
use crate::domain::mail::MailKind;
use crate::domain::{EmailAddress, Instant, Locale, User};
use crate::storage::{StorageError, audit, guesses, mails, reset_tokens, users};

/// The most that a profile may grow to by patches, in bytes of JSON: what fits into one call.
const MAX_PROFILE: usize = 16 * 1024;

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

impl Refuses for ChangeUserError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("wrong_user"),
            Self::Exists => Some("user_exists"),
            Self::ProfileTooLarge => Some("profile_too_large"),
            Self::Storage(_) => None,
        }
    }
}

impl Flows {
    /// Switches an account off, with its tokens and links, or on again (bar F27). Says whether there is such an account.
    pub async fn disable_user(
        &self,
        by: By,
        user: UserRef,
        disabled: bool,
    ) -> Result<bool, StorageError> {
        let change = UserChange {
            disabled: Some(disabled),
            ..UserChange::default()
        };
        match self.change_user(by, user, change).await {
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
        user: UserRef,
        change: UserChange,
    ) -> Result<User, ChangeUserError> {
        let id = match user {
            UserRef::Id(id) => Some(id),
            user => self.find_user(user).await?.map(|user| user.id),
        };
        let (act, _) = change.acts();
        let ended = match id {
            Some(id) => self.change_known_user(by.clone(), id, change).await,
            None => Err(ChangeUserError::Unknown),
        };
        let id = id.filter(|_| !matches!(ended, Err(ChangeUserError::Unknown)));
        let did = |now| by.did(act, now).to_any_user(id);
        self.audited(ended, did).await
    }

    async fn change_known_user(
        &self,
        by: By,
        id: Uuid,
        change: UserChange,
    ) -> Result<User, ChangeUserError> {
        let now = self.clock.now();
        let (act, switch) = change.acts();
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
            for act in [Some(act), switch].into_iter().flatten() {
                audit::record(c, &by.did(act, now).to_user(id))?;
            }
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
}

impl UserChange {
    /// What this is to the audit. Who is switched off or on while more is changed, is that besides.
    fn acts(&self) -> (Act, Option<Act>) {
        let switch = self.disabled.map(|disabled| match disabled {
            true => Act::UserDisable,
            false => Act::UserEnable,
        });
        let more = self.email.is_some() || self.locale.is_some() || self.profile.is_some();
        match switch {
            Some(switch) if !more => (switch, None),
            switch => (Act::UserChange, switch),
        }
    }

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
