//! `POST /forgot`: a visitor asks for a mail, on behalf of the client that the configuration names.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::app::App;
use crate::domain::EmailAddress;
use crate::domain::audit::Origin;
use crate::flows::remind::Reminded;
use crate::http::body::Body;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, FromFields};
use crate::http::language::Stated;
use crate::texts::Language;

pub(in crate::http) struct ForgotRequest {
    email: EmailAddress,
}

impl FromFields for ForgotRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        Ok(Self {
            email: fields.email("email")?,
        })
    }
}

/// Answers the same whoever has the address, or nobody (bar F01).
pub(in crate::http) async fn forgot(
    app: web::Data<App>,
    language: Language,
    origin: Origin,
    Stated(locale): Stated,
    Body(request): Body<ForgotRequest>,
) -> Result<HttpResponse, ApiError> {
    let client = app.page_client.as_ref().ok_or(ApiError::NotFound)?;
    let asked = app
        .flows
        .page_remind(client, &request.email, locale, origin);
    match asked.await? {
        // A visitor is never a disclosing client.
        Reminded::Accepted | Reminded::UnknownUser => Ok(HttpResponse::Ok().json(json!({
            "status": "reminder_sent",
            "success": language.text("reminder-sent"),
        }))),
        Reminded::TooMany(wait) => Err(ApiError::TooMany(wait)),
    }
}
