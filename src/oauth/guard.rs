//! May this token do that? The bearer's side of OAuth2 (RFC 6750).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oxide_auth::code_grant::resource::{self, ErrorCode, protect};
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::{IssuedToken, Issuer, RefreshedToken};
use oxide_auth::primitives::scope::Scope as LibraryScope;

use uuid::Uuid;

use super::{Known, KnownToken, no_redirect, to_library};
use crate::domain::{AccessToken, Instant, PlainToken, Scope, Scopes};
use crate::storage::StorageError;
use crate::storage::access_tokens::LiveToken;

/// What the `Authorization` fields of a request hold.
#[derive(Debug)]
pub enum Bearer {
    /// There is no such field, or it is of another scheme.
    Absent,
    /// More than one token or field, no token, or octets that no token has.
    Malformed,
    /// A text that cannot be one of our tokens, whatever the database says.
    Foreign,
    /// A token of the right form.
    Token(PlainToken<AccessToken>),
}

/// A request's standing before it is known what it asks for.
#[derive(Debug, Clone)]
pub struct Standing {
    bearer: Cow<'static, str>,
    valid: bool,
    live: Option<Arc<KnownToken>>,
    /// What is decided already, whatever is asked for.
    refused: Option<Denied>,
}

/// Why a request is refused (RFC 6750 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No credentials: 401 without an error code.
    NoCredentials,
    /// Credentials that cannot be read: 400.
    InvalidRequest,
    /// Unknown, expired or revoked: 401.
    InvalidToken,
    /// A token of a key, used otherwise: as a plain bearer's, or with another key: 401, and only DPoP will do (RFC 9449 section 7.2).
    Misused,
    /// The token needs a proof, and there is no good one: 401 (RFC 9449 section 7.1).
    InvalidProof,
    /// The proof needs a nonce: 401 (RFC 9449 section 9).
    NonceNeeded,
    /// A good token without this scope: 403.
    InsufficientScope(Scope),
}

impl Standing {
    /// Looks a token up; garbage needs no query.
    pub async fn of(bearer: Bearer, known: &Known, now: Instant) -> Result<Self, StorageError> {
        let (text, valid, live) = match bearer {
            Bearer::Absent => ("", true, None),
            Bearer::Malformed => ("", false, None),
            Bearer::Foreign => ("Bearer ?", true, None),
            Bearer::Token(token) => {
                let live = known.token(token.hashed(), now).await?;
                // One that is bound to a key is more than a bearer's (bar X09).
                if live.as_ref().is_some_and(|known| known.live.jkt.is_some()) {
                    return Ok(Self::refused(Denied::Misused));
                }
                ("Bearer ?", true, live)
            }
        };
        Ok(Self {
            bearer: Cow::Borrowed(text),
            valid,
            live,
            refused: None,
        })
    }

    /// Refused, whatever is asked for.
    pub(super) fn refused(why: Denied) -> Self {
        Self {
            bearer: Cow::Borrowed("Bearer ?"),
            valid: true,
            live: None,
            refused: Some(why),
        }
    }

    /// A token whose bearer has proved that it is his to use.
    pub(super) fn proven(live: Arc<KnownToken>) -> Self {
        Self {
            bearer: Cow::Borrowed("Bearer ?"),
            valid: true,
            live: Some(live),
            refused: None,
        }
    }

    /// The client, when a live token was presented: for counting calls, before it is known what is asked for.
    pub fn client(&self) -> Option<&crate::domain::ClientId> {
        self.live.as_ref().map(|known| &known.live.client_id)
    }

    /// The live token, whatever is asked for.
    pub fn live_token(&self) -> Option<&LiveToken> {
        self.live.as_ref().map(|known| &known.live)
    }

    /// Whether no credentials were presented at all.
    pub fn is_absent(&self) -> bool {
        self.valid && self.bearer.is_empty()
    }

    /// Decides whether this may use `scope`.
    pub fn require(&self, scope: Scope) -> Result<&Arc<KnownToken>, Denied> {
        self.carries([scope].into_iter().collect())?
            .ok_or(Denied::InsufficientScope(scope))
    }

    /// Decides whether this is a user's token, and whose. A token of an application is not valid where a user has to speak.
    pub fn subject(&self) -> Result<(&LiveToken, Uuid), Denied> {
        let live = self.carries(Scopes::default())?;
        live.and_then(|known| Some((&known.live, known.live.subject?)))
            .ok_or(Denied::InvalidToken)
    }

    /// Decides whether this is a token of an application, for its own sake; none when it is a user's.
    pub fn application(&self) -> Result<Option<&LiveToken>, Denied> {
        let live = self.carries(Scopes::default())?;
        let live = live.map(|known| &known.live);
        Ok(live.filter(|live| live.subject.is_none()))
    }

    /// The live token, if it carries these scopes.
    fn carries(&self, scopes: Scopes) -> Result<Option<&Arc<KnownToken>>, Denied> {
        if let Some(why) = self.refused {
            return Err(why);
        }
        if let Some(known) = &self.live
            && known.allowed.contain(scopes)
        {
            return Ok(Some(known));
        }
        let mut resource = Resource {
            scopes: [to_library(scopes)],
            standing: self,
        };
        match protect(&mut resource, &Asked(self)) {
            Ok(_) => {
                let known = self.live.as_ref().ok_or(Denied::InvalidToken)?;
                known.allowed.add(scopes);
                Ok(Some(known))
            }
            Err(resource::Error::NoAuthentication { .. }) => Err(Denied::NoCredentials),
            Err(resource::Error::AccessDenied { failure, .. })
                if matches!(failure.code, Some(ErrorCode::InsufficientScope)) =>
            {
                Ok(None)
            }
            // oxide-auth calls an unknown token an invalid request; RFC 6750 section 3.1 does not.
            Err(resource::Error::AccessDenied { .. }) => Err(Denied::InvalidToken),
            Err(_) => Err(Denied::InvalidRequest),
        }
    }
}

/// What oxide-auth has allowed a token: the scopes, and a bit that says that it was asked at all.
#[derive(Debug, Default)]
pub(super) struct Allowed(AtomicU32);

impl Allowed {
    const ASKED: u32 = 1 << 16;

    fn contain(&self, scopes: Scopes) -> bool {
        let wanted = u32::from(scopes.bits()) | Self::ASKED;
        self.0.load(Ordering::Relaxed) & wanted == wanted
    }

    fn add(&self, scopes: Scopes) {
        let allowed = u32::from(scopes.bits()) | Self::ASKED;
        self.0.fetch_or(allowed, Ordering::Relaxed);
    }
}

struct Asked<'a>(&'a Standing);

impl resource::Request for Asked<'_> {
    fn valid(&self) -> bool {
        self.0.valid
    }

    fn token(&self) -> Option<Cow<'_, str>> {
        (!self.0.bearer.is_empty()).then(|| Cow::Borrowed(self.0.bearer.as_ref()))
    }
}

struct Resource<'a> {
    scopes: [LibraryScope; 1],
    standing: &'a Standing,
}

impl resource::Endpoint for Resource<'_> {
    fn scopes(&mut self) -> &[LibraryScope] {
        &self.scopes
    }

    fn issuer(&mut self) -> &dyn Issuer {
        self
    }
}

/// Answers from the look-up that was made already, off the async threads.
impl Issuer for Resource<'_> {
    fn issue(&mut self, _: Grant) -> Result<IssuedToken, ()> {
        Err(())
    }

    fn refresh(&mut self, _: &str, _: Grant) -> Result<RefreshedToken, ()> {
        Err(())
    }

    fn recover_token<'t>(&'t self, _: &'t str) -> Result<Option<Grant>, ()> {
        let live = self.standing.live_token();
        Ok(live.map(|live| Grant {
            owner_id: live
                .subject
                .map_or_else(|| live.client_id.to_string(), |user| user.to_string()),
            client_id: live.client_id.to_string(),
            scope: to_library(live.scopes),
            redirect_uri: no_redirect(),
            until: live.expires_at,
            extensions: Extensions::new(),
        }))
    }

    fn recover_refresh<'t>(&'t self, _: &'t str) -> Result<Option<Grant>, ()> {
        Ok(None)
    }
}
