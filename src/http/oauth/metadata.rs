//! `GET /.well-known/oauth-authorization-server` (RFC 8414): where the endpoints are, and what they can do.

use actix_web::{HttpResponse, web};
use serde_json::json;
use url::Url;

use crate::app::App;
use crate::domain::jwk::SigningAlgorithm;
use crate::domain::{AuthMethod, Scopes};
use crate::http::error::ApiError;

/// Where it is found.
pub(in crate::http) const PATH: &str = "/.well-known/oauth-authorization-server";

/// Where OpenID clients look: many OAuth2 libraries do so unless they are told otherwise (RFC 8414 section 5).
pub(in crate::http) const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// Where clients look for it when the issuer has a path of its own (RFC 8414 section 3.1): that path follows.
pub(in crate::http) const PATH_OF_ISSUER: &str =
    "/.well-known/oauth-authorization-server/{issuer:.*}";

/// `PATH_OF_ISSUER`: whatever is not our own path is not ours to tell about.
pub(in crate::http) async fn metadata_of_issuer(
    app: web::Data<App>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    match issuer_path(&app.flows.public_url).is_some_and(|own| *path == own) {
        true => Ok(metadata(app).await),
        false => Err(ApiError::NotFound),
    }
}

/// The issuer's own path, without slashes around it; none when it has none.
pub(in crate::http) fn issuer_path(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let path = url.path().trim_matches('/');
    (!path.is_empty()).then(|| path.to_owned())
}

/// The ways in which clients authenticate, everywhere the same.
pub(super) fn auth_methods() -> Vec<&'static str> {
    AuthMethod::ALL.map(AuthMethod::name).to_vec()
}

/// Tells it. Everything is from configuration and nothing from the request (bar X03); only what works is listed (bar O22).
pub(in crate::http) async fn metadata(app: web::Data<App>) -> HttpResponse {
    let issuer = app.flows.public_url.as_str();
    let at = |path: &str| format!("{issuer}{path}");
    let methods = auth_methods();
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "token_endpoint": at("/oauth/token"),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": SigningAlgorithm::NAMES,
        "introspection_endpoint": at("/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_signing_alg_values_supported": SigningAlgorithm::NAMES,
        "revocation_endpoint": at("/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": SigningAlgorithm::NAMES,
        "registration_endpoint": at("/oauth/register"),
        "dpop_signing_alg_values_supported": SigningAlgorithm::NAMES,
        "grant_types_supported": ["client_credentials"],
        // There is no authorization endpoint; the member is required all the same (section 2, bar X04).
        "response_types_supported": [],
        "scopes_supported": Scopes::all().names(),
        "service_documentation": at("/docs"),
    }))
}
