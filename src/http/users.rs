//! `/v1/users`: create, find, read, change and delete.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::auth::{Caller, UsersRead, UsersWrite};
use super::body::Body;
use super::error::{ApiError, Problem};
use super::fields::{Fields, FromFields, NewPassword};
use crate::app::App;
use crate::domain::{Instant, Locale, PasswordHash, User};
use crate::flows::users::{NewUser, UserChange, UserRef};
use crate::texts::Language;

/// A user, as callers see one. Never a hash.
pub(super) fn body(user: &User) -> Value {
    let time = |at: Instant| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "id": user.id,
        "email": user.email.to_text(),
        "locale": user.locale.as_ref().map(Locale::as_str),
        "profile": user.profile,
        "created_at": time(user.created_at),
        "password_changed_at": user.password_changed_at.map(time),
        "password_must_change": user.password_must_change,
        "disabled": user.disabled_at.is_some(),
    })
}

fn answer(status: &str, text: String, user: &User) -> Value {
    json!({"status": status, "success": text, "user": body(user)})
}

pub(super) struct CreateRequest {
    new: NewUser,
    password: Option<NewPassword>,
}

impl FromFields for CreateRequest {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let given = |name| Ok::<_, ApiError>(fields.optional_text(name)?.is_some());
        let password = given("password")?
            .then(|| fields.new_password("password", "password_confirmation"))
            .transpose()?;
        let unusable = |_| ApiError::field("password_hash", Problem::Malformed);
        let password_hash = fields
            .optional_text("password_hash")?
            .map(|text| PasswordHash::parse(text).map_err(unusable))
            .transpose()?;
        if password.is_some() && password_hash.is_some() {
            return Err(ApiError::field("password_hash", Problem::Malformed));
        }
        Ok(Self {
            new: NewUser {
                locale: fields.locale("locale")?,
                profile: fields.profile("profile")?.cloned().unwrap_or_default(),
                email: fields.well_formed_email("email")?,
                password: None,
                password_hash,
            },
            password,
        })
    }
}

/// Makes an account.
pub(super) async fn create(
    caller: Caller<UsersWrite>,
    app: web::Data<App>,
    language: Language,
    Body(request): Body<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let min_length = app.flows.policy.min_length;
    let new = NewUser {
        password: request.password,
        ..request.new
    };
    let created = app.flows.add_user(caller.actor().into(), new);
    let user = created
        .await
        .map_err(|error| ApiError::of_add_user(error, min_length))?;
    let text = language.text("user-created");
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/v1/users/{}", user.id)))
        .json(answer("user_created", text, &user)))
}

/// Reads a user by id.
pub(super) async fn read(
    _caller: Caller<UsersRead>,
    app: web::Data<App>,
    id: web::Path<String>,
    language: Language,
) -> Result<HttpResponse, ApiError> {
    let id = id.parse().map_err(|_| ApiError::UnknownUser)?;
    found(&app, UserRef::Id(id), language).await
}

/// Finds a user by address.
pub(super) async fn find(
    _caller: Caller<UsersRead>,
    app: web::Data<App>,
    request: HttpRequest,
    language: Language,
) -> Result<HttpResponse, ApiError> {
    let query = Fields::of_query(request.query_string())?;
    let email = query.well_formed_email("email")?;
    found(&app, UserRef::Email(email.key()), language).await
}

async fn found(app: &App, user: UserRef, language: Language) -> Result<HttpResponse, ApiError> {
    let user = app.flows.find_user(user).await?;
    let user = user.ok_or(ApiError::UnknownUser)?;
    let text = language.text("user-found");
    Ok(HttpResponse::Ok().json(answer("user_found", text, &user)))
}

pub(super) struct ChangeUserRequest(UserChange);

impl FromFields for ChangeUserRequest {
    /// What is absent stays; null is none, for the locale and the profile. An object is a merge patch (RFC 7396).
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let stated = |name| Ok::<_, ApiError>(fields.value(name)?.is_some());
        // Whoever sends one believes that it is set.
        for name in ["password", "password_hash"] {
            if stated(name)? {
                return Err(ApiError::field(name, Problem::Malformed));
            }
        }
        Ok(Self(UserChange {
            disabled: fields.flag("disabled")?,
            locale: stated("locale")?
                .then(|| fields.locale("locale"))
                .transpose()?,
            profile: stated("profile")?
                .then(|| fields.profile("profile").map(Option::<&_>::cloned))
                .transpose()?,
            email: stated("email")?
                .then(|| fields.well_formed_email("email"))
                .transpose()?,
        }))
    }
}

/// Changes a user.
pub(super) async fn change(
    caller: Caller<UsersWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    language: Language,
    Body(ChangeUserRequest(change)): Body<ChangeUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let user = UserRef::of_id(&id);
    let changed = app.flows.change_user(caller.actor().into(), user, change);
    let text = language.text("user-updated");
    Ok(HttpResponse::Ok().json(answer("user_updated", text, &changed.await?)))
}

/// Deletes a user.
pub(super) async fn delete(
    caller: Caller<UsersWrite>,
    app: web::Data<App>,
    id: web::Path<String>,
    language: Language,
) -> Result<HttpResponse, ApiError> {
    let user = UserRef::of_id(&id);
    let deleted = app.flows.delete_user(caller.actor().into(), user);
    match deleted.await? {
        true => Ok(HttpResponse::Ok().json(json!({
            "status": "user_deleted",
            "success": language.text("user-deleted"),
        }))),
        false => Err(ApiError::UnknownUser),
    }
}
