//! Registration over HTTP, described (RFC 7591, RFC 7592).

use serde_json::json;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Post, Put};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::SecurityRequirement;

use super::super::call::{Call, call, response};
use super::super::components::header;
use super::super::errors::Family;
use super::super::shape::{Field, field, list, locale, object, one_of, text};
use super::OAUTH;
use crate::domain::{AuthMethod, Scope};

/// RFC 7591 section 2, as far as it means something here, and what we add.
fn client_metadata() -> Vec<Field> {
    let methods = AuthMethod::ALL.map(AuthMethod::name);
    vec![
        text("client_name", "What people call it; mails name it too.", "Teen Quotes"),
        text("scope", "Scopes, separated by spaces. None that the registrar's token does not carry.", "password:remind password:reset").optional(),
        one_of("token_endpoint_auth_method", "How it will authenticate. With `private_key_jwt` it gets no secret.", &methods).optional(),
        list("grant_types", "The only grant.", &["client_credentials"]).optional(),
        list("response_types", "None.", &[]).optional(),
        field("jwks", Type::Object, "Its public keys (RFC 7517).", json!({"keys": []})).optional().without_example(),
        field("dpop_bound_access_tokens", Type::Boolean, "Whether it gets only tokens that are bound to a key (RFC 9449).", json!(false)).optional(),
        text("reset_url", "Where its reset links lead: an https URL with `{token}`, optionally `{email}` and `{locale}`.", "https://quotes.example/reset?token={token}").optional(),
        locale("locale", "The language of its mails when neither the call nor the user states one.").optional(),
        field("token_lifetime", Type::Integer, "How long its tokens live, in seconds.", json!(3600)).optional(),
    ]
}

fn registered() -> Vec<Field> {
    let mut fields = vec![
        text("client_id", "Its id.", "uf_cl_7kQ2mXw9"),
        field(
            "client_id_issued_at",
            Type::Integer,
            "Since when, in seconds since 1970.",
            json!(1_795_340_000),
        ),
        text("client_secret", "Its secret, shown this once.", "uf_cs_...").omissible(),
        field(
            "client_secret_expires_at",
            Type::Integer,
            "0: never. With the secret.",
            json!(0),
        )
        .omissible(),
        text(
            "registration_client_uri",
            "Where the registration is managed (RFC 7592).",
            "https://unforget.example/oauth/register/uf_cl_7kQ2mXw9",
        ),
        text(
            "registration_access_token",
            "By which token it is managed.",
            "uf_rg_...",
        )
        .omissible(),
    ];
    fields.extend(client_metadata());
    fields
}

pub(super) fn register() -> Call {
    let created = response("It is registered.", object(registered()))
        .header_ref("Location", header("Location"));
    call(Post, "/oauth/register", "registerClient", "Register an app")
        .tag(OAUTH)
        .about("RFC 7591. The initial access token is an admin client's own.")
        .family(Family::Oauth)
        .admits(Scope::ClientsWrite)
        .takes_json(&client_metadata())
        .success(201, created)
}

pub(super) fn registration() -> [Call; 3] {
    let managed = |call: Call| {
        let id = text("client_id", "The client.", "uf_cl_7kQ2mXw9");
        let call = call.tag(OAUTH).family(Family::Oauth).in_path(id);
        let call = call.admits(Scope::ClientsWrite);
        call.security(SecurityRequirement::new(
            "registration",
            Vec::<String>::new(),
        ))
    };
    let path = "/oauth/register/{client_id}";
    let mut stated = vec![
        text("client_id", "The same as in the path.", "uf_cl_7kQ2mXw9"),
        text(
            "client_secret",
            "If it is stated, it must be one of the client's.",
            "uf_cs_...",
        )
        .omissible()
        .without_example(),
    ];
    stated.extend(client_metadata());
    [
        managed(call(Get, path, "readRegistration", "Read a registration"))
            .about("RFC 7592. By the registration access token, or by the token of the client that registered this one.")
            .answers(200, "What is registered.", object(registered())),
        managed(call(Put, path, "replaceRegistration", "Replace a registration"))
            .about("RFC 7592. What is not stated is as by default, but for the scopes, which stay. None can be added that the registrar does not hold.")
            .takes_json(&stated)
            .answers(200, "What is registered now.", object(registered())),
        managed(call(Delete, path, "deleteRegistration", "End a registration"))
            .about("RFC 7592. Ends the client with its secrets and tokens.")
            .success(204, ResponseBuilder::new().description("It has ended.")),
    ]
}
