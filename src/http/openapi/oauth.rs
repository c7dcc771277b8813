//! Application tokens, described.

use serde_json::json;
use utoipa::openapi::path::HttpMethod::Post;
use utoipa::openapi::schema::{KnownFormat, Type};
use utoipa::openapi::security::SecurityRequirement;

use super::super::oauth::OauthError;
use super::OAUTH;
use super::call::{Call, call};
use super::errors::Family;
use super::shape::{field, object, text, word};
use crate::oauth::TokenError;

/// The token endpoint.
pub(super) fn calls() -> Vec<Call> {
    vec![token()]
}

fn token() -> Call {
    let scopes = "Scopes, separated by spaces. The set that the token carries";
    let form = [
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
    ];
    let issued = object([
        text(
            "access_token",
            "Sent as `Authorization: Bearer ...`. Opaque.",
            "uf_at_...",
        ),
        word("token_type", "RFC 6750.", "Bearer"),
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
            "RFC 6749 section 4.4. The client authenticates with HTTP Basic or with `client_id` and `client_secret` in the form, never \
             with both. A token that is used up, lost or expired is replaced by asking again; there are no refresh tokens.",
        )
        .family(Family::Oauth)
        .limited()
        .security(SecurityRequirement::new("client", Vec::<String>::new()))
        .security(SecurityRequirement::default())
        .takes_form(&form)
        .answers(200, "A token.", issued)
        .refuses_tokens(
            [
                TokenError::InvalidRequest("a parameter is repeated"),
                TokenError::InvalidScope,
                TokenError::UnsupportedGrantType,
                TokenError::InvalidClient,
            ]
            .map(OauthError::from),
        )
}
