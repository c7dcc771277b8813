//! The metadata, described (RFC 8414).

use utoipa::openapi::path::HttpMethod::Get;

use super::super::call::{Call, call};
use super::super::shape::{Shape, list, object, text};
use super::{Facts, OAUTH};
use crate::domain::jwk::SigningAlgorithm;
use crate::domain::{AuthMethod, Scopes};
use crate::http::error::ApiError;

/// Where it can be found.
pub(super) fn calls(facts: &Facts) -> Vec<Call> {
    let mut calls = vec![metadata(), openid_configuration()];
    calls.extend(facts.issuer_path.as_deref().map(metadata_of_issuer));
    calls
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
