//! OCARIoT's `POST /v1/users/{user_id}/reset-password`: an administrator sets a password. English, as that system is.

use actix_web::{HttpResponse, web};
use serde_json::json;
use uuid::Uuid;

use crate::app::App;
use crate::http::auth::{Caller, UsersResetPassword};
use crate::http::body::Body;
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields, NewPassword};

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
        const FIELD: &str = "new_password";
        if fields.optional_text(FIELD)? == Some("") {
            return Err(ApiError::field(FIELD, Problem::Empty));
        }
        fields.new_password(FIELD, "").map(Self)
    }
}

/// Sets any user's password.
pub(in crate::http) async fn set(
    caller: Caller<UsersResetPassword>,
    app: web::Data<App>,
    user_id: web::Path<String>,
    Body(SetRequest(new)): Body<SetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let id: Uuid = user_id
        .parse()
        .map_err(|_| ApiError::field("user_id", Problem::Malformed))?;
    let new = new.map_err(|refusal| ApiError::WrongPassword(vec![refusal], min_length))?;
    app.flows
        .set_password(caller.actor(), id, new)
        .await
        .map_err(|error| ApiError::of_admin_set(error, min_length))?;
    Ok(HttpResponse::NoContent().finish())
}

/// An error as that system says it.
pub(in crate::http) fn render(error: &ApiError) -> HttpResponse {
    let code = error.code();
    let (message, description) = match error {
        ApiError::InvalidField(field, Problem::Missing) => (
            "Required fields were not provided...",
            format!("{field} is required!"),
        ),
        ApiError::InvalidField(field, Problem::Empty) => (
            "One or more request fields are invalid...",
            format!("{field} must have at least one character!"),
        ),
        _ => ("", String::new()),
    };
    let body = json!({"code": code.as_u16(), "message": message, "description": description});
    error.respond(code).json(body)
}
