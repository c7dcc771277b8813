//! The contracts of other systems, described.

use serde_json::json;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::HttpMethod::{Get, Post, Put};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::super::contracts::{interslice, ocariot, swift, unleash};
use super::super::error::{ApiError, Problem};
use super::call::{Call, call, response};
use super::errors::Family;
use super::password::{new_password, old_password, refused, reset_token};
use super::shape::{email, field, nested, object, text, word};
use super::users::id;
use super::{CONTRACTS, Facts};
use crate::domain::Scope;
use crate::texts::Language;

/// The calls at the paths of others.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    vec![
        unleash_reset(facts),
        unleash_validate(),
        unleash_remind(),
        unleash_judge(facts),
        ocariot(facts),
        swift(facts),
        interslice_remind(),
        interslice_reset(facts),
    ]
}

fn nothing(about: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(about)
}

fn wrong(field: &'static str) -> [ApiError; 2] {
    [Problem::Empty, Problem::WrongType].map(|problem| ApiError::field(field, problem))
}

fn unleash_reset(facts: &Facts) -> Call {
    call(
        Post,
        unleash::RESET,
        "unleashResetPassword",
        "Unleash: set a new password with a reset token",
    )
    .tag(CONTRACTS)
    .family(Family::Unleash)
    .needs(Scope::PasswordReset)
    .takes_json(&[reset_token(), new_password("password", facts)])
    .success(200, nothing("The password is set. No body."))
    .refuses(wrong("token"))
    .refuses([refused(facts), ApiError::WrongToken])
}

fn unleash_validate() -> Call {
    let name = text("name", "The user's, if it is in the profile.", "Ann").omissible();
    call(
        Get,
        unleash::VALIDATE,
        "unleashValidateToken",
        "Unleash: whose is this reset token?",
    )
    .tag(CONTRACTS)
    .about("Never uses the token up.")
    .family(Family::Unleash)
    .needs(Scope::PasswordReset)
    .in_query(reset_token())
    .answers(
        200,
        "The token works.",
        object([
            text("token", "The token.", "uf_rt_..."),
            email("email", "The stored address."),
            id("id"),
            name,
        ]),
    )
    .refuses([
        ApiError::Unreadable,
        ApiError::field("token", Problem::Empty),
        ApiError::WrongToken,
    ])
}

fn unleash_remind() -> Call {
    call(
        Post,
        unleash::REMIND,
        "unleashSendResetMail",
        "Unleash: ask for a reset mail",
    )
    .tag(CONTRACTS)
    .family(Family::Unleash)
    .needs(Scope::PasswordRemind)
    .takes_json(&[email("email", "The address of the account.")])
    .success(
        200,
        nothing("The mail is on its way, if the account exists. No body."),
    )
    .refuses(wrong("email"))
    .refuses([
        ApiError::field("email", Problem::Malformed),
        ApiError::UnknownUser,
    ])
}

fn unleash_judge(facts: &Facts) -> Call {
    call(
        Post,
        unleash::JUDGE,
        "unleashValidatePassword",
        "Unleash: would this password be taken?",
    )
    .tag(CONTRACTS)
    .family(Family::Unleash)
    .needs(Scope::PasswordReset)
    .takes_json(&[new_password("password", facts)])
    .success(200, nothing("It would. No body."))
    .refuses([
        ApiError::field("password", Problem::WrongType),
        refused(facts),
    ])
}

fn ocariot(facts: &Facts) -> Call {
    call(
        Post,
        ocariot::PATH,
        "ocariotResetPassword",
        "OCARIoT: set any user's password",
    )
    .tag(CONTRACTS)
    .family(Family::Ocariot)
    .needs(Scope::UsersResetPassword)
    .in_path(id("user_id"))
    .takes_json(&[new_password("new_password", facts)])
    .success(204, nothing("The password is set."))
    .refuses(wrong("new_password"))
    .refuses([
        ApiError::field("user_id", Problem::Malformed),
        refused(facts),
        ApiError::UnknownUser,
    ])
}

fn swift(facts: &Facts) -> Call {
    let said = Language::named("fr")
        .unwrap_or_default()
        .text("swift-password-changed");
    let message = nested(
        "message",
        [
            text("RESPONSE_TEXT", "For people.", &said),
            word(
                "RESPONSE_CODE",
                "For programs.",
                "PASSWORD_CHANGED_SUCCESS_MESSAGE",
            ),
        ],
    );
    let code = field("code", Type::Integer, "The status.", json!(200));
    call(
        Put,
        swift::PATH,
        "swiftChangePassword",
        "SWIFT: change a password that the user still knows",
    )
    .tag(CONTRACTS)
    .about(
        "In French unless `Accept-Language` prefers English. A wrong old password is 401. Counted answers tell in `Retry-After` how \
         long it takes, in seconds and fractions, until all calls are there again, and in `X-RateLimit-Reset` when that is, as \
         JavaScript writes dates.",
    )
    .family(Family::Swift)
    .needs_user()
    .takes_json(&[
        old_password("oldPassword"),
        new_password("newPassword", facts),
        new_password("confirmPassword", facts),
    ])
    .answers(200, "The password is set.", object([code, message]))
    .refuses(wrong("oldPassword"))
    .refuses([refused(facts), ApiError::WrongCredentials])
}

fn interslice_remind() -> Call {
    let email = || email("email", "The address of the account.");
    call(
        Post,
        interslice::PATH,
        "intersliceSendResetMail",
        "Interslice: ask for a reset mail",
    )
    .tag(CONTRACTS)
    .family(Family::Interslice)
    .needs(Scope::PasswordRemind)
    .takes_either(
        &[nested("user", [email()])],
        &[email().named("user[email]")],
        "email",
    )
    .answers(
        201,
        "The mail is on its way, if the account exists.",
        object([]),
    )
    .refuses([
        ApiError::field("email", Problem::Malformed),
        ApiError::UnknownUser,
    ])
}

fn interslice_reset(facts: &Facts) -> Call {
    let fields = || {
        [
            reset_token().named("reset_password_token"),
            new_password("password", facts),
            new_password("password_confirmation", facts),
        ]
    };
    let [token, password, confirmation] = fields();
    let form = [
        token.named("user[reset_password_token]"),
        password.named("user[password]"),
        confirmation.named("user[password_confirmation]"),
    ];
    let user = nested("user", [id("id"), email("email", "The stored address.")]);
    let mut told = Header::new(ObjectBuilder::new().schema_type(Type::String));
    told.description = Some("`Bearer` and a token that speaks for the user.".to_owned());
    let answer = response(
        "The password is set, and the user is signed in. `user` also has what is in the profile.",
        object([user]),
    )
    .header("Authorization", told);
    call(
        Put,
        interslice::PATH,
        "intersliceResetPassword",
        "Interslice: set a new password with a reset token, and sign the user in",
    )
    .tag(CONTRACTS)
    .family(Family::Interslice)
    .needs(Scope::PasswordReset)
    .takes_either(&[nested("user", fields())], &form, "reset_password_token")
    .success(200, answer)
    .refuses([refused(facts), ApiError::WrongToken])
}
