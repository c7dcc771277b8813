//! OCARIoT's `POST /v1/users/{user_id}/reset-password`: an administrator sets a password. English, as that system is.

use std::borrow::Cow;

use actix_web::{HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::domain::Refusal;
use crate::http::auth::{Caller, UsersResetPassword};
use crate::http::body::JsonBody;
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields, NewPassword};
use crate::oauth::guard::Denied;

/// Where it is.
pub(in crate::http) const PATH: &str = "/v1/users/{user_id}/reset-password";

/// Whether a path is one of this contract.
pub(super) fn has(path: &str) -> bool {
    path.strip_prefix("/v1/users/")
        .and_then(|rest| rest.strip_suffix("/reset-password"))
        .is_some_and(|id| !id.contains('/'))
}

pub(in crate::http) struct SetRequest(NewPassword);

impl FromFields for SetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        fields.filled("new_password")?;
        fields.new_password_once("new_password").map(Self)
    }
}

/// Sets any user's password.
pub(in crate::http) async fn set(
    caller: Caller<UsersResetPassword>,
    app: web::Data<App>,
    user_id: web::Path<String>,
    JsonBody(SetRequest(new)): JsonBody<SetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let id: Uuid = user_id
        .parse()
        .map_err(|_| ApiError::field("user_id", Problem::Malformed))?;
    app.flows
        .set_password(caller.actor(), Some(id), new)
        .await
        .map_err(|error| ApiError::of_admin_set(error, min_length))?;
    Ok(HttpResponse::NoContent().finish())
}

/// An error as that system says it.
pub(super) fn render(error: &ApiError) -> HttpResponse {
    let code = error.code();
    let (message, description) = words(error);
    let body = json!({"code": code.as_u16(), "message": message, "description": description});
    error.respond(code).json(body)
}

const INVALID: &str = "One or more request fields are invalid...";

fn words(error: &ApiError) -> (&'static str, Cow<'static, str>) {
    let (message, description) = match error {
        ApiError::InvalidField("user_id", _) => (
            "Parameter {user_id} is not in valid format!",
            "A UUID similar to this: 01932c07-209c-7401-a5ba-7ab1e8b4a8a0 is expected.",
        ),
        ApiError::InvalidField(field, Problem::Missing) => {
            let required = format!("{field} is required!");
            return ("Required fields were not provided...", required.into());
        }
        ApiError::InvalidField(field, problem) => {
            return (INVALID, format!("{field} {}", wrong(*problem)).into());
        }
        ApiError::WrongPassword(reasons, least) => {
            let told: Vec<_> = reasons
                .iter()
                .map(|reason| refused(*reason, *least))
                .collect();
            return (
                INVALID,
                format!("new_password {}", told.join(", and ")).into(),
            );
        }
        ApiError::Unreadable => (
            "Unable to process request body!",
            "Please verify that the JSON in the request body has a valid format, names each key once, and try again.",
        ),
        ApiError::Denied(Denied::NoCredentials) => (
            "UNAUTHORIZED",
            "Authentication failed for lack of authentication credentials.",
        ),
        ApiError::Denied(
            Denied::InvalidToken | Denied::Misused | Denied::InvalidProof | Denied::NonceNeeded,
        ) => (
            "UNAUTHORIZED",
            "Authentication failed because the access token is invalid, expired or revoked.",
        ),
        ApiError::Denied(Denied::InvalidRequest) => (
            "BAD REQUEST",
            "The authentication credentials cannot be read: one Authorization header with one token is expected.",
        ),
        ApiError::Denied(Denied::InsufficientScope(_)) => (
            "FORBIDDEN",
            "Authorization failed due to insufficient permissions.",
        ),
        ApiError::UnknownUser | ApiError::WrongUser => (
            "User not found!",
            "User not found or already removed. A new operation for the same resource is not required.",
        ),
        ApiError::NotFound => ("Endpoint not found!", "There is nothing at this path."),
        ApiError::MethodNotAllowed(_) => (
            "METHOD NOT ALLOWED",
            "The methods that are allowed here are in the Allow header.",
        ),
        ApiError::Timeout => ("REQUEST TIMEOUT", "The request took too long to arrive."),
        ApiError::TooLarge => ("PAYLOAD TOO LARGE", "The body is larger than 16 KiB."),
        ApiError::UnsupportedMediaType => (
            "UNSUPPORTED MEDIA TYPE",
            "The server does not support the requested payload format. Only application/json is accepted.",
        ),
        ApiError::TooMany(_) => (
            "TOO MANY REQUESTS",
            "The rate limit for requests is exceeded. Please try again after the time in Retry-After.",
        ),
        ApiError::Unavailable => (
            "SERVICE UNAVAILABLE",
            "The server is busy. Please try again later.",
        ),
        ApiError::Internal
        | ApiError::UserExists
        | ApiError::WrongCredentials
        | ApiError::WrongToken => (
            "An internal server error has occurred.",
            "An unexpected error has occurred. Please try again later...",
        ),
    };
    (message, description.into())
}

fn wrong(problem: Problem) -> &'static str {
    match problem {
        Problem::Missing => "is required!",
        Problem::Repeated => "must be there once!",
        Problem::WrongType => "must be a string!",
        Problem::Empty => "must have at least one character!",
        Problem::Malformed => "must not have the character U+0000!",
    }
}

fn refused(reason: Refusal, least: usize) -> Cow<'static, str> {
    match reason {
        Refusal::TooShort => format!("must have at least {least} characters!").into(),
        Refusal::TooLong => "has too many characters!".into(),
        Refusal::Common => "is easy to guess!".into(),
        Refusal::Breached => "has been found among the passwords that others have lost!".into(),
        Refusal::Context => "must not have the name of the account or the service!".into(),
        Refusal::Mismatch => "must be the same as its confirmation!".into(),
        Refusal::ForbiddenCharacter => wrong(Problem::Malformed).into(),
    }
}
