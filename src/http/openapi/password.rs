//! Passwords, described: recovery, change, proof.

use utoipa::openapi::path::HttpMethod::{Post, Put};
use utoipa::openapi::schema::KnownFormat;
use utoipa::openapi::security::SecurityRequirement;

use super::super::error::ApiError;
use super::call::{Call, call};
use super::shape::{Field, Shape, email, instant, locale, object, text, word};
use super::{Facts, PASSWORD, RECOVERY, users};
use crate::domain::{Refusal, Scope};
use crate::texts::Language;

/// What an app does for a user who forgot, and for one who did not.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    vec![remind(), check(), reset(facts), change(facts), verify()]
}

fn remind() -> Call {
    call(Post, "/v1/password/remind", "remind", "Ask for a reset mail")
        .tag(RECOVERY)
        .about(
            "Mails a link to the address that is stored for the account. The answer is the same, in bytes and in time, whether or not \
             there is such an account; only a client with the scope `users:disclose` is told. Within the cool-down a second call for \
             an address answers the same and sends nothing.",
        )
        .needs(Scope::PasswordRemind)
        .takes(&[
            email("email", "The address of the account, in any ASCII case."),
            locale("locale", "The language of the mail: a BCP 47 tag. One that we do not speak falls back.").optional(),
        ])
        .answers(200, "The mail is on its way, if the account exists.", success("reminder_sent", "reminder-sent", []))
        .refuses([ApiError::WrongUser])
}

fn check() -> Call {
    let until = instant(
        "expires_at",
        "Until when it can be used.",
        "2026-11-22T11:00:00Z",
    );
    call(Post, "/v1/password/check", "checkResetToken", "Ask whether a reset token still works")
        .tag(RECOVERY)
        .about("For an app's own screen, before it shows a form. Never uses the token up, and does not tell whose it is.")
        .needs(Scope::PasswordReset)
        .takes(&[reset_token()])
        .answers(200, "It works.", success("token_valid", "token-valid", [until]).closed())
        .refuses([ApiError::WrongToken])
}

fn reset(facts: &Facts) -> Call {
    call(Post, "/v1/password/reset", "resetPassword", "Set a new password with a reset token")
        .tag(RECOVERY)
        .about(
            "Uses the token up, ends every other link and every token of the user, and mails a notice. A refused password or a wrong \
             address does not use the token up.",
        )
        .needs(Scope::PasswordReset)
        .takes(&[
            email("email", "The address of the account that the token was mailed to."),
            reset_token(),
            new_password("password", facts),
            confirmation(),
        ])
        .answers(200, "The password is set.", success("password_reset", "password-reset", []))
        .refuses([refused(facts), ApiError::WrongToken, ApiError::WrongUser])
}

fn change(facts: &Facts) -> Call {
    call(Put, "/v1/password", "changePassword", "Change a password that the user still knows")
        .tag(PASSWORD)
        .about(
            "A user's token says who it is; an app's says it with `email`. Ends every token of the user and every link, and mails a \
             notice. Wrong guesses are slowed down for each account.",
        )
        .needs(Scope::PasswordChange)
        .security(SecurityRequirement::new("user", Vec::<String>::new()))
        .takes(&[
            email("email", "The address of the account. Needed unless a user's token says it.").optional(),
            old_password("old_password"),
            new_password("password", facts),
            confirmation(),
        ])
        .answers(200, "The password is set.", success("password_updated", "password-updated", []))
        .refuses([ApiError::WrongCredentials, refused(facts)])
}

fn verify() -> Call {
    call(
        Post,
        "/v1/password/verify",
        "verifyPassword",
        "Ask whether this is the user's password",
    )
    .tag(PASSWORD)
    .about("Wrong guesses are slowed down for each account. Signs nobody in.")
    .needs(Scope::PasswordVerify)
    .takes(&[
        email("email", "The address of the account."),
        old_password("password"),
    ])
    .answers(
        200,
        "It is.",
        success("password_verified", "password-verified", [users::user()]),
    )
    .refuses([ApiError::WrongCredentials])
}

/// A password that exists.
pub(super) fn old_password(name: &'static str) -> Field {
    text(name, "The password in force.", "the old secret").format(KnownFormat::Password)
}

/// A new password, by the policy in force.
pub(super) fn new_password(name: &'static str, facts: &Facts) -> Field {
    let (least, most) = (facts.min_length, facts.max_length);
    text(
        name,
        "Counted in code points after NFC; U+0000 is refused.",
        "a new secret",
    )
    .format(KnownFormat::Password)
    .with(|schema| (schema.min_length, schema.max_length) = (Some(least), Some(most)))
}

/// The new password once more.
pub(super) fn confirmation() -> Field {
    text(
        "password_confirmation",
        "The new password once more, where the app asks twice.",
        "a new secret",
    )
    .format(KnownFormat::Password)
    .optional()
}

/// What a password that the policy does not take is answered with.
pub(super) fn refused(facts: &Facts) -> ApiError {
    ApiError::WrongPassword(vec![Refusal::TooShort], facts.min_length)
}

/// The token of a link.
pub(super) fn reset_token() -> Field {
    let example = "uf_rt_0Vx2Yk9mQeTzB4hJcL7sNdPfRgW1uAi3oKyE5aMrXtCbZ81vH";
    text("token", "The token of the link in the mail.", example).pattern("^uf_rt_[0-9A-Za-z]{49}$")
}

/// A success of the native API: `status`, `success` and what else there is.
pub(super) fn success(status: &str, key: &str, more: impl IntoIterator<Item = Field>) -> Shape {
    let said = Language::default().text(key);
    let first = [
        word("status", "For programs. Never changes.", status),
        text(
            "success",
            "For people, in the language of `Accept-Language`.",
            &said,
        ),
    ];
    object(first.into_iter().chain(more))
}
