//! Application tokens, described.

use serde_json::json;
use utoipa::openapi::ResponseBuilder;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Post, Put};
use utoipa::openapi::schema::{KnownFormat, Type};
use utoipa::openapi::security::SecurityRequirement;

use super::super::error::ApiError;
use super::super::oauth::OauthError;
use super::call::{Call, call};
use super::errors::Family;
use super::shape::{Field, Shape, field, list, locale, object, one_of, text, word};
use super::{Facts, OAUTH};
use crate::domain::jwk::SigningAlgorithm;
use crate::domain::{AuthMethod, Scope, Scopes};
use crate::oauth::guard::Denied;
use crate::oauth::{ASSERTION_TYPE, TokenError};

/// The OAuth2 endpoints.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    let mut calls = vec![token(), introspect(), revoke(), register()];
    calls.extend(registration());
    calls.extend([metadata(), openid_configuration()]);
    calls.extend(facts.issuer_path.as_deref().map(metadata_of_issuer));
    calls
}

/// What a client sends that does not use HTTP Basic.
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
        .omissible(),
        text(
            "client_assertion",
            "Instead of a secret: a signed JWT (`private_key_jwt`, RFC 7523) whose `aud` is the issuer and nothing else. It works once.",
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOi...",
        )
        .omissible(),
    ]
}

fn token() -> Call {
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
                TokenError::InvalidAssertion,
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
                TokenError::InvalidAssertion,
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

fn introspect() -> Call {
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

fn revoke() -> Call {
    of_a_client(call(Post, "/oauth/revoke", "revokeToken", "End a token"))
        .about(
            "RFC 7009. Ends one of the client's own tokens at once, on every node. The answer is the same for a token that is dead, \
             unknown, or another client's, which lives on.",
        )
        .takes_form(&about_a_token())
        .answers(200, "If it was the client's, it has ended.", object([]))
}

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

fn register() -> Call {
    call(Post, "/oauth/register", "registerClient", "Register an app")
        .tag(OAUTH)
        .about("RFC 7591. The initial access token is an admin client's own.")
        .family(Family::Oauth)
        .admits(Scope::ClientsWrite)
        .takes_json(&client_metadata())
        .answers(201, "It is registered.", object(registered()))
}

fn registration() -> [Call; 3] {
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

fn metadata_shape() -> Shape {
    let at = |name, path: &str| {
        text(
            name,
            "An endpoint.",
            &format!("https://unforget.example{path}"),
        )
    };
    let methods = AuthMethod::ALL.map(AuthMethod::name);
    let scopes = Scopes::all().names();
    object([
        text(
            "issuer",
            "As configured; never by the Host header.",
            "https://unforget.example",
        ),
        at("token_endpoint", "/oauth/token"),
        at("introspection_endpoint", "/oauth/introspect"),
        at("revocation_endpoint", "/oauth/revoke"),
        at("registration_endpoint", "/oauth/register"),
        list(
            "token_endpoint_auth_methods_supported",
            "How clients authenticate.",
            &methods,
        ),
        list(
            "token_endpoint_auth_signing_alg_values_supported",
            "What assertions are signed with.",
            &SigningAlgorithm::NAMES,
        ),
        list(
            "introspection_endpoint_auth_methods_supported",
            "The same.",
            &methods,
        ),
        list(
            "introspection_endpoint_auth_signing_alg_values_supported",
            "What assertions are signed with.",
            &SigningAlgorithm::NAMES,
        ),
        list(
            "revocation_endpoint_auth_methods_supported",
            "The same.",
            &methods,
        ),
        list(
            "revocation_endpoint_auth_signing_alg_values_supported",
            "What assertions are signed with.",
            &SigningAlgorithm::NAMES,
        ),
        list(
            "dpop_signing_alg_values_supported",
            "What proofs of possession are signed with.",
            &SigningAlgorithm::NAMES,
        ),
        list(
            "grant_types_supported",
            "The only grant.",
            &["client_credentials"],
        ),
        list(
            "response_types_supported",
            "None: there is no authorization endpoint.",
            &[],
        ),
        list("scopes_supported", "Every scope.", &scopes),
        at("service_documentation", "/docs"),
    ])
}

fn metadata() -> Call {
    call(
        Get,
        "/.well-known/oauth-authorization-server",
        "metadata",
        "Where are the endpoints, and what can they do?",
    )
    .tag(OAUTH)
    .about("RFC 8414. Only what works is listed.")
    .answers(200, "The metadata.", metadata_shape())
}

fn openid_configuration() -> Call {
    call(
        Get,
        "/.well-known/openid-configuration",
        "openidConfiguration",
        "The same, where OpenID clients look",
    )
    .tag(OAUTH)
    .about("RFC 8414 section 5. There is no OpenID Connect here; but many OAuth2 libraries look there first.")
    .answers(200, "The metadata.", metadata_shape())
}

fn metadata_of_issuer(path: &str) -> Call {
    call(
        Get,
        "/.well-known/oauth-authorization-server/{issuer}",
        "metadataOfIssuer",
        "The same, where clients look when the issuer has a path",
    )
    .tag(OAUTH)
    .in_path(text("issuer", "The path of the issuer.", path))
    .answers(200, "The metadata.", metadata_shape())
    .refuses([ApiError::NotFound])
}
