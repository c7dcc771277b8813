//! OAuth2 clients: the third-party apps (RFC 6749 section 2, confidential clients).

use chrono::TimeDelta;

use super::{Instant, Locale, ResetUrl, Scopes, token};

/// A client's public name on the wire (RFC 6749 section 2.2): `uf_cl_` and 22 base62 characters when made here. It can never
/// be taken for a user's id, which is a UUID (bar O21).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientId(String);

impl ClientId {
    /// Makes an id from 128 random bits.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let mut text = "uf_cl_".to_owned();
        token::base62(bytes, 22, &mut text);
        Self(text)
    }

    /// An id that a caller, an operator or storage states; unknown ones are found out by the look-up.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registered client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its id on the wire.
    pub id: ClientId,
    /// What people call it; mails name it too.
    pub name: ClientName,
    /// The most that its tokens may carry.
    pub scopes: Scopes,
    /// Where its reset links lead; the built-in page when absent.
    pub reset_url: Option<ResetUrl>,
    /// The language of its mails when neither the call nor the user states one.
    pub locale: Option<Locale>,
    /// How long its tokens live; the configured lifetime when absent.
    pub token_lifetime: Option<TimeDelta>,
    /// When it was registered.
    pub created_at: Instant,
    /// Since when it is switched off: no new tokens, and its live ones stop at once (bar O19).
    pub disabled_at: Option<Instant>,
}

/// A client's name: 1 to 100 characters, none of them a control character (it appears in mails, bar E02).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(String);

/// Not usable as a client's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client's name has 1 to 100 characters and no control characters")]
pub struct MalformedName;

impl ClientName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ClientName {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        let text = text.trim();
        let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        if text.is_empty() || text.chars().count() > 100 || text.contains(breaks) {
            return Err(MalformedName);
        }
        Ok(Self(text.to_owned()))
    }
}

/// One of a client's secrets, as far as it may be shown.
#[derive(Debug, Clone)]
pub struct SecretInfo {
    /// Its id, for people to point at.
    pub id: uuid::Uuid,
    /// When it was made.
    pub created_at: Instant,
    /// When it stops working; never when absent.
    pub expires_at: Option<Instant>,
}
