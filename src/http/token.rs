//! `POST /oauth/token` (RFC 6749): a strict reader of requests, and the answers of section 5.

use std::collections::HashSet;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::body::{self, Format};
use super::error::{self, ApiError, REALM};
use super::fields;
use crate::app::App;
use crate::entropy;
use crate::oauth::TokenError;
use crate::oauth::token::{ClientCredentials, Terms, TokenRequest, issue};

/// Issues an application token.
pub(super) async fn token(
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, OauthError> {
    let malformed = |description| OauthError::from(TokenError::InvalidRequest(description));
    if Format::of(&request) != Ok(Format::Form) {
        return Err(malformed(
            "the content type must be application/x-www-form-urlencoded",
        ));
    }
    let bytes = body::read(&request, payload.into_inner()).await?;
    let request = parse(request.headers(), &bytes)?;
    let terms = Terms {
        now: app.flows.clock.now(),
        lifetime: app.token_lifetime,
        random: entropy::bytes(),
    };
    let issued = issue(&app.flows.storage, &app.known_clients, request, terms).await?;
    Ok(HttpResponse::Ok().json(TokenResponse {
        access_token: issued.token.expose(),
        token_type: "Bearer",
        expires_in: issued.lifetime.num_seconds(),
        scope: issued.scopes.to_string(),
    }))
}

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
}

/// Reads parameters and credentials. Every parameter at most once, an empty one as absent (section 3.2, bar O12); one way of
/// authenticating at most (section 2.3, bar O07); nothing from the query (bar O03).
fn parse(headers: &HeaderMap, body: &[u8]) -> Result<TokenRequest, OauthError> {
    let malformed = |description| OauthError::from(TokenError::InvalidRequest(description));
    let pairs = fields::form(body).map_err(|_| malformed("the body is not a well-formed form"))?;
    let mut seen = HashSet::new();
    if !pairs.iter().all(|(name, _)| seen.insert(name.as_str())) {
        return Err(malformed("a parameter is repeated"));
    }
    if pairs
        .iter()
        .any(|(name, value)| name.contains('\0') || value.contains('\0'))
    {
        return Err(malformed("a parameter holds a NUL character"));
    }
    let parameter = |name: &str| {
        pairs
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.clone())
    };

    let (body_id, body_secret) = (parameter("client_id"), parameter("client_secret"));
    let assertion = parameter("client_assertion").or_else(|| parameter("client_assertion_type"));
    let credentials = match authorization(headers)? {
        Authorization::Absent => match (body_id, body_secret) {
            (_, Some(_)) if assertion.is_some() => {
                return Err(malformed("the client authenticates in two ways"));
            }
            (Some(id), Some(secret)) => vec![ClientCredentials {
                id,
                secret: Zeroizing::new(secret),
            }],
            _ => Vec::new(),
        },
        Authorization::Present(readings) => {
            if body_secret.is_some() || assertion.is_some() {
                return Err(malformed("the client authenticates in two ways"));
            }
            if body_id.is_some_and(|id| {
                !readings.is_empty() && readings.iter().all(|reading| reading.id != id)
            }) {
                return Err(malformed(
                    "client_id differs from the one in the Authorization header",
                ));
            }
            readings
        }
    };
    Ok(TokenRequest {
        grant_type: parameter("grant_type"),
        scope: parameter("scope"),
        credentials,
    })
}

enum Authorization {
    /// No such field.
    Absent,
    /// The ways in which it can be read; none when it is not Basic, or broken.
    Present(Vec<ClientCredentials>),
}

/// Reads HTTP Basic (RFC 6749 section 2.3.1): both halves form-encoded. Many clients send them raw, so that is tried as well
/// when it makes a difference (bar O04).
fn authorization(headers: &HeaderMap) -> Result<Authorization, OauthError> {
    let mut fields = headers.get_all(AUTHORIZATION);
    let Some(field) = fields.next() else {
        return Ok(Authorization::Absent);
    };
    if fields.next().is_some() {
        return Err(TokenError::InvalidRequest("there are two Authorization headers").into());
    }
    let decoded = field.to_str().ok().and_then(|text| {
        let (scheme, value) = text.split_once(' ')?;
        let bytes = scheme
            .eq_ignore_ascii_case("basic")
            .then(|| STANDARD.decode(value.trim_matches(' ')).ok())??;
        String::from_utf8(bytes).ok().map(Zeroizing::new)
    });
    let mut readings = Vec::new();
    if let Some((id, secret)) = decoded.as_ref().and_then(|text| text.split_once(':')) {
        let mut add = |id: String, secret: String| {
            if !id.contains('\0') && !secret.contains('\0') {
                readings.push(ClientCredentials {
                    id,
                    secret: Zeroizing::new(secret),
                });
            }
        };
        let form_decoded = fields::form_decode(id).zip(fields::form_decode(secret));
        let raw_differs = form_decoded
            .as_ref()
            .is_none_or(|(i, s)| i != id || s != secret);
        if let Some((id, secret)) = form_decoded {
            add(id, secret);
        }
        if raw_differs {
            add(id.to_owned(), secret.to_owned());
        }
    }
    Ok(Authorization::Present(readings))
}

/// An error of the OAuth endpoints (RFC 6749 section 5.2). Descriptions are constants of printable ASCII and never echo the
/// input (bar O15).
#[derive(Debug, thiserror::Error)]
pub(super) enum OauthError {
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
