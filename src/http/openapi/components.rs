//! What the calls share: headers, schemas of errors, ways of being let in.

use std::collections::BTreeMap;

use utoipa::openapi::header::Header;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{
    ClientCredentials, Flow, HttpAuthScheme, HttpBuilder, OAuth2, Scopes, SecurityScheme,
};
use utoipa::openapi::{Components, ComponentsBuilder, Ref, RefOr, Response};

use super::super::error::REALM;
use super::call::parameter;
use super::errors::Family;
use super::shape::text;
use super::users;
use crate::domain::Scope;

/// Headers of answers that are counted.
pub(super) const RATE_LIMIT_HEADERS: [&str; 3] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

/// The header with a nonce for the caller's next proof.
pub(super) const NONCE: &str = "DPoP-Nonce";

/// The headers that answers carry besides those of HTTP itself: name, type, whether an answer that tells of it always has it,
/// and what it says.
const HEADERS: [(&str, Type, bool, &str); 8] = [
    (
        "X-Request-Id",
        Type::String,
        true,
        "The request's name in the logs.",
    ),
    ("Location", Type::String, true, "Where the new thing is."),
    (
        "Retry-After",
        Type::Integer,
        true,
        "When to come back, in seconds.",
    ),
    (
        "WWW-Authenticate",
        Type::String,
        true,
        "What is missing (RFC 6750 section 3, RFC 7617).",
    ),
    (
        NONCE,
        Type::String,
        false,
        "A nonce for the caller's next proof (RFC 9449 section 8). `use_dpop_nonce` brings one, and any answer does when the last one ends soon.",
    ),
    (
        RATE_LIMIT_HEADERS[0],
        Type::Integer,
        false,
        "Calls at once. Missing where limits are off.",
    ),
    (
        RATE_LIMIT_HEADERS[1],
        Type::Integer,
        false,
        "Calls that are left now.",
    ),
    (
        RATE_LIMIT_HEADERS[2],
        Type::Integer,
        false,
        "When all are there again, in seconds since 1970.",
    ),
];

/// A header that an answer always has, if any answer has it.
pub(super) fn header(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// A header that only some answers of this status have.
pub(super) fn header_of_some(name: &str) -> RefOr<Header> {
    let told = HEADERS.iter().find(|(known, ..)| *known == name);
    RefOr::T(told.map_or_else(Header::default, |(_, kind, _, about)| {
        describe(kind, false, about)
    }))
}

fn describe(kind: &Type, always: bool, about: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind.clone()));
    header.description = Some(about.to_owned());
    // utoipa has no word for it.
    header.extensions = always.then(|| [("required", true)].into_iter().collect());
    header
}

/// Everything that calls refer to, with the answers that many of them share.
pub(super) fn components(public_url: &str, shared: BTreeMap<String, Response>) -> Components {
    let scopes = Scope::ALL.iter().map(|scope| (scope.name(), scope.about()));
    let token_url = format!("{public_url}/oauth/token");
    let application = OAuth2::with_description(
        [Flow::ClientCredentials(ClientCredentials::new(
            token_url,
            Scopes::from_iter(scopes),
        ))],
        "A token that an app got for itself.",
    );
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("uf_at_...")
        .description(Some("The same token, from wherever it was got (RFC 6750). One that is bound to a key is sent as `Authorization: DPoP ...`, with a proof in `DPoP` (RFC 9449)."));
    let client = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some(format!("A client's id and secret, each form-encoded (RFC 6749 section 2.3.1), in the realm {REALM}.")));
    let registration = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("uf_rg_...")
        .description(Some(
            "The token that came with a registration (RFC 7592 section 1.2).",
        ));
    let user = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("uf_at_...")
        .description(Some(
            "A token that speaks for a user: of `POST /v1/sessions`.",
        ));
    let language = text(
        "Accept-Language",
        "The language of texts for people: `en` or `fr`.",
        "en",
    )
    .omissible();
    let mut components = ComponentsBuilder::new()
        .security_scheme("application", SecurityScheme::OAuth2(application))
        .security_scheme("bearer", SecurityScheme::Http(bearer.build()))
        .security_scheme("client", SecurityScheme::Http(client.build()))
        .security_scheme("registration", SecurityScheme::Http(registration.build()))
        .security_scheme("user", SecurityScheme::Http(user.build()))
        .parameter("AcceptLanguage", parameter(language, ParameterIn::Header));
    for (name, kind, always, about) in &HEADERS {
        components = components.header(*name, describe(kind, *always, about));
    }
    for family in Family::ALL {
        components = components.schema(family.name(), Schema::Object(family.shape().schema));
    }
    components
        .schema("User", Schema::Object(users::shape().schema))
        .responses_from_iter(shared)
        .build()
}
