//! Interslice's `/api/v1/users/password` (Rails with Devise): `POST` asks for the mail, `PUT` sets the password and signs the user in.
//! English, as that system is.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::on_behalf::OnBehalf;
use super::{JSON_UTF8, Voice};
use crate::app::App;
use crate::domain::{EmailAddress, PlainToken, Refusal, ResetToken, User};
use crate::flows::remind::Reminded;
use crate::flows::reset::Reset;
use crate::http::auth::{PasswordRemind, PasswordReset};
use crate::http::body::{self, Format};
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields, NewPassword};
use crate::oauth::guard::Denied;

/// Where it is.
pub(in crate::http) const PATH: &str = "/api/v1/users/password";

const FORMATS: [Format; 2] = [Format::Json, Format::Form];
const RUNTIME: HeaderName = HeaderName::from_static("x-runtime");

struct ResetRequest {
    token: Option<PlainToken<ResetToken>>,
    password: NewPassword,
}

impl FromFields for ResetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let user = fields.inside("user")?;
        let token = PlainToken::parse(user.filled("reset_password_token")?);
        for name in ["password", "password_confirmation"] {
            user.filled(name)?;
        }
        let password = user.new_password("password", "password_confirmation")?;
        Ok(Self { token, password })
    }
}

/// Sets a new password by a reset token, and signs the user in: the answer's `Authorization` carries the user's token.
pub(in crate::http) async fn reset(
    caller: OnBehalf<PasswordReset>,
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let wanted: ResetRequest = body::take(&request, payload.into_inner(), &FORMATS).await?;
    let min_length = app.flows.policy.min_length;
    let reset = Reset {
        email: None,
        token: wanted.token,
        new: wanted.password,
    };
    let scheme = match caller.actor.jkt {
        Some(_) => "DPoP",
        None => "Bearer",
    };
    let (user, session) = app
        .flows
        .reset_and_sign_in(caller.actor, reset)
        .await
        .map_err(|error| ApiError::of_reset(error, min_length))?;
    let body = user_body(user);
    let mut bearer = HeaderValue::try_from(format!("{scheme} {}", session.token.expose()))
        .map_err(|_| ApiError::Internal)?;
    bearer.set_sensitive(true);
    Ok(HttpResponse::Ok()
        .content_type(JSON_UTF8)
        .insert_header((AUTHORIZATION, bearer))
        .insert_header((CACHE_CONTROL, "max-age=0, private, must-revalidate"))
        .insert_header((ETAG, etag(&body)))
        .body(body))
}

/// The user with what the apps keep of him or her. What is ours wins over a key of the same name.
fn user_body(user: User) -> String {
    let mut shown = Map::new();
    shown.insert("id".to_owned(), json!(user.id));
    shown.insert("email".to_owned(), json!(user.email.to_text()));
    for (name, value) in user.profile {
        shown.entry(name).or_insert(value);
    }
    json!({"user": shown}).to_string()
}

/// The validator that Rails would make: the first half of the digest.
fn etag(body: &str) -> String {
    let digest = Sha256::digest(body);
    let half = digest.iter().take(16);
    let digits: String = half.map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

struct RemindRequest(EmailAddress);

impl FromFields for RemindRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let user = fields.inside("user")?;
        let email = EmailAddress::parse(user.filled("email")?);
        email
            .map(Self)
            .map_err(|_| ApiError::field("email", Problem::Malformed))
    }
}

/// Asks for a reset mail. The answer is that of Devise in its paranoid mode: the same for everybody.
pub(in crate::http) async fn remind(
    caller: OnBehalf<PasswordRemind>,
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let RemindRequest(email) = body::take(&request, payload.into_inner(), &FORMATS).await?;
    match app.flows.remind(caller.actor, &email, None).await? {
        Reminded::Accepted => Ok(HttpResponse::Created().content_type(JSON_UTF8).body("{}")),
        Reminded::UnknownUser => Err(ApiError::UnknownUser),
        Reminded::TooMany(wait) => Err(ApiError::TooMany(wait)),
    }
}

/// An error as that system says it: what is wrong with a field as Devise does, the rest as Rails does.
pub(super) fn render(error: &ApiError, voice: &Voice) -> HttpResponse {
    let (code, body) = match errors(error, voice) {
        Some(errors) => (StatusCode::UNPROCESSABLE_ENTITY, json!({"errors": errors})),
        None => (error.code(), plain(error)),
    };
    let mut head = error.respond(code);
    head.content_type(JSON_UTF8).body(body.to_string())
}

/// The texts for each field.
fn errors(error: &ApiError, voice: &Voice) -> Option<Value> {
    let invalid = || "is invalid".to_owned();
    match error {
        ApiError::InvalidField(field, Problem::Missing | Problem::Empty) => {
            Some(json!({*field: ["can't be blank"]}))
        }
        ApiError::InvalidField(field, _) => Some(json!({*field: [invalid()]})),
        ApiError::WrongToken => Some(json!({"reset_password_token": [invalid()]})),
        ApiError::UnknownUser | ApiError::WrongUser => Some(json!({"email": ["not found"]})),
        ApiError::WrongPassword(reasons, least) => {
            let mut errors = Map::new();
            for reason in reasons {
                let (field, text) = match reason {
                    Refusal::Mismatch => {
                        ("password_confirmation", "doesn't match Password".to_owned())
                    }
                    Refusal::TooShort => (
                        "password",
                        format!("is too short (minimum is {least} characters)"),
                    ),
                    Refusal::TooLong => {
                        let most = voice.max_length;
                        (
                            "password",
                            format!("is too long (maximum is {most} characters)"),
                        )
                    }
                    Refusal::Common => ("password", "is easy to guess".to_owned()),
                    Refusal::Breached => (
                        "password",
                        "is among those that others have lost".to_owned(),
                    ),
                    Refusal::Context => (
                        "password",
                        "contains the name of the account or the service".to_owned(),
                    ),
                    Refusal::ForbiddenCharacter => ("password", invalid()),
                };
                let texts = errors.entry(field).or_insert_with(|| json!([]));
                if let Value::Array(texts) = texts {
                    texts.push(json!(text));
                }
            }
            Some(Value::Object(errors))
        }
        _ => None,
    }
}

fn plain(error: &ApiError) -> Value {
    match error {
        ApiError::Denied(Denied::NoCredentials) => {
            json!({"error": "You need to sign in or sign up before continuing."})
        }
        ApiError::Denied(
            Denied::InvalidToken | Denied::Misused | Denied::InvalidProof | Denied::NonceNeeded,
        ) => {
            json!({"error": "Invalid authentication token."})
        }
        other => {
            let code = other.code();
            json!({"status": code.as_u16(), "error": code.canonical_reason()})
        }
    }
}

/// The headers of the document that every answer has. Rails counts the seconds of its own work, as we do.
pub(super) fn dress(headers: &mut HeaderMap, elapsed: Duration) {
    let policy = HeaderValue::from_static("strict-origin-when-cross-origin");
    headers.insert(REFERRER_POLICY, policy);
    if let Ok(seconds) = HeaderValue::try_from(format!("{:.6}", elapsed.as_secs_f64())) {
        headers.insert(RUNTIME, seconds);
    }
    // With origins configured, actix-cors names more.
    let others = headers.get(VARY).and_then(|value| value.to_str().ok());
    let vary = format!("Accept, {}", others.unwrap_or("Origin"));
    if let Ok(vary) = HeaderValue::try_from(vary) {
        headers.insert(VARY, vary);
    }
}

#[cfg(test)]
mod tests {
    /// The document shows a body's length and validator, and the body: all three belong together.
    #[test]
    fn the_validator_is_that_of_the_document() {
        let body = r#"{"user":{"id":1872,"email":"lemuel.bednar+driver@example.com","first_name":"Lemuel","last_name":"Bednar","phone_number":null,"profile_id":null,"referral_code":"456119","role":"driver"}}"#;
        let told = (body.len(), super::etag(body));
        assert_eq!(
            told,
            (185, "W/\"0e1c3d6cb89d2574ea3bee794e647cc4\"".to_owned())
        );
    }
}
