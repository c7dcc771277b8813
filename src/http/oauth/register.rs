//! `POST /oauth/register` (RFC 7591): an admin client registers another one. Its own token is the initial access token.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::OauthError;
use super::client_metadata::{ClientMetadata, describe};
use crate::app::App;
use crate::domain::{PlainToken, RegistrationToken, Scope, Scopes};
use crate::entropy;
use crate::http::auth::{self, Caller, ClientsWrite};
use crate::http::body::{self, Format};
use crate::http::error::{ApiError, Problem};

/// What a client gets that states no scope, as far as its registrar holds it: what an ordinary app needs.
const ORDINARY: [Scope; 2] = [Scope::PasswordRemind, Scope::PasswordReset];

/// Registers a client. Nobody can register a scope that the registrar's own token does not carry (bar X11).
pub(in crate::http) async fn register(
    caller: Caller<ClientsWrite>,
    app: web::Data<App>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, OauthError> {
    let metadata: ClientMetadata =
        body::take(&request, payload.into_inner(), &[Format::Json]).await?;
    for (name, stated) in [
        ("client_id", &metadata.client_id),
        ("client_secret", &metadata.client_secret),
    ] {
        if stated.is_some() {
            return Err(ApiError::field(name, Problem::Malformed).into());
        }
    }
    // What is registered outlives the token: it must not be one that has ended elsewhere a moment ago.
    auth::still(&request).await?;
    let held = caller.scopes();
    let ordinary: Scopes = ORDINARY.into_iter().collect();
    let scopes = metadata.scopes.unwrap_or(ordinary.intersection(held));
    let registration = PlainToken::<RegistrationToken>::from_random(entropy::bytes());
    let mut new = metadata.into_client(scopes);
    new.registration = Some(registration.hashed());
    let registered = app.flows.register_client(caller.actor(), held, new).await?;
    let client = &registered.client;
    let mut told = describe(client, &app.flows.public_url);
    if let Some(secret) = &registered.secret {
        told.insert("client_secret".to_owned(), json!(secret.expose()));
        told.insert("client_secret_expires_at".to_owned(), json!(0)); // never
    }
    told.insert(
        "registration_access_token".to_owned(),
        json!(registration.expose()),
    );
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/oauth/register/{}", client.id)))
        .json(told))
}
