//! What oxide-auth decides about a token request: the client credentials grant (RFC 6749 section 4.4).

use std::borrow::Cow;

use oxide_auth::code_grant::accesstoken::ErrorDescription;
use oxide_auth::code_grant::client_credentials::{self as grant, client_credentials};
use oxide_auth::code_grant::error::AccessTokenErrorType;

use super::TokenError;
use super::endpoint::Endpoint;
use super::token::{Issued, Terms, TokenRequest};
use crate::domain::{Client, Scopes};

/// What oxide-auth makes of a request of this client, or of nobody.
pub(super) fn decide(
    request: &TokenRequest,
    id: &str,
    client: Option<&Client>,
    terms: Terms,
) -> Result<Issued, TokenError> {
    let scopes = request.scope.as_deref().map(str::parse::<Scopes>);
    let has_to_prove = client.is_some_and(|client| client.require_dpop);
    let mut endpoint = Endpoint::new(client, terms, scopes.unwrap_or(Ok(Scopes::default())));
    let asked = Asked { request, id };
    let pending = client_credentials(&mut endpoint, &asked).map_err(|e| endpoint.explain(e))?;
    pending
        .issue(&mut endpoint, id.to_owned(), false)
        .map_err(|e| endpoint.explain(e))?;
    let jkt = request.proof_of_key();
    if has_to_prove && jkt.is_none() {
        return Err(TokenError::InvalidProof);
    }
    let issued = endpoint.into_issued()?;
    Ok(Issued { jkt, ..issued })
}

struct Asked<'a> {
    request: &'a TokenRequest,
    id: &'a str,
}

impl grant::Request for Asked<'_> {
    fn valid(&self) -> bool {
        true
    }

    /// The secret was compared by look-up already.
    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.id.into(), [].as_slice().into()))
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
