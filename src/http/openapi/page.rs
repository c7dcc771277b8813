//! The built-in page, described: its screens, and what its script sends.

use utoipa::openapi::path::HttpMethod::{Get, Post};
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Content, ResponseBuilder};

use super::super::error::ApiError;
use super::call::{Call, call};
use super::password::{confirmation, new_password, refused, reset_token, success};
use super::shape::{email, instant};
use super::{Facts, PAGE};

/// What stands at the paths of the page. `/forgot` is there when the configuration names a client to ask on behalf of.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    let always = vec![
        screen(
            "/reset",
            "resetPage",
            "The screen that a mailed link leads to",
        ),
        reset(facts),
        check(),
        file(
            "/page/page.css",
            "pageStyle",
            "How the page looks",
            "text/css",
        ),
        file(
            "/page/page.js",
            "pageScript",
            "What the page does",
            "text/javascript",
        ),
    ];
    let asking = || {
        vec![
            screen("/forgot", "forgotPage", "The screen of a user who forgot"),
            forgot(),
        ]
    };
    let asking = facts.page_asks.then(asking).unwrap_or_default();
    always.into_iter().chain(asking).collect()
}

fn screen(path: &'static str, id: &str, summary: &str) -> Call {
    file(path, id, summary, "text/html").speaks()
}

fn reset(facts: &Facts) -> Call {
    call(
        Post,
        "/reset",
        "pageResetPassword",
        "Set a new password with the token of a link",
    )
    .tag(PAGE)
    .speaks()
    .limited()
    .takes(&[
        reset_token(),
        new_password("password", facts),
        confirmation(),
    ])
    .answers(
        200,
        "The password is set.",
        success("password_reset", "password-reset", []),
    )
    .refuses([refused(facts), ApiError::WrongToken])
}

fn check() -> Call {
    let until = instant(
        "expires_at",
        "Until when it can be used.",
        "2026-11-22T11:00:00Z",
    );
    call(
        Post,
        "/reset/check",
        "pageCheckResetToken",
        "Ask whether a link still works",
    )
    .tag(PAGE)
    .speaks()
    .limited()
    .takes(&[reset_token()])
    .answers(
        200,
        "It works.",
        success("token_valid", "token-valid", [until]).closed(),
    )
    .refuses([ApiError::WrongToken])
}

fn forgot() -> Call {
    call(Post, "/forgot", "pageRemind", "Ask for a reset mail")
        .tag(PAGE)
        .about("The answer is the same, in bytes and in time, whether or not there is such an account.")
        .speaks()
        .limited()
        .takes(&[email("email", "The address of the account, in any ASCII case.")])
        .answers(200, "The mail is on its way, if the account exists.", success("reminder_sent", "reminder-sent", []))
        .refuses([ApiError::WrongUser])
}

fn file(path: &'static str, id: &str, summary: &str, kind: &str) -> Call {
    let text = Content::builder().schema(Some(Object::with_type(Type::String)));
    let response = ResponseBuilder::new()
        .description("It.")
        .content(kind, text.build());
    call(Get, path, id, summary)
        .tag(PAGE)
        .success(200, response)
}
