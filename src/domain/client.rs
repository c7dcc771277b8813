//! OAuth2 clients: the third-party apps (RFC 6749 section 2, confidential clients).

use std::ops::RangeInclusive;

use chrono::TimeDelta;

use super::{HashedToken, Instant, JwkSet, Locale, RegistrationToken, ResetUrl, Scopes, token};

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

    /// An id that a caller or storage states; unknown ones are found out by the look-up.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Not usable as the id of a new client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedId {
    /// Some library would encode it in a way of its own, or it would not fit into a path.
    #[error(
        "a client's id has 1 to 100 letters, digits and -._~ and begins with a letter or digit"
    )]
    Unusual,
    /// It could be taken for a user's (bar O21).
    #[error("a client's id cannot be a UUID: users have those")]
    Uuid,
    /// The audit calls somebody else so.
    #[error("a client's id cannot be operator: that is the command line")]
    Operator,
    /// It looks like a secret of ours.
    #[error("what begins with uf_ is ours; a client's id may begin with uf_cl_")]
    Ours,
}

impl std::str::FromStr for ClientId {
    type Err = MalformedId;

    /// An id that an operator brings along for a new client: of the characters that RFC 6749 appendix A.1 allows, those that
    /// no library changes in a header, a form or a path (RFC 3986 section 2.3).
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins_well || text.len() > 100 || !text.bytes().all(plain) {
            return Err(MalformedId::Unusual);
        }
        if uuid::Uuid::parse_str(text).is_ok() {
            return Err(MalformedId::Uuid);
        }
        let kind = text.to_ascii_lowercase();
        if kind == "operator" {
            return Err(MalformedId::Operator);
        }
        if kind.starts_with("uf_") && !text.starts_with("uf_cl_") {
            return Err(MalformedId::Ours);
        }
        Ok(Self(text.to_owned()))
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
    /// How it says that it authenticates.
    pub auth_method: AuthMethod,
    /// Its public keys, for `private_key_jwt`.
    pub jwks: Option<JwkSet>,
    /// Whether it gets only tokens that are bound to a key (RFC 9449 section 5.2).
    pub require_dpop: bool,
    /// The digest of the token that manages its registration (RFC 7592); none when an operator does.
    pub registration: Option<HashedToken<RegistrationToken>>,
    /// The client that registered it; none when an operator did.
    pub registered_by: Option<ClientId>,
}

impl Client {
    /// A client that an operator registers, with everything else as by default.
    pub fn new(id: ClientId, name: ClientName, scopes: Scopes, created_at: Instant) -> Self {
        Self {
            id,
            name,
            scopes,
            reset_url: None,
            locale: None,
            token_lifetime: None,
            created_at,
            disabled_at: None,
            auth_method: AuthMethod::default(),
            jwks: None,
            require_dpop: false,
            registration: None,
            registered_by: None,
        }
    }

    /// Whether it signs instead of stating a secret.
    pub fn signs(&self) -> bool {
        self.auth_method.signs()
    }
}

/// How long tokens of one client may live.
pub const TOKEN_LIFETIMES: RangeInclusive<TimeDelta> = TimeDelta::seconds(1)..=TimeDelta::days(30);

/// How a client authenticates at the token endpoint, by the names of RFC 7591 section 2. The two with a secret may stand for each
/// other: which of them an app's library uses is its own choice (bar O06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthMethod {
    /// HTTP Basic.
    #[default]
    ClientSecretBasic,
    /// In the form.
    ClientSecretPost,
    /// A signed assertion (RFC 7523): such a client has keys and no secret.
    PrivateKeyJwt,
}

/// A way of authenticating that is not offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be client_secret_basic, client_secret_post or private_key_jwt")]
pub struct UnknownAuthMethod;

impl AuthMethod {
    /// Every one that is offered.
    pub const ALL: [AuthMethod; 3] = [
        AuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost,
        AuthMethod::PrivateKeyJwt,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether a client signs, and so has keys and no secret.
    pub fn signs(self) -> bool {
        self == AuthMethod::PrivateKeyJwt
    }
}

impl std::str::FromStr for AuthMethod {
    type Err = UnknownAuthMethod;

    fn from_str(name: &str) -> Result<Self, UnknownAuthMethod> {
        let found = AuthMethod::ALL.into_iter().find(|m| m.name() == name);
        found.ok_or(UnknownAuthMethod)
    }
}

/// A client's name: 1 to 100 characters, all of them visible, and no link: it appears in mails (bar E02).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientName(String);

/// Not usable as a client's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client's name has 1 to 100 characters, no control or invisible characters, and no link")]
pub struct MalformedName;

impl ClientName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What breaks lines, turns text around, or is not seen at all.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

impl std::str::FromStr for ClientName {
    type Err = MalformedName;

    fn from_str(text: &str) -> Result<Self, MalformedName> {
        let text = text.trim();
        let odd = |c: char| c.is_control() || is_invisible(c);
        // These join letters, in Persian for one.
        let joins = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
        if text.chars().all(joins)
            || text.chars().count() > 100
            || text.contains(odd)
            || text.contains("://")
        {
            return Err(MalformedName);
        }
        Ok(Self(text.to_owned()))
    }
}
