//! SWIFT's `PUT /api/v1/users/reset-password`: a signed-in user who knows the old password sets a new one. In French, unless the
//! caller would rather read English; with the headers of that system (Express) on every answer.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;
use sha1::{Digest, Sha1};

use super::{JSON_UTF8, Voice, is_persistent};
use crate::app::App;
use crate::domain::{Password, Refusal};
use crate::flows::change::Whose;
use crate::http::auth::SignedIn;
use crate::http::body::JsonBody;
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields, NewPassword};
use crate::http::{language, limits};
use crate::oauth::guard::Denied;
use crate::texts::Language;

/// Where it is.
pub(in crate::http) const PATH: &str = "/api/v1/users/reset-password";

/// How long an idle connection is kept: what the document promises, and the server keeps.
pub(in crate::http) const KEEP_ALIVE: Duration = Duration::from_secs(5);

const POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

pub(in crate::http) struct ChangeRequest {
    old: Password,
    new: NewPassword,
}

impl FromFields for ChangeRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        const OLD: &str = "oldPassword";
        let old = Password::parse(fields.filled(OLD)?);
        for name in ["newPassword", "confirmPassword"] {
            fields.filled(name)?;
        }
        Ok(Self {
            old: old.map_err(|_| ApiError::field(OLD, Problem::Malformed))?,
            new: fields.new_password("newPassword", "confirmPassword")?,
        })
    }
}

/// Sets a new password for the user whom the token speaks for.
pub(in crate::http) async fn change(
    user: SignedIn,
    app: web::Data<App>,
    request: HttpRequest,
    JsonBody(wanted): JsonBody<ChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    app.flows
        .change_password(
            user.actor,
            Whose::Subject(user.user_id),
            wanted.old,
            wanted.new,
        )
        .await
        .map_err(|error| ApiError::of_change(error, min_length))?;
    let header = request.headers().get(ACCEPT_LANGUAGE);
    let text = language::preferred(header, french()).text("swift-password-changed");
    let (code, response_code) = (StatusCode::OK, "PASSWORD_CHANGED_SUCCESS_MESSAGE");
    let mut head = HttpResponse::build(code);
    if is_persistent(request.head()) {
        head.insert_header(kept_alive());
    }
    Ok(say(head, code, &text, response_code))
}

fn french() -> Language {
    Language::named("fr").unwrap_or_default()
}

/// An error as that system says it.
pub(super) fn render(error: &ApiError, voice: &Voice) -> HttpResponse {
    let code = match error {
        // As the document has it.
        ApiError::WrongCredentials => StatusCode::UNAUTHORIZED,
        other => other.code(),
    };
    let (text, response_code) = words(error, voice.language(french()));
    let mut head = error.respond(code);
    if voice.persistent && is_told_after_the_body(error) {
        head.insert_header(kept_alive());
    }
    say(head, code, &text, response_code)
}

/// Whether the body was read when this error was found. Where it may be still on its way, the connection is closed.
fn is_told_after_the_body(error: &ApiError) -> bool {
    matches!(
        error,
        ApiError::InvalidField(..) | ApiError::WrongPassword(..) | ApiError::WrongCredentials
    )
}

fn kept_alive() -> (HeaderName, String) {
    (
        HeaderName::from_static("keep-alive"),
        format!("timeout={}", KEEP_ALIVE.as_secs()),
    )
}

fn say(
    mut head: HttpResponseBuilder,
    code: StatusCode,
    text: &str,
    response_code: &str,
) -> HttpResponse {
    let message = json!({"RESPONSE_TEXT": text, "RESPONSE_CODE": response_code});
    let body = json!({"code": code.as_u16(), "message": message}).to_string();
    head.content_type(JSON_UTF8)
        .insert_header((ETAG, etag(&body)))
        .body(body)
}

/// The validator that Express would make: the length, and 27 characters of the digest.
fn etag(body: &str) -> String {
    let digest = STANDARD_NO_PAD.encode(Sha1::digest(body));
    format!("W/\"{:x}-{digest}\"", body.len())
}

fn words(error: &ApiError, language: Language) -> (String, &'static str) {
    let code = match error {
        ApiError::WrongCredentials => {
            let text = language.text("swift-wrong-credentials");
            return (text, "BAD_AUTH_COMBINATION_MESSAGE");
        }
        ApiError::InvalidField(field, problem) => {
            let (key, code) = match problem {
                Problem::Missing | Problem::Empty => {
                    ("swift-missing-field", "MISSING_FIELD_MESSAGE")
                }
                _ => ("swift-invalid-field", "INVALID_FIELD_MESSAGE"),
            };
            return (language.text_with(key, &[("field", field)]), code);
        }
        ApiError::WrongPassword(reasons, least) => return refused(reasons, *least, language),
        ApiError::UnsupportedMediaType => {
            let text = language.text("swift-json-only");
            return (text, "UNSUPPORTED_CONTENT_TYPE_MESSAGE");
        }
        ApiError::Denied(Denied::NoCredentials) => "MISSING_TOKEN_MESSAGE",
        ApiError::Denied(
            Denied::InvalidToken | Denied::Misused | Denied::InvalidProof | Denied::NonceNeeded,
        ) => "INVALID_TOKEN_MESSAGE",
        ApiError::Denied(Denied::InsufficientScope(_)) => "FORBIDDEN_MESSAGE",
        ApiError::Denied(Denied::InvalidRequest) | ApiError::Unreadable => {
            "INVALID_REQUEST_MESSAGE"
        }
        ApiError::UnknownUser | ApiError::WrongUser => "USER_NOT_FOUND_MESSAGE",
        ApiError::NotFound => "NOT_FOUND_MESSAGE",
        ApiError::MethodNotAllowed(_) => "METHOD_NOT_ALLOWED_MESSAGE",
        ApiError::Timeout => "REQUEST_TIMEOUT_MESSAGE",
        ApiError::TooLarge => "PAYLOAD_TOO_LARGE_MESSAGE",
        ApiError::TooMany(_) => "TOO_MANY_REQUESTS_MESSAGE",
        ApiError::Unavailable => "SERVICE_UNAVAILABLE_MESSAGE",
        ApiError::Internal | ApiError::UserExists | ApiError::WrongToken => {
            "INTERNAL_SERVER_ERROR_MESSAGE"
        }
    };
    (language.text(error.words().1), code)
}

fn refused(reasons: &[Refusal], least: usize, language: Language) -> (String, &'static str) {
    match reasons {
        [Refusal::Mismatch] => {
            let text = language.text("swift-mismatch");
            (text, "PASSWORDS_DO_NOT_MATCH_MESSAGE")
        }
        [Refusal::TooShort, ..] => {
            let text = language.text_with("swift-too-short", &[("least", &least.to_string())]);
            (text, "WEAK_PASSWORD_MESSAGE")
        }
        _ => (
            language.text("swift-weak-password"),
            "WEAK_PASSWORD_MESSAGE",
        ),
    }
}

/// The headers of the document that every answer has. `Retry-After` as a fraction is no HTTP (RFC 9110 section 10.2.3), so where it
/// is not only for show, on 429 and 503, it stays a whole number.
pub(super) fn dress(headers: &mut HeaderMap, voice: &Voice, refilled: Option<TimeDelta>) {
    headers.insert(POWERED_BY, HeaderValue::from_static("Unforget"));
    if let Some(wait) = refilled {
        let at = voice.now + wait + TimeDelta::milliseconds(999);
        let date = at.format("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)");
        if let Ok(date) = HeaderValue::try_from(date.to_string()) {
            headers.insert(limits::RESET, date);
        }
        if !headers.contains_key(RETRY_AFTER) {
            // As JavaScript writes a number: no zeros at the end.
            let seconds = (wait.num_milliseconds() as f64 / 1000.0).to_string();
            if let Ok(seconds) = HeaderValue::try_from(seconds) {
                headers.insert(RETRY_AFTER, seconds);
            }
        }
    }
}
