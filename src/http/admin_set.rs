//! `PUT /v1/users/{id}/password`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, UsersResetPassword};
use super::body::Body;
use super::error::ApiError;
use super::fields::{Fields, FromFields, NewPassword};
use crate::app::App;
use crate::texts::Language;

pub(super) struct AdminSetRequest(NewPassword);

impl FromFields for AdminSetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        fields
            .new_password("password", "password_confirmation")
            .map(Self)
    }
}

/// Sets any user's password.
pub(super) async fn set(
    caller: Caller<UsersResetPassword>,
    app: web::Data<App>,
    id: web::Path<String>,
    language: Language,
    Body(AdminSetRequest(new)): Body<AdminSetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    app.flows
        .set_password(caller.actor(), id.parse().ok(), new)
        .await
        .map_err(|error| ApiError::of_admin_set(error, min_length))?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "password_updated",
        "success": language.text("password-updated"),
    })))
}
