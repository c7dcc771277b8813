//! Users and their sessions, described.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post, Put};
use utoipa::openapi::schema::{SchemaFormat, Type};

use super::super::error::{ApiError, Problem};
use super::call::{Call, call, response};
use super::components::header;
use super::password::{confirmation, new_password, old_password, refused, success};
use super::shape::{Field, Shape, component, email, field, instant, locale, object, one_of, text};
use super::{Facts, USERS};
use crate::domain::Scope;

/// What apps and administrators do with accounts.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    vec![
        sign_in(),
        create(facts),
        find(),
        read(),
        change(),
        delete(),
        set_password(facts),
    ]
}

fn sign_in() -> Call {
    call(Post, "/v1/sessions", "createSession", "Sign a user in")
        .tag(USERS)
        .about("The token speaks for the user until it expires, or until the password changes. Wrong guesses are slowed down for each account.")
        .needs(Scope::SessionsCreate)
        .takes(&[email("email", "The address of the account."), old_password("password")])
        .answers(
            201,
            "The user is signed in.",
            success(
                "session_created",
                "session-created",
                [
                    text("access_token", "Sent as `Authorization: Bearer ...`. Opaque.", "uf_at_..."),
                    one_of("token_type", "`DPoP` when the app's own token is bound to a key (RFC 9449): then this one is too.", &["Bearer", "DPoP"]),
                    field("expires_in", Type::Integer, "How long it lives, in seconds.", json!(43_200)),
                    user(),
                ],
            ),
        )
        .refuses([ApiError::WrongCredentials])
}

fn create(facts: &Facts) -> Call {
    let hash = text(
        "password_hash",
        "Instead of a password: a hash from elsewhere, as that system wrote it.",
        "$2b$12$...",
    );
    let created = response(
        "The account exists.",
        success("user_created", "user-created", [user()]),
    )
    .header_ref("Location", header("Location"));
    call(Post, "/v1/users", "createUser", "Create a user")
        .tag(USERS)
        .needs(Scope::UsersWrite)
        .takes(&[
            email("email", "Where mail is sent to."),
            new_password("password", facts).optional(),
            confirmation(),
            hash.without_example().optional(),
            locale("locale", "The language of mails to this user.").optional(),
            profile("Any JSON object.").optional(),
        ])
        .success(201, created)
        .refuses([refused(facts), ApiError::UserExists])
}

fn find() -> Call {
    call(Get, "/v1/users", "findUser", "Find a user by address")
        .tag(USERS)
        .needs(Scope::UsersRead)
        .in_query(email(
            "email",
            "The address of the account, in any ASCII case.",
        ))
        .answers(200, "The user.", found())
        .refuses([ApiError::Unreadable, ApiError::UnknownUser])
}

fn read() -> Call {
    call(Get, "/v1/users/{id}", "readUser", "Read a user")
        .tag(USERS)
        .needs(Scope::UsersRead)
        .in_path(id("id"))
        .answers(200, "The user.", found())
        .refuses([ApiError::UnknownUser])
}

fn change() -> Call {
    call(Patch, "/v1/users/{id}", "changeUser", "Change a user")
        .tag(USERS)
        .about("What is absent stays. A new address ends every link, and the old one is told.")
        .needs(Scope::UsersWrite)
        .in_path(id("id"))
        .takes(&[
            email("email", "Where mail is sent to from now on.").omissible(),
            locale(
                "locale",
                "The language of mails to this user; null for none.",
            )
            .optional(),
            profile("A merge patch (RFC 7396); null empties it. It may not grow beyond 16 KiB.")
                .optional(),
            field(
                "disabled",
                Type::Boolean,
                "Whether the account is switched off: no mail, no reset, the same answers.",
                json!(false),
            )
            .omissible(),
        ])
        .answers(
            200,
            "The user, changed.",
            success("user_updated", "user-updated", [user()]),
        )
        .refuses([
            ApiError::field("disabled", Problem::WrongType),
            ApiError::UnknownUser,
            ApiError::UserExists,
        ])
}

fn delete() -> Call {
    call(Delete, "/v1/users/{id}", "deleteUser", "Delete a user")
        .tag(USERS)
        .about("With every token and link.")
        .needs(Scope::UsersWrite)
        .in_path(id("id"))
        .answers(
            200,
            "The user is gone.",
            success("user_deleted", "user-deleted", []),
        )
        .refuses([ApiError::UnknownUser])
}

fn set_password(facts: &Facts) -> Call {
    call(Put, "/v1/users/{id}/password", "setPassword", "Set any user's password")
        .tag(USERS)
        .about("For administrators. The user should choose another one: `password_must_change` says so from now on.")
        .needs(Scope::UsersResetPassword)
        .in_path(id("id"))
        .takes(&[new_password("password", facts), confirmation()])
        .answers(200, "The password is set.", success("password_updated", "password-updated", []))
        .refuses([refused(facts), ApiError::UnknownUser])
}

fn found() -> Shape {
    success("user_found", "user-found", [user()])
}

/// A user's id, in a path.
pub(super) fn id(name: &'static str) -> Field {
    text(
        name,
        "The user's id.",
        "019ab7a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b",
    )
    .with(|schema| schema.format = Some(SchemaFormat::Custom("uuid".to_owned())))
}

fn profile(about: &str) -> Field {
    field("profile", Type::Object, about, json!({"first_name": "Ann"}))
}

/// The field that holds a user.
pub(super) fn user() -> Field {
    component("user", "User", shape().example)
}

/// A user, as callers see one.
pub(super) fn shape() -> Shape {
    object([
        id("id"),
        email("email", "Where mail is sent to."),
        locale("locale", "The language of mails to this user.").or_null(),
        profile("Whatever the apps keep here."),
        instant(
            "created_at",
            "When the account was made.",
            "2026-11-22T10:00:00.000Z",
        ),
        instant(
            "password_changed_at",
            "When the password was last set.",
            "2026-11-22T10:00:00.000Z",
        )
        .or_null(),
        field(
            "password_must_change",
            Type::Boolean,
            "Whether an administrator chose the password.",
            json!(false),
        ),
        field(
            "disabled",
            Type::Boolean,
            "Whether the account is switched off.",
            json!(false),
        ),
    ])
}
