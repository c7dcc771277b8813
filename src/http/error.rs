//! Every error of the API, with its status and body. `refusals` says which one a flow's refusal becomes.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use crate::domain::jwk::SigningAlgorithm;
use crate::domain::{Refusal, Scope};
use crate::oauth::guard::Denied;
use crate::texts::Language;

/// What the service calls itself in challenges (RFC 7235 section 2.2).
pub(super) const REALM: &str = "unforget";

/// An error answer. The text goes by the caller's language; `status` never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// 400: not parseable.
    Unreadable,
    /// 400: a field that cannot be used.
    InvalidField(&'static str, Problem),
    /// 400: there is no such account (for those who may know), or the address is malformed.
    WrongUser,
    /// 400: not this account's password, or no such account.
    WrongCredentials,
    /// 404: there is no user with this id, or address.
    UnknownUser,
    /// 409: the address is taken.
    UserExists,
    /// 400: the reset token cannot be used.
    WrongToken,
    /// 400: the new password is refused, with what the caller needs to explain it.
    WrongPassword(Vec<Refusal>, usize),
    /// 401, 403 or 400 with a challenge (RFC 6750 section 3).
    Denied(Denied),
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed(&'static [&'static str]),
    /// 408: the body did not arrive in time.
    Timeout,
    /// 413
    TooLarge,
    /// 415
    UnsupportedMediaType,
    /// 429, and when to come back.
    TooMany(TimeDelta),
    /// 503: busy, or a part of us is away. Nothing was lost.
    Unavailable,
    /// 500: a defect. It was logged where it was noticed.
    Internal,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not there.
    Missing,
    /// It is there more than once.
    Repeated,
    /// It is not a text, or whatever it should be.
    WrongType,
    /// It is an empty text.
    Empty,
    /// It is not what it should say.
    Malformed,
}

impl ApiError {
    /// A field that cannot be used.
    pub(super) fn field(name: &'static str, problem: Problem) -> Self {
        Self::InvalidField(name, problem)
    }

    /// The status of our own contract, and of most others.
    pub(super) fn code(&self) -> StatusCode {
        match self {
            Self::Unreadable
            | Self::InvalidField(..)
            | Self::WrongUser
            | Self::WrongCredentials
            | Self::WrongToken
            | Self::WrongPassword(..) => StatusCode::BAD_REQUEST,
            Self::Denied(Denied::InvalidRequest) => StatusCode::BAD_REQUEST,
            Self::Denied(Denied::InsufficientScope(_)) => StatusCode::FORBIDDEN,
            Self::Denied(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound | Self::UnknownUser => StatusCode::NOT_FOUND,
            Self::UserExists => StatusCode::CONFLICT,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `status` word and the key of the text.
    pub(super) fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidField(..) => ("invalid_request", "invalid-field"),
            Self::Unreadable | Self::Denied(Denied::InvalidRequest) => {
                ("invalid_request", "invalid-request")
            }
            Self::WrongCredentials => ("wrong_credentials", "wrong-credentials"),
            Self::UnknownUser => ("wrong_user", "unknown-user"),
            Self::UserExists => ("user_exists", "user-exists"),
            Self::WrongUser => ("wrong_user", "wrong-user"),
            Self::WrongToken => ("wrong_token", "wrong-token"),
            Self::WrongPassword(..) => ("wrong_password", "wrong-password"),
            Self::Denied(Denied::NoCredentials) => ("unauthorized", "unauthorized"),
            Self::Denied(Denied::InvalidToken | Denied::Misused) => {
                ("invalid_token", "invalid-token")
            }
            Self::Denied(Denied::InvalidProof) => ("invalid_dpop_proof", "invalid-dpop-proof"),
            Self::Denied(Denied::NonceNeeded) => ("use_dpop_nonce", "use-dpop-nonce"),
            Self::Denied(Denied::InsufficientScope(_)) => {
                ("insufficient_scope", "insufficient-scope")
            }
            Self::NotFound => ("not_found", "not-found"),
            Self::MethodNotAllowed(_) => ("method_not_allowed", "method-not-allowed"),
            Self::Timeout => ("request_timeout", "request-timeout"),
            Self::TooLarge => ("payload_too_large", "payload-too-large"),
            Self::UnsupportedMediaType => ("unsupported_media_type", "unsupported-media-type"),
            Self::TooMany(_) => ("too_many_requests", "too-many-requests"),
            Self::Unavailable => ("unavailable", "unavailable"),
            Self::Internal => ("internal", "internal"),
        }
    }

    /// The answer in a language.
    pub(super) fn render(&self, language: Language, request_id: Option<&str>) -> HttpResponse {
        let (status, text) = self.words();
        let mut body = Map::new();
        body.insert("status".to_owned(), json!(status));
        body.insert("error".to_owned(), json!(language.text(text)));
        match self {
            Self::InvalidField(field, _) => {
                body.insert("field".to_owned(), json!(field));
            }
            Self::WrongPassword(reasons, min_length) => {
                let reasons: Vec<_> = reasons.iter().map(|reason| reason.name()).collect();
                body.insert("reasons".to_owned(), json!(reasons));
                body.insert("min_length".to_owned(), json!(min_length));
            }
            _ => {}
        }
        if let Some(id) = request_id {
            body.insert("request_id".to_owned(), json!(id));
        }
        let mut response = self.respond(self.code()).json(Value::Object(body));
        // The edge may write it again, in the caller's language and words.
        response.extensions_mut().insert(self.clone());
        response
    }

    /// An answer without a body, with what its status calls for in the head, whatever the words of the body.
    pub(super) fn respond(&self, code: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(code);
        match self {
            Self::Denied(denied) => {
                for challenge in challenges(*denied) {
                    response.append_header((WWW_AUTHENTICATE, challenge));
                }
            }
            Self::MethodNotAllowed(methods) => {
                response.insert_header((ALLOW, methods.join(", ")));
            }
            Self::TooMany(wait) => {
                response.insert_header((RETRY_AFTER, seconds(*wait)));
            }
            Self::Unavailable => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        response
    }
}

/// Whole seconds, rounded up: coming back at that moment must succeed.
pub(super) fn seconds(wait: TimeDelta) -> String {
    let whole = (wait + TimeDelta::milliseconds(999)).num_seconds();
    whole.max(1).to_string()
}

/// Each in a field of its own: what may be shown here, and what was wrong with what was shown (RFC 6750 section 3, RFC 9449
/// section 7.1).
fn challenges(denied: Denied) -> Vec<String> {
    let error = match denied {
        Denied::NoCredentials => String::new(),
        Denied::InvalidRequest => ", error=\"invalid_request\"".to_owned(),
        Denied::InvalidToken | Denied::Misused => ", error=\"invalid_token\"".to_owned(),
        Denied::InvalidProof => ", error=\"invalid_dpop_proof\"".to_owned(),
        Denied::NonceNeeded => ", error=\"use_dpop_nonce\"".to_owned(),
        Denied::InsufficientScope(scope) => {
            let scope = Scope::name(scope);
            format!(", error=\"insufficient_scope\", scope=\"{scope}\"")
        }
    };
    let algorithms = SigningAlgorithm::NAMES.join(" ");
    let bearer = format!("Bearer realm=\"{REALM}\"{error}");
    let dpop = format!("DPoP realm=\"{REALM}\"{error}, algs=\"{algorithms}\"");
    match denied {
        Denied::Misused | Denied::InvalidProof | Denied::NonceNeeded => vec![dpop],
        _ => vec![bearer, dpop],
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words().0)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        self.render(Language::default(), None)
    }
}

/// The answer for paths that do not exist.
pub(super) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

/// The answer for methods that a path does not have.
pub(super) fn method_not_allowed(
    methods: &'static [&'static str],
) -> Result<HttpResponse, ApiError> {
    Err(ApiError::MethodNotAllowed(methods))
}

/// The answer for OPTIONS: what the path does have.
pub(super) fn options(methods: &'static [&'static str]) -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response.headers_mut().remove(CONTENT_TYPE);
    response
}
