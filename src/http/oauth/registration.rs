//! `/oauth/register/{client_id}` (RFC 7592): a registration is read, replaced and ended by whoever has its registration access token,
//! or by the client that made it.

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use std::future::{Ready, ready};

use super::OauthError;
use super::client_metadata::{ClientMetadata, describe};
use crate::app::App;
use crate::domain::audit::Act;
use crate::domain::{Client, ClientId, HashedToken, PlainToken, RegistrationToken};
use crate::flows::clients::{Registrar, Replacement};
use crate::http::auth::{self, Caller, ClientsWrite};
use crate::http::body::{self, Format};
use crate::http::error::{ApiError, Problem};
use crate::http::origin;
use crate::oauth::guard::Denied;

/// Who manages, with the registration access token if one was shown.
pub(in crate::http) struct Manager {
    registrar: Registrar,
    token: Option<PlainToken<RegistrationToken>>,
}

impl FromRequest for Manager {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let mut fields = request.headers().get_all(AUTHORIZATION);
        let field = fields.next().filter(|_| fields.next().is_none());
        let token = field.and_then(|field| {
            let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
            let bearer = scheme.eq_ignore_ascii_case("bearer");
            PlainToken::<RegistrationToken>::parse(token.trim_start()).filter(|_| bearer)
        });
        let registrar = match &token {
            Some(token) => Ok(Registrar::Token(token.hashed(), origin::of(request))),
            None => Caller::<ClientsWrite>::from_request(request, payload)
                .into_inner()
                .map(|caller| Registrar::Client(caller.actor(), caller.scopes())),
        };
        ready(registrar.map(|registrar| Self { registrar, token }))
    }
}

/// An unknown client is as good as an unknown token (RFC 7592 section 2.1).
fn unknown() -> OauthError {
    OauthError::Http(ApiError::Denied(Denied::InvalidToken))
}

/// What is registered. Whoever showed the token may see it again (section 3); the secret, nobody: we do not have it.
fn told(
    app: &App,
    client: &Client,
    manager: &Option<PlainToken<RegistrationToken>>,
) -> Map<String, Value> {
    let mut told = describe(client, &app.flows.public_url);
    if let Some(token) = manager {
        told.insert(
            "registration_access_token".to_owned(),
            json!(token.expose()),
        );
    }
    told
}

/// `GET`
pub(in crate::http) async fn read(
    manager: Manager,
    app: web::Data<App>,
    id: web::Path<String>,
) -> Result<HttpResponse, OauthError> {
    let id = ClientId::new(id.into_inner());
    let client = app.flows.registration(manager.registrar, id, None).await?;
    let client = client.ok_or_else(unknown)?;
    Ok(HttpResponse::Ok().json(told(&app, &client, &manager.token)))
}

/// `PUT`: all of it, so what is not stated is as by default. Its scopes stay unless they are stated.
pub(in crate::http) async fn replace(
    manager: Manager,
    app: web::Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, OauthError> {
    let id = ClientId::new(id.into_inner());
    // Who may not manage it learns nothing about the body (bar B07).
    let managed = app.flows.registration(
        manager.registrar.clone(),
        id.clone(),
        Some(Act::ClientChange),
    );
    let scopes = managed.await?.ok_or_else(unknown)?.scopes;
    let metadata: ClientMetadata =
        body::take(&request, payload.into_inner(), &[Format::Json]).await?;
    let field = |problem| OauthError::Http(ApiError::field("client_id", problem));
    match metadata.client_id.as_deref() {
        None => return Err(field(Problem::Missing)),
        Some(stated) if stated != id.as_str() => return Err(field(Problem::Malformed)),
        Some(_) => {}
    }
    auth::still(&request).await?; // what is changed outlives a token that has ended elsewhere a moment ago
    let replacement = Replacement {
        scopes: metadata.scopes,
        secret: metadata.client_secret.as_deref().map(HashedToken::of),
        client: metadata.into_client(scopes),
    };
    let replaced = app
        .flows
        .replace_registration(manager.registrar, id, replacement);
    let registered = replaced.await?.ok_or_else(unknown)?;
    let mut told = told(&app, &registered.client, &manager.token);
    if let Some(secret) = &registered.secret {
        told.insert("client_secret".to_owned(), json!(secret.expose()));
        told.insert("client_secret_expires_at".to_owned(), json!(0)); // never
    }
    Ok(HttpResponse::Ok().json(told))
}

/// `DELETE`
pub(in crate::http) async fn delete(
    manager: Manager,
    app: web::Data<App>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, OauthError> {
    let id = ClientId::new(id.into_inner());
    auth::still(&request).await?;
    match app.flows.delete_registration(manager.registrar, id).await? {
        true => Ok(HttpResponse::NoContent().finish()),
        false => Err(unknown()),
    }
}
