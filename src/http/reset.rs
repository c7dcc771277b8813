//! `POST /v1/password/reset`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, PasswordReset};
use super::body::Body;
use super::error::ApiError;
use super::fields::{Fields, FromFields, NewPassword};
use crate::app::App;
use crate::domain::{EmailAddress, PlainToken, ResetToken};
use crate::flows::reset::Reset;
use crate::texts::Language;

pub(super) struct ResetRequest {
    email: EmailAddress,
    token: Option<PlainToken<ResetToken>>,
    password: NewPassword,
}

impl FromFields for ResetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        // What is missing or of the wrong type is told before what is malformed.
        let token = fields.reset_token("token")?;
        let password = fields.new_password("password", "password_confirmation")?;
        Ok(Self {
            email: fields.email("email")?,
            token,
            password,
        })
    }
}

/// Sets a new password by a reset token.
pub(super) async fn reset(
    caller: Caller<PasswordReset>,
    app: web::Data<App>,
    language: Language,
    Body(request): Body<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let reset = Reset {
        email: Some(request.email),
        token: request.token,
        new: request.password,
    };
    app.flows
        .reset(caller.actor(), reset)
        .await
        .map_err(|error| ApiError::of_reset(error, min_length))?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "password_reset",
        "success": language.text("password-reset"),
    })))
}
