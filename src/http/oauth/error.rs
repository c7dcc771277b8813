//! What the OAuth2 endpoints answer when they refuse (RFC 6749 section 5.2).

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::http::error::{self, ApiError, REALM};
use crate::oauth::TokenError;
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

impl From<TokenError> for OauthError {
    fn from(error: TokenError) -> Self {
        let refused = |code, description| Self::Refused { code, description };
        match error {
            TokenError::InvalidRequest(description) => refused("invalid_request", description),
            TokenError::InvalidClient => refused("invalid_client", "client authentication failed"),
            TokenError::InvalidScope => refused(
                "invalid_scope",
                "the scope is unknown, malformed, or more than the client may have",
            ),
            TokenError::UnsupportedGrantType => refused(
                "unsupported_grant_type",
                "only client_credentials is supported",
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
        let (code, description) = match self {
            Self::Refused { code, description } => (*code, *description),
            Self::Http(ApiError::Unavailable) => (
                "temporarily_unavailable",
                "the service is busy, come back later",
            ),
            Self::Http(ApiError::TooMany(_)) => (
                "temporarily_unavailable",
                "too many requests, come back later",
            ),
            Self::Http(ApiError::Internal) => ("server_error", "something went wrong on our side"),
            Self::Http(_) => (
                "invalid_request",
                "the body is too large, broken, or took too long to arrive",
            ),
        };
        let mut response = HttpResponse::build(self.status_code());
        match self.status_code() {
            StatusCode::UNAUTHORIZED => {
                response.insert_header((
                    WWW_AUTHENTICATE,
                    format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""),
                ));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        if let Self::Http(ApiError::TooMany(wait)) = self {
            response.insert_header((RETRY_AFTER, error::seconds(*wait)));
        }
        response.json(json!({"error": code, "error_description": description}))
    }
}
