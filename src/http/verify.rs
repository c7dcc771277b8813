//! `POST /v1/password/verify`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, PasswordVerify};
use super::body::Body;
use super::error::ApiError;
use super::fields::{Fields, FromFields};
use super::users;
use crate::app::App;
use crate::domain::{EmailAddress, Password};
use crate::texts::Language;

/// Who somebody claims to be, and the proof.
pub(super) struct Credentials {
    email: Option<EmailAddress>,
    password: Option<Password>,
}

impl FromFields for Credentials {
    /// An address or a password that nobody can have is as wrong as any other.
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let password = fields.password("password")?;
        let email = EmailAddress::parse(fields.text("email")?).ok();
        Ok(Self { email, password })
    }
}

impl Credentials {
    /// Both, if they can be somebody's.
    pub(super) fn both(self) -> Option<(EmailAddress, Password)> {
        self.email.zip(self.password)
    }
}

/// Tells whether this is the user's password, and whose.
pub(super) async fn verify(
    caller: Caller<PasswordVerify>,
    app: web::Data<App>,
    language: Language,
    Body(credentials): Body<Credentials>,
) -> Result<HttpResponse, ApiError> {
    let verified = app.flows.verify(caller.actor(), credentials.both());
    let user = verified.await?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "password_verified",
        "success": language.text("password-verified"),
        "user": users::body(&user),
    })))
}
