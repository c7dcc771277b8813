//! `POST /reset/check` and `POST /reset`: what the page sends. The live token in the body is the authority; there is no other.

use actix_web::{HttpResponse, web};
use chrono::SecondsFormat;
use serde_json::json;

use crate::app::App;
use crate::domain::audit::Origin;
use crate::domain::{PlainToken, ResetToken};
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, FromFields, NewPassword};
use crate::texts::Language;

pub(in crate::http) struct CheckRequest {
    token: Option<PlainToken<ResetToken>>,
}

impl FromFields for CheckRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            token: fields.reset_token("token")?,
        })
    }
}

pub(in crate::http) struct ResetRequest {
    token: Option<PlainToken<ResetToken>>,
    password: NewPassword,
}

impl FromFields for ResetRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            token: fields.reset_token("token")?,
            password: fields.new_password("password", "password_confirmation")?,
        })
    }
}

/// Tells whether a link is alive, in the words of `/v1/password/check` (bar F18).
pub(in crate::http) async fn check(
    app: web::Data<App>,
    language: Language,
    origin: Origin,
    Body(request): Body<CheckRequest>,
) -> Result<HttpResponse, ApiError> {
    let checked = app.flows.page_check(request.token.as_ref(), origin);
    let expires_at = checked.await?.ok_or(ApiError::WrongToken)?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "token_valid",
        "success": language.text("token-valid"),
        "expires_at": expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    })))
}

/// Sets a new password, in the words of `/v1/password/reset`.
pub(in crate::http) async fn reset(
    app: web::Data<App>,
    language: Language,
    origin: Origin,
    Body(request): Body<ResetRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    app.flows
        .page_reset(request.token, request.password, origin)
        .await
        .map_err(|error| ApiError::of_reset(error, min_length))?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "password_reset",
        "success": language.text("password-reset"),
    })))
}
