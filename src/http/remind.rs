//! `POST /v1/password/remind`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, PasswordRemind};
use super::body::Body;
use super::error::ApiError;
use super::fields::{Fields, FromFields};
use crate::app::App;
use crate::domain::{EmailAddress, Locale};
use crate::flows::remind::Reminded;
use crate::texts::Language;

pub(super) struct RemindRequest {
    email: EmailAddress,
    locale: Option<Locale>,
}

impl FromFields for RemindRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            locale: fields.locale("locale")?,
            email: fields.email("email")?,
        })
    }
}

/// Asks for a reset mail.
pub(super) async fn remind(
    caller: Caller<PasswordRemind>,
    app: web::Data<App>,
    language: Language,
    Body(request): Body<RemindRequest>,
) -> Result<HttpResponse, ApiError> {
    match app
        .flows
        .remind(caller.actor(), &request.email, request.locale)
        .await?
    {
        Reminded::Accepted => Ok(HttpResponse::Ok().json(json!({
            "status": "reminder_sent",
            "success": language.text("reminder-sent"),
        }))),
        Reminded::UnknownUser => Err(ApiError::WrongUser),
        Reminded::TooMany(wait) => Err(ApiError::TooMany(wait)),
    }
}
