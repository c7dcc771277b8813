//! Unleash's reset of a forgotten password, below `/auth/reset`: ask for a mail, look at the link, judge a password, set it. English,
//! as that system is.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Voice;
use crate::app::App;
use crate::domain::{EmailAddress, PlainToken, Refusal, ResetToken, Scope};
use crate::entropy;
use crate::flows::remind::Reminded;
use crate::flows::reset::Reset;
use crate::http::auth::{Caller, PasswordRemind, PasswordReset};
use crate::http::body::JsonBody;
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields, NewPassword};
use crate::oauth::guard::Denied;

/// Where the link's token sets a password.
pub(in crate::http) const RESET: &str = "/auth/reset/password";
/// Where a link is looked at.
pub(in crate::http) const VALIDATE: &str = "/auth/reset/validate";
/// Where the mail is asked for.
pub(in crate::http) const REMIND: &str = "/auth/reset/password-email";
/// Where a password is judged.
pub(in crate::http) const JUDGE: &str = "/auth/reset/validate-password";

/// Whether a path is one of this contract, or would be.
pub(super) fn has(path: &str) -> bool {
    path.starts_with("/auth/reset/")
}

pub(in crate::http) struct ResetRequest {
    token: Option<PlainToken<ResetToken>>,
    password: NewPassword,
}

impl FromFields for ResetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            token: PlainToken::parse(fields.filled("token")?),
            password: fields.new_password_once("password")?,
        })
    }
}

/// Sets a new password by a reset token, which alone says whose it is.
pub(in crate::http) async fn reset(
    caller: Caller<PasswordReset>,
    app: web::Data<App>,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let reset = Reset {
        email: None,
        token: request.token,
        new: request.password,
    };
    app.flows
        .reset(caller.actor(), reset)
        .await
        .map_err(|error| ApiError::of_reset(error, min_length))?;
    Ok(HttpResponse::Ok().finish())
}

/// Tells whose a live reset token is. Never uses it up (bar F17).
pub(in crate::http) async fn validate(
    caller: Caller<PasswordReset>,
    app: web::Data<App>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = Fields::of_query(request.query_string())?;
    let text = query.filled("token")?;
    let token = PlainToken::parse(text);
    let user = app.flows.user_of_link(caller.actor(), token.as_ref());
    let user = user.await?.ok_or(ApiError::WrongToken)?;
    let mut body = Map::new();
    body.insert("token".to_owned(), json!(text));
    body.insert("email".to_owned(), json!(user.email.to_text()));
    body.insert("id".to_owned(), json!(user.id));
    if let Some(name) = user.profile.get("name").filter(|name| name.is_string()) {
        body.insert("name".to_owned(), name.clone());
    }
    Ok(HttpResponse::Ok().json(body))
}

pub(in crate::http) struct RemindRequest(EmailAddress);

impl FromFields for RemindRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        EmailAddress::parse(fields.filled("email")?)
            .map(Self)
            .map_err(|_| ApiError::field("email", Problem::Malformed))
    }
}

/// Asks for a reset mail.
pub(in crate::http) async fn remind(
    caller: Caller<PasswordRemind>,
    app: web::Data<App>,
    JsonBody(RemindRequest(email)): JsonBody<RemindRequest>,
) -> Result<HttpResponse, ApiError> {
    match app.flows.remind(caller.actor(), &email, None).await? {
        Reminded::Accepted => Ok(HttpResponse::Ok().finish()),
        Reminded::UnknownUser => Err(ApiError::UnknownUser),
        Reminded::TooMany(wait) => Err(ApiError::TooMany(wait)),
    }
}

pub(in crate::http) struct JudgeRequest(NewPassword);

impl FromFields for JudgeRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        fields.new_password_once("password").map(Self)
    }
}

/// Tells whether a password would be taken, as far as that depends on the password alone.
pub(in crate::http) async fn judge(
    _caller: Caller<PasswordReset>,
    app: web::Data<App>,
    JsonBody(JudgeRequest(new)): JsonBody<JudgeRequest>,
) -> Result<HttpResponse, ApiError> {
    let reasons = match new {
        Ok(chosen) => app.flows.judge(&chosen, None).await?,
        Err(refusal) => vec![refusal],
    };
    match reasons.is_empty() {
        true => Ok(HttpResponse::Ok().finish()),
        false => Err(ApiError::WrongPassword(
            reasons,
            app.flows.policy.min_length,
        )),
    }
}

/// An error as that system says it.
pub(super) fn render(error: &ApiError, voice: &Voice) -> HttpResponse {
    let code = match error {
        // The link's token is what authenticates there.
        ApiError::WrongToken => actix_web::http::StatusCode::UNAUTHORIZED,
        other => other.code(),
    };
    let own = || entropy::id(voice.now);
    let id = Uuid::try_parse(&voice.request_id).unwrap_or_else(|_| own());
    let (name, message, details) = words(error, voice);
    let mut body = json!({"id": id, "name": name, "message": message});
    if !details.is_null() {
        body["details"] = json!([details]);
    }
    error.respond(code).json(body)
}

const BAD_DATA: &str = "BadDataError";

/// Name, message and, for what is wrong with the data, the detail.
fn words(error: &ApiError, voice: &Voice) -> (&'static str, String, Value) {
    let (name, message) = match error {
        ApiError::InvalidField(field, problem) => {
            let detail = format!("The `{field}` property {}.", wrong(*problem));
            return bad_data(detail);
        }
        ApiError::Unreadable => {
            return bad_data("The request is not a JSON object that has each key once.".to_owned());
        }
        ApiError::Denied(Denied::InvalidRequest) => {
            return bad_data(
                "The request must have one authorization header with one token.".to_owned(),
            );
        }
        ApiError::WrongPassword(reasons, least) => {
            let told = |reason: &Refusal| refused(*reason, *least, voice.max_length);
            let errors: Vec<_> = reasons.iter().map(told).collect();
            let first = errors.first().cloned().unwrap_or_default();
            let detail = json!({"validationErrors": errors, "message": first});
            return (BAD_DATA, first, detail);
        }
        ApiError::UnsupportedMediaType => {
            let message = format!(
                "We do not accept the content-type you provided ({}). Try using one of the content-types we do accept instead \
                 (application/json) and make sure the body is in the corresponding format.",
                provided(voice)
            );
            return ("ContentTypeerror", message, Value::Null);
        }
        ApiError::Denied(Denied::InsufficientScope(scope)) => {
            let needed = Scope::name(*scope);
            let message = format!("You need the \"{needed}\" permission to perform this action.");
            return ("NoAccessError", message, Value::Null);
        }
        ApiError::Denied(Denied::NoCredentials) => (
            "AuthenticationRequired",
            "You must log in to use Unleash. Your request had no authorization header, so we could not authorize you. Try logging in at \
             /auth/simple/login.",
        ),
        ApiError::Denied(
            Denied::InvalidToken | Denied::Misused | Denied::InvalidProof | Denied::NonceNeeded,
        ) => (
            "AuthenticationRequired",
            "You must log in to use Unleash. The token in your authorization header is invalid, expired or revoked, so we could not \
             authorize you.",
        ),
        ApiError::WrongToken => ("InvalidTokenError", "Token was not valid"),
        ApiError::UnknownUser | ApiError::WrongUser => (
            "NotFoundError",
            "Could not find a user with this email address.",
        ),
        ApiError::NotFound => ("NotFoundError", "There is nothing at this path."),
        ApiError::MethodNotAllowed(_) => {
            ("NotImplementedError", "This method is not allowed here.")
        }
        ApiError::Timeout => (
            "RequestTimeoutError",
            "The request took too long to arrive.",
        ),
        ApiError::TooLarge => (
            "PayloadTooLargeError",
            "The request body is larger than 16 KiB.",
        ),
        ApiError::TooMany(_) => (
            "RateLimitError",
            "There were too many requests. Please try again later.",
        ),
        ApiError::Unavailable => (
            "UnavailableError",
            "The service is busy. Please try again later.",
        ),
        ApiError::Internal | ApiError::UserExists | ApiError::WrongCredentials => {
            ("InternalError", "Something went wrong on our side.")
        }
    };
    (name, message.to_owned(), Value::Null)
}

fn bad_data(detail: String) -> (&'static str, String, Value) {
    let message = "Request validation failed: your request does not conform to the schema. The `details` say what is wrong.";
    (BAD_DATA, message.to_owned(), json!({"message": detail}))
}

fn wrong(problem: Problem) -> &'static str {
    match problem {
        Problem::Missing => "is required, and the request does not have it",
        Problem::Repeated => "is there more than once",
        Problem::WrongType => "must be a string",
        Problem::Empty => "must not be empty",
        Problem::Malformed => "is not valid",
    }
}

fn refused(reason: Refusal, least: usize, most: usize) -> String {
    match reason {
        Refusal::TooShort => format!("The password must be at least {least} characters long."),
        Refusal::TooLong => format!("The password must be at most {most} characters long."),
        Refusal::Common => "The password is easy to guess.".to_owned(),
        Refusal::Breached => "The password is among those that others have lost.".to_owned(),
        Refusal::Context => {
            "The password must not contain the name of the account or the service.".to_owned()
        }
        Refusal::Mismatch => "The password differs from its confirmation.".to_owned(),
        Refusal::ForbiddenCharacter => {
            "The password must not contain the character U+0000.".to_owned()
        }
    }
}

/// The content type that was sent, as far as it may be repeated: short, and nothing but plain letters.
fn provided(voice: &Voice) -> String {
    let Some(sent) = &voice.content_type else {
        return "you didn't provide one".to_owned();
    };
    let plain = |text: &&str| text.len() <= 100 && text.bytes().all(|b| matches!(b, b' '..=b'~'));
    let text = sent.to_str().ok().filter(plain);
    let compressed = if voice.compressed { ", compressed" } else { "" };
    format!(
        "{}{compressed}",
        text.unwrap_or("one that is not shown here")
    )
}
