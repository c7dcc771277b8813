//! The token endpoint's decision: the client credentials grant (RFC 6749 section 4.4).

use std::borrow::Cow;

use chrono::TimeDelta;
use oxide_auth::code_grant::accesstoken::ErrorDescription;
use oxide_auth::code_grant::client_credentials::{self as grant, client_credentials};
use oxide_auth::code_grant::error::AccessTokenErrorType;

use super::TokenError;
use super::endpoint::Endpoint;
use crate::domain::{AccessToken, ClientId, Instant, PlainToken, Scopes};
use crate::storage::AnyConnection;

/// A token request whose form is right. What it asks for is judged here.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// `grant_type`, when it was sent.
    pub grant_type: Option<String>,
    /// `scope`, when it was sent.
    pub scope: Option<String>,
    /// How the client authenticates: the ways in which its id and secret can be read, most likely first (bar O04).
    pub credentials: Vec<ClientCredentials>,
}

/// A client's id and secret, as sent.
#[derive(Clone)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: zeroize::Zeroizing<String>,
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCredentials(..)")
    }
}

/// What a new token needs besides the request.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The time of issue.
    pub now: Instant,
    /// How long tokens live whose client states nothing else.
    pub lifetime: TimeDelta,
    /// 256 random bits.
    pub random: [u8; 32],
}

/// A token that was issued.
#[derive(Debug)]
pub struct Issued {
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// The token, in clear here and nowhere else.
    pub token: PlainToken<AccessToken>,
    /// What it carries.
    pub scopes: Scopes,
    /// How long it lives.
    pub lifetime: TimeDelta,
}

/// Authenticates the client and issues a token, within the caller's transaction.
pub fn issue(
    c: &mut AnyConnection,
    request: &TokenRequest,
    terms: Terms,
) -> Result<Issued, TokenError> {
    let mut refused = TokenError::InvalidClient;
    for credentials in &request.credentials {
        match try_issue(c, request, credentials, terms) {
            Err(TokenError::InvalidClient) => refused = TokenError::InvalidClient,
            decided => return decided,
        }
    }
    // What does not depend on the client is told even when it cannot be authenticated, in the order of oxide-auth's checks.
    if request.credentials.is_empty() {
        match request.grant_type.as_deref() {
            None => refused = TokenError::InvalidRequest("grant_type is missing"),
            Some("client_credentials") => {}
            Some(_) => refused = TokenError::UnsupportedGrantType,
        }
    }
    Err(refused)
}

fn try_issue(
    c: &mut AnyConnection,
    request: &TokenRequest,
    credentials: &ClientCredentials,
    terms: Terms,
) -> Result<Issued, TokenError> {
    let asked = request.scope.as_deref().map(str::parse::<Scopes>);
    let mut endpoint = Endpoint::new(c, terms, asked.unwrap_or(Ok(Scopes::default())));
    let asked = Asked {
        request,
        credentials,
    };
    let pending =
        client_credentials(&mut endpoint, &asked).map_err(|error| endpoint.explain(error))?;
    pending
        .issue(&mut endpoint, credentials.id.clone(), false)
        .map_err(|error| endpoint.explain(error))?;
    endpoint.into_issued()
}

struct Asked<'a> {
    request: &'a TokenRequest,
    credentials: &'a ClientCredentials,
}

impl grant::Request for Asked<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((
            self.credentials.id.as_str().into(),
            self.credentials.secret.as_bytes().into(),
        ))
    }

    /// Judged by the registrar, after the client is known: oxide-auth would call a malformed one `invalid_request`, and say so
    /// to anybody.
    fn scope(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        self.request.grant_type.as_deref().map(Cow::Borrowed)
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

impl Endpoint<'_> {
    /// What oxide-auth's refusal means in RFC 6749 section 5.2.
    fn explain(&self, error: grant::Error) -> TokenError {
        if let Some(failure) = self.take_failure() {
            return failure;
        }
        let kind = |mut description: ErrorDescription| description.description().kind();
        match error {
            grant::Error::Unauthorized(..) => TokenError::InvalidClient,
            grant::Error::Invalid(description) => match kind(description) {
                AccessTokenErrorType::UnsupportedGrantType => TokenError::UnsupportedGrantType,
                AccessTokenErrorType::InvalidScope => TokenError::InvalidScope,
                _ => TokenError::InvalidRequest("grant_type is missing"),
            },
            grant::Error::Ignore => TokenError::InvalidScope,
            grant::Error::Primitive(_) => {
                TokenError::InvalidRequest("the request cannot be granted")
            }
        }
    }
}
