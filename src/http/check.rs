//! `POST /v1/password/check`

use actix_web::{HttpResponse, web};
use chrono::SecondsFormat;
use serde::Serialize;

use super::auth::{Caller, PasswordReset};
use super::body::Body;
use super::error::ApiError;
use super::fields::{Fields, FromFields};
use crate::app::App;
use crate::domain::{PlainToken, ResetToken};
use crate::texts::Language;

pub(super) struct CheckRequest {
    token: Option<PlainToken<ResetToken>>,
}

impl FromFields for CheckRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            token: fields.reset_token("token")?,
        })
    }
}

#[derive(Serialize)]
struct CheckResponse {
    status: &'static str,
    success: String,
    expires_at: String,
}

/// Tells whether a reset token is alive, and nothing about whose it is (bar F18).
pub(super) async fn check(
    caller: Caller<PasswordReset>,
    app: web::Data<App>,
    language: Language,
    Body(request): Body<CheckRequest>,
) -> Result<HttpResponse, ApiError> {
    let checked = app.flows.check(caller.actor(), request.token.as_ref());
    let expires_at = checked.await?.ok_or(ApiError::WrongToken)?;
    Ok(HttpResponse::Ok().json(CheckResponse {
        status: "token_valid",
        success: language.text("token-valid"),
        expires_at: expires_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }))
}
