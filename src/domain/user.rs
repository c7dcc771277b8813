//! The people whose passwords are kept.

use uuid::Uuid;

use super::{EmailAddress, Instant, Locale, PasswordHash};

/// An end user.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// The stored address: the only one that mail is ever sent to (bar F04).
    pub email: EmailAddress,
    /// Absent until a first password is set.
    pub password_hash: Option<PasswordHash>,
    /// The language of this user's mails.
    pub locale: Option<Locale>,
    /// Whatever JSON object the apps keep here.
    pub profile: serde_json::Map<String, serde_json::Value>,
    /// When the account was made.
    pub created_at: Instant,
    /// When the password was last set.
    pub password_changed_at: Option<Instant>,
    /// Whether an administrator chose the password, so that the user should choose another one (ASVS 6.4.6, bar F26).
    pub password_must_change: bool,
    /// Since when the account is switched off: no mail, no reset, same answers (bar F27).
    pub disabled_at: Option<Instant>,
}
