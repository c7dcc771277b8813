//! Application tokens, described: how they are issued, looked at and ended.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::Post;
use utoipa::openapi::schema::{KnownFormat, Type};
use utoipa::openapi::security::SecurityRequirement;

use super::super::call::{Call, call};
use super::super::errors::Family;
use super::super::shape::{Field, field, object, one_of, text, word};
use super::OAUTH;
use crate::domain::Scope;
use crate::http::error::ApiError;
use crate::http::oauth::OauthError;
use crate::oauth::guard::Denied;
use crate::oauth::{ASSERTION_TYPE, TokenError};

/// What a client sends that does not use HTTP Basic. The example shows one way: two at once are refused (bar O07).
fn credentials() -> [Field; 4] {
    [
        text(
            "client_id",
            "Without HTTP Basic: who asks.",
            "uf_cl_7kQ2mXw9",
        )
        .omissible(),
        text(
            "client_secret",
            "Without HTTP Basic: the client's secret.",
            "uf_cs_...",
        )
        .format(KnownFormat::Password)
        .omissible(),
        word(
            "client_assertion_type",
            "With `client_assertion`: what it is.",
            ASSERTION_TYPE,
        )
        .omissible()
        .without_example(),
        text(
            "client_assertion",
            "Instead of a secret: a signed JWT (`private_key_jwt`, RFC 7523) whose `aud` is the issuer and nothing else. It works once.",
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOi...",
        )
        .omissible()
        .without_example(),
    ]
}

pub(super) fn token() -> Call {
    let scopes = "Scopes, separated by spaces. The set that the token carries";
    let asked = [
        word(
            "grant_type",
            "Client credentials only (RFC 6749 section 4.4).",
            "client_credentials",
        ),
        text(
            "scope",
            &format!("{scopes}; all of the client's when it is missing."),
            "password:remind password:reset",
        )
        .omissible(),
    ];
    let form = [asked.as_slice(), &credentials()].concat();
    let issued = object([
        text(
            "access_token",
            "Sent as `Authorization: Bearer ...`. Opaque.",
            "uf_at_...",
        ),
        one_of(
            "token_type",
            "`DPoP` when a proof came along.",
            &["Bearer", "DPoP"],
        ),
        field(
            "expires_in",
            Type::Integer,
            "How long it lives, in seconds.",
            json!(3600),
        ),
        text(
            "scope",
            &format!("{scopes}."),
            "password:remind password:reset",
        ),
    ]);
    call(Post, "/oauth/token", "issueToken", "Get an application token")
        .tag(OAUTH)
        .about(
            "RFC 6749 section 4.4. The client authenticates with HTTP Basic, with `client_id` and `client_secret` in the form, or with \
             a signed `client_assertion`: in one way only. A token that is used up, lost or expired is replaced by asking again; there are no refresh tokens.",
        )
        .family(Family::Oauth)
        .limited()
        .security(SecurityRequirement::new("client", Vec::<String>::new()))
        .security(SecurityRequirement::default())
        .proves()
        .in_header(text(
            "DPoP",
            "A proof that the client has a key (RFC 9449): the token is bound to that key. An answer that asks for a nonce has it in \
             `DPoP-Nonce`.",
            "eyJ0eXAiOiJkcG9wK2p3dCIs...",
        ))
        .takes_form(&form)
        .answers(200, "A token.", issued)
        .refuses_tokens(
            [
                TokenError::InvalidRequest("a parameter is repeated"),
                TokenError::InvalidScope,
                TokenError::UnsupportedGrantType,
                TokenError::InvalidProof,
                TokenError::NonceNeeded,
                TokenError::InvalidClient,
                TokenError::InvalidAssertion("key"),
            ]
            .map(OauthError::from),
        )
}

fn of_a_client(call: Call) -> Call {
    call.tag(OAUTH)
        .family(Family::Oauth)
        .limited()
        .security(SecurityRequirement::new("client", Vec::<String>::new()))
        .security(SecurityRequirement::default())
        .refuses_tokens(
            [
                TokenError::InvalidRequest("a parameter is repeated"),
                TokenError::InvalidClient,
                TokenError::InvalidAssertion("key"),
            ]
            .map(OauthError::from),
        )
}

fn about_a_token() -> Vec<Field> {
    let hint = "What the caller takes it for. There is one type, so it changes nothing.";
    let mut form = vec![
        text("token", "The access token.", "uf_at_..."),
        text("token_type_hint", hint, "access_token").omissible(),
    ];
    form.extend(credentials());
    form
}

pub(super) fn introspect() -> Call {
    let told = |name, about, example| text(name, about, example).omissible();
    let instant = |name, about| field(name, Type::Integer, about, json!(1_795_340_000)).omissible();
    let answer = object([
        field(
            "active",
            Type::Boolean,
            "Whether it may be used now.",
            json!(true),
        ),
        told("iss", "The issuer.", "https://unforget.example"),
        told(
            "client_id",
            "The client that it was issued to.",
            "uf_cl_7kQ2mXw9",
        ),
        told(
            "sub",
            "Whom it speaks for: a user's id, or the client's.",
            "uf_cl_7kQ2mXw9",
        ),
        told(
            "scope",
            "What it carries, separated by spaces.",
            "password:remind",
        ),
        one_of("token_type", "How it is used.", &["Bearer", "DPoP"]).omissible(),
        instant("iat", "When it was issued, in seconds since 1970."),
        instant("exp", "When it ends, in seconds since 1970."),
        field(
            "cnf",
            Type::Object,
            "`jkt`: the thumbprint of the key that it is bound to.",
            json!({"jkt": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"}),
        )
        .omissible(),
    ]);
    of_a_client(call(Post, "/oauth/introspect", "introspectToken", "What does a token stand for?"))
        .about(
            "RFC 7662. A client learns about its own tokens; with the scope `tokens:introspect`, about those of every client. The caller \
             authenticates as at the token endpoint, or by an access token of its own. A token that is dead, unknown, or not for the \
             caller to know is `{\"active\": false}` and nothing else.",
        )
        .security(SecurityRequirement::new("bearer", Vec::<String>::new()))
        .proves()
        .takes_form(&about_a_token())
        .answers(200, "What it stands for.", answer)
        .refuses(
            [
                Denied::InvalidRequest,
                Denied::InvalidToken,
                Denied::InsufficientScope(Scope::TokensIntrospect),
            ]
            .map(ApiError::Denied),
        )
}

pub(super) fn revoke() -> Call {
    of_a_client(call(Post, "/oauth/revoke", "revokeToken", "End a token"))
        .about(
            "RFC 7009. Ends one of the client's own tokens: at once on the node that is asked, within a second on others. The answer is the same for a token that is dead, \
             unknown, or another client's, which lives on.",
        )
        .takes_form(&about_a_token())
        .answers(200, "If it was the client's, it has ended.", object([]))
}
