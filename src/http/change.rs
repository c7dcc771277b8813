//! `PUT /v1/password`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, Either, PasswordChange, SignedIn};
use super::body::Body;
use super::error::{ApiError, Problem};
use super::fields::{Fields, FromFields, NewPassword};
use crate::app::App;
use crate::domain::{EmailAddress, Password};
use crate::flows::change::Whose;
use crate::texts::Language;

pub(super) struct ChangeRequest {
    /// Needed when an app calls; a user's token says who it is. None inside: an address that nobody can have.
    email: Option<Option<EmailAddress>>,
    old: Option<Password>,
    new: NewPassword,
}

impl FromFields for ChangeRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let old = fields.password("old_password")?;
        let new = fields.new_password("password", "password_confirmation")?;
        let email = fields.optional_text("email")?;
        Ok(Self {
            email: email.map(|text| EmailAddress::parse(text).ok()),
            old,
            new,
        })
    }
}

/// Sets a new password for a user who knows the old one.
pub(super) async fn change(
    caller: Either<SignedIn, Caller<PasswordChange>>,
    app: web::Data<App>,
    language: Language,
    Body(request): Body<ChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let (actor, whose) = match caller {
        Either::Left(user) => (user.actor, Whose::Subject(user.user_id)),
        Either::Right(app) => {
            let missing = ApiError::field("email", Problem::Missing);
            let email = request.email.ok_or(missing)?;
            let whose = email.map_or(Whose::Nobody, |email| Whose::Address(email.key()));
            (app.actor(), whose)
        }
    };
    app.flows
        .change_password(actor, whose, request.old, request.new)
        .await
        .map_err(|error| ApiError::of_change(error, min_length))?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "password_updated",
        "success": language.text("password-updated"),
    })))
}
