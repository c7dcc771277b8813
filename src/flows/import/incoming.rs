//! A user as a file states it, and what that means for one who exists.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::records::read_strictly;
use super::refused::Refused;
use crate::domain::profile::holds_secret;
use crate::domain::{EmailAddress, Instant, Locale, PasswordHash, UnusableHash, User};
use crate::entropy;

/// A user as a file states it. What is absent is not stated.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) id: Option<Uuid>,
    pub(super) email: EmailAddress,
    password_hash: Option<PasswordHash>,
    locale: Option<Locale>,
    profile: Map<String, Value>,
    created_at: Option<Instant>,
    password_changed_at: Option<Instant>,
    password_must_change: Option<bool>,
    disabled_at: Option<Instant>,
}

impl Incoming {
    /// Reads what a line says. `cost` is that of our own hashes, which are never too costly.
    pub(super) fn read(mut fields: Map<String, Value>, cost: u32) -> Result<Self, Refused> {
        if fields.iter().any(|(name, value)| holds_nul(name, value)) {
            return Err(Refused::Nul);
        }
        let email = text(&mut fields, "email")?.ok_or(Refused::NoEmail)?;
        let hash = text(&mut fields, "password_hash")?;
        let locale = text(&mut fields, "locale")?.map(|tag| tag.parse());
        // The number that another system knew the user by is the apps' to keep.
        let id = fields
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        if id.is_some() {
            fields.remove("id");
        }
        if id.is_some_and(|id: Uuid| id.is_nil()) {
            return Err(Refused::Form("id", "an id: it is all zeros"));
        }
        Ok(Self {
            id,
            email: EmailAddress::parse(&email).map_err(|_| Refused::Email)?,
            // Django marks so who has no password; `shadow` does too.
            password_hash: hash
                .filter(|hash| !hash.starts_with('!'))
                .map(|hash| usable(hash, cost).map_err(Refused::Hash))
                .transpose()?,
            locale: locale
                .transpose()
                .map_err(|_| Refused::Form("locale", "a language tag such as en or fr-CA"))?,
            created_at: time(&mut fields, "created_at")?,
            password_changed_at: time(&mut fields, "password_changed_at")?,
            password_must_change: truth(&mut fields, "password_must_change")?,
            disabled_at: time(&mut fields, "disabled_at")?,
            profile: profile(fields)?,
        })
    }

    /// As a new user.
    pub(super) fn to_user(&self, now: Instant) -> User {
        User {
            id: self.id.unwrap_or_else(|| entropy::id(now)),
            email: self.email.clone(),
            password_hash: self.password_hash.clone(),
            locale: self.locale.clone(),
            profile: self.profile.clone(),
            created_at: self.created_at.unwrap_or(now),
            password_changed_at: self.password_changed_at,
            password_must_change: self.password_must_change.unwrap_or(false),
            disabled_at: self.disabled_at,
        }
    }

    /// Whether this is already so. A hash of ours in the place of another system's means that the password was proved or set here
    /// since the file was taken over.
    pub(super) fn holds_for(&self, user: &User, cost: u32) -> bool {
        let ours = |hash: &Option<PasswordHash>| hash.as_ref().is_some_and(|h| h.is_current(cost));
        let superseded =
            self.password_hash.is_some() && !ours(&self.password_hash) && ours(&user.password_hash);
        let mut wanted = self.laid_over(user);
        if self.password_hash.is_some() && !superseded {
            wanted.password_hash.clone_from(&self.password_hash);
        }
        if !superseded && self.password_changed_at.is_some() {
            wanted.password_changed_at = self.password_changed_at;
        }
        wanted == *user
    }

    /// The user as the file wants it. Of two passwords the newer one stays; one that was set here wins over one without a date.
    pub(super) fn update(&self, user: &User) -> User {
        let mut wanted = self.laid_over(user);
        let newer = match (user.password_changed_at, self.password_changed_at) {
            (None, _) => true,
            (Some(set), Some(stated)) => stated > set,
            (Some(_), None) => false,
        };
        if self.password_hash.is_some() && (newer || user.password_hash.is_none()) {
            wanted.password_hash.clone_from(&self.password_hash);
            wanted.password_changed_at = self.password_changed_at;
        }
        wanted
    }

    /// All that is stated, but for the password.
    fn laid_over(&self, user: &User) -> User {
        let mut profile = user.profile.clone();
        profile.extend(self.profile.clone());
        User {
            email: self.email.clone(),
            locale: self.locale.clone().or_else(|| user.locale.clone()),
            profile,
            created_at: self.created_at.unwrap_or(user.created_at),
            password_must_change: self
                .password_must_change
                .unwrap_or(user.password_must_change),
            disabled_at: self.disabled_at.or(user.disabled_at),
            ..user.clone()
        }
    }
}

fn usable(hash: String, cost: u32) -> Result<PasswordHash, UnusableHash> {
    match PasswordHash::parse(&hash) {
        Err(UnusableHash::TooCostly) => {
            let own = PasswordHash::from_stored(hash);
            own.is_current(cost)
                .then_some(own)
                .ok_or(UnusableHash::TooCostly)
        }
        parsed => parsed,
    }
}

/// Takes a text out; an empty one counts as absent.
fn text(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Refused> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(_) => Err(Refused::Form(name, "a text")),
    }
}

fn time(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<Instant>, Refused> {
    let Some(text) = text(fields, name)? else {
        return Ok(None);
    };
    let time = DateTime::parse_from_rfc3339(&text).ok();
    // In whole microseconds, as both databases store it.
    let time = time.and_then(|t| DateTime::<Utc>::from_timestamp_micros(t.timestamp_micros()));
    let time = time.ok_or(Refused::Form(name, "a time such as 2026-01-31T12:00:00Z"));
    time.map(Some)
}

fn truth(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<bool>, Refused> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(truth)),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
        Some(_) => Err(Refused::Form(name, "true or false")),
    }
}

/// The rest. An object (as JSON in CSV) under the name `profile` is part of it, and not in it.
fn profile(mut fields: Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    let form = Refused::Form("profile", "a JSON object");
    let inner = match fields.remove("profile") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(inner)) => inner,
        Some(Value::String(text)) => read_strictly(&text)?.ok_or(form)?,
        Some(_) => return Err(form),
    };
    if inner.iter().any(|(name, value)| holds_nul(name, value)) {
        return Err(Refused::Nul);
    }
    fields.extend(inner);
    if holds_secret(&fields) {
        return Err(Refused::Misplaced);
    }
    Ok(fields)
}

fn holds_nul(name: &str, value: &Value) -> bool {
    let in_value = match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(|item| holds_nul("", item)),
        Value::Object(object) => object.iter().any(|(name, value)| holds_nul(name, value)),
        _ => false,
    };
    in_value || name.contains('\0')
}
