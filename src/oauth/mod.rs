//! OAuth2 through oxide-auth, and signatures through jsonwebtoken and ring: the only folder that names them. Requests come in parsed; answers leave as our own values.

mod assertion;
mod authentication;
mod bound;
pub mod dpop;
mod endpoint;
mod grant;
pub mod guard;
pub mod introspect;
mod issuer;
mod jose;
mod known;
mod nonces;
pub mod parsers;
mod refused;
mod registrar;
pub mod revoke;
pub mod token;
mod verifying;

pub use assertion::{ASSERTION_TYPE, ClientAssertion};
pub use authentication::{Authentication, ClientCredentials, authenticate};
pub use known::{Known, KnownToken};
pub use refused::{Claimed, audited};

use std::sync::LazyLock;

use url::Url;

use crate::domain::Scopes;
use crate::storage::StorageError;

/// Client credentials need no redirection, but oxide-auth's types ask for an address.
fn no_redirect() -> Url {
    #[expect(clippy::expect_used, reason = "a constant that is a URL")]
    static NOWHERE: LazyLock<Url> = LazyLock::new(|| {
        Url::parse("urn:ietf:wg:oauth:2.0:oob").expect("a constant that is a URL")
    });
    NOWHERE.clone()
}

fn to_library(scopes: Scopes) -> oxide_auth::primitives::scope::Scope {
    // Our names hold only characters that RFC 6749 section 3.3 allows; a test reads every one of them.
    #[expect(clippy::expect_used, reason = "a test reads every name")]
    scopes.to_string().parse().expect("scope names are valid")
}

impl From<dpop::Unproven> for TokenError {
    fn from(why: dpop::Unproven) -> Self {
        match why {
            dpop::Unproven::Invalid => Self::InvalidProof,
            dpop::Unproven::NonceNeeded => Self::NonceNeeded,
        }
    }
}

/// What an OAuth2 request can be refused for (RFC 6749 section 5.2), or why it could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// A parameter is missing, repeated or malformed, or the client authenticated in two ways.
    #[error("invalid_request")]
    InvalidRequest(&'static str),
    /// Unknown client, wrong secret, disabled client, or none stated: one answer for all.
    #[error("invalid_client")]
    InvalidClient,
    /// An assertion that proves nothing, for whatever reason: one answer for all (bar X07). The word that says which part of it was
    /// wrong is for the operator's log alone.
    #[error("invalid_client")]
    InvalidAssertion(&'static str),
    /// Unknown, malformed, or more than the client is registered for.
    #[error("invalid_scope")]
    InvalidScope,
    /// The proof of possession is missing, wrong or used up (RFC 9449 section 5).
    #[error("invalid_dpop_proof")]
    InvalidProof,
    /// The proof needs a nonce of ours (RFC 9449 section 8).
    #[error("use_dpop_nonce")]
    NonceNeeded,
    /// Only client_credentials is offered.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    /// No database.
    #[error(transparent)]
    Storage(StorageError),
}

impl From<StorageError> for TokenError {
    fn from(error: StorageError) -> Self {
        match error {
            // The client was deleted between its authentication and the token's row.
            StorageError::Gone => Self::InvalidClient,
            other => Self::Storage(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_is_one_for_oxide_auth_too() {
        assert_eq!(
            to_library(Scopes::all()).iter().count(),
            Scopes::all().iter().count()
        );
        assert_eq!(to_library(Scopes::default()).iter().count(), 0);
    }
}
