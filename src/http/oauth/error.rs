//! What the OAuth2 endpoints answer when they refuse (RFC 6749 section 5.2).

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::flows::clients::ClientError;
use crate::http::error::{ApiError, Problem, REALM};
use crate::oauth::TokenError;
use crate::oauth::guard::Denied;
use crate::storage::StorageError;

/// An error of the OAuth endpoints (RFC 6749 section 5.2). Descriptions are constants of printable ASCII and never echo the
/// input (bar O15).
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum OauthError {
    /// The request is refused.
    #[error("{code}")]
    Refused {
        /// `error`
        code: &'static str,
        /// `error_description`
        description: &'static str,
        /// More, for the log alone.
        why: Option<&'static str>,
    },
    /// What has nothing to do with OAuth2: too large, too slow, or our own fault.
    #[error(transparent)]
    Http(#[from] ApiError),
}

impl OauthError {
    /// A parameter is missing, repeated or malformed.
    pub(super) fn malformed(description: &'static str) -> Self {
        TokenError::InvalidRequest(description).into()
    }
}

impl From<StorageError> for OauthError {
    fn from(error: StorageError) -> Self {
        Self::Http(error.into())
    }
}

impl From<ClientError> for OauthError {
    fn from(error: ClientError) -> Self {
        let malformed = |name| ApiError::field(name, Problem::Malformed);
        Self::Http(match error {
            ClientError::Storage(error) => error.into(),
            ClientError::NoScope | ClientError::TooManyScopes => malformed("scope"),
            ClientError::NoSuchSecret => malformed("client_secret"),
            ClientError::NoKeys => ApiError::field("jwks", Problem::Missing),
            // Only those who bring an id or a secret along meet these.
            ClientError::HasKeys | ClientError::Exists | ClientError::AmbiguousLabel => {
                ApiError::Internal
            }
        })
    }
}

const BAD_ASSERTION: &str = "the client assertion was refused: iss and sub are the client_id, aud is the issuer alone, exp at most 5 minutes ahead, \
                             jti new, signed with a registered key";

impl From<TokenError> for OauthError {
    fn from(error: TokenError) -> Self {
        let refused = |code, description| Self::Refused {
            code,
            description,
            why: None,
        };
        match error {
            TokenError::InvalidRequest(description) => refused("invalid_request", description),
            TokenError::InvalidClient => refused("invalid_client", "client authentication failed"),
            // The same whatever is wrong with it: what it has to be.
            TokenError::InvalidAssertion(why) => Self::Refused {
                code: "invalid_client",
                description: BAD_ASSERTION,
                why: Some(why),
            },
            TokenError::InvalidScope => refused(
                "invalid_scope",
                "the scope is unknown, malformed, or more than the client may have",
            ),
            TokenError::UnsupportedGrantType => refused(
                "unsupported_grant_type",
                "only client_credentials is supported",
            ),
            TokenError::InvalidProof => refused(
                "invalid_dpop_proof",
                "the DPoP proof is missing, wrong or used up",
            ),
            TokenError::NonceNeeded => refused(
                "use_dpop_nonce",
                "the DPoP proof needs the nonce in the DPoP-Nonce header",
            ),
            TokenError::Storage(error) => Self::Http(error.into()),
        }
    }
}

impl ResponseError for OauthError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Refused {
                code: "invalid_client",
                ..
            } => StatusCode::UNAUTHORIZED,
            Self::Refused { .. } => StatusCode::BAD_REQUEST,
            Self::Http(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, description) = self.words();
        let mut response = match self {
            // With the headers that go with it: a challenge, `Allow`, `Retry-After`.
            Self::Http(error) => error.respond(self.status_code()),
            Self::Refused { .. } => HttpResponse::build(self.status_code()),
        };
        if let Self::Refused {
            code: "invalid_client",
            ..
        } = self
        {
            let basic = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
            response.insert_header((WWW_AUTHENTICATE, basic));
        }
        let mut response = response.json(json!({"error": code, "error_description": description}));
        let why = match self {
            Self::Refused { why, .. } => *why,
            Self::Http(_) => None,
        };
        response.extensions_mut().insert(Logged { code, why });
        response
    }
}

/// What the log says of a refusal.
pub(in crate::http) struct Logged {
    /// `error`
    pub(in crate::http) code: &'static str,
    /// What the caller is not told.
    pub(in crate::http) why: Option<&'static str>,
}

impl OauthError {
    /// `error` and `error_description`
    fn words(&self) -> (&'static str, Cow<'static, str>) {
        let error = match self {
            Self::Refused {
                code, description, ..
            } => return (code, (*description).into()),
            Self::Http(error) => error,
        };
        let (code, description) = match error {
            ApiError::Unavailable => (
                "temporarily_unavailable",
                "the service is busy, come back later",
            ),
            ApiError::TooMany(_) => (
                "temporarily_unavailable",
                "too many requests, come back later",
            ),
            ApiError::Internal => ("server_error", "something went wrong on our side"),
            // RFC 7591 section 3.2.2. The names are ours.
            ApiError::InvalidField(name, problem) => {
                let what = match problem {
                    Problem::Missing => "is missing",
                    Problem::Repeated => "is there more than once",
                    Problem::WrongType => "has the wrong type",
                    Problem::Empty => "is empty",
                    Problem::Malformed => "cannot be used",
                };
                return ("invalid_client_metadata", format!("{name} {what}").into());
            }
            ApiError::NotFound => ("not_found", "there is nothing here"),
            ApiError::MethodNotAllowed(_) => ("invalid_request", "the method is not allowed here"),
            ApiError::UnsupportedMediaType => {
                ("invalid_request", "the content type is not known here")
            }
            // RFC 6750 section 3.1; without credentials it would have no code in the challenge, but a body says something.
            ApiError::Denied(Denied::InsufficientScope(_)) => {
                ("insufficient_scope", "the access token has not the scope")
            }
            ApiError::Denied(Denied::InvalidToken | Denied::Misused) => (
                "invalid_token",
                "the access token is unknown, expired or revoked",
            ),
            ApiError::Denied(Denied::InvalidProof) => (
                "invalid_dpop_proof",
                "the DPoP proof is missing, wrong or used up",
            ),
            ApiError::Denied(Denied::NonceNeeded) => (
                "use_dpop_nonce",
                "the DPoP proof needs the nonce in the DPoP-Nonce header",
            ),
            ApiError::Denied(Denied::NoCredentials) => {
                ("invalid_client", "an access token is needed")
            }
            _ => (
                "invalid_request",
                "the request is too large, broken, or took too long to arrive",
            ),
        };
        (code, description.into())
    }
}
