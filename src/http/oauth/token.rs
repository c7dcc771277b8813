//! `POST /oauth/token` (RFC 6749 section 4.4).

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::parameters::Parameters;
use super::{OauthError, authentication};
use crate::app::App;
use crate::entropy;
use crate::http::origin;
use crate::oauth::token::{Terms, TokenRequest, issue};

/// Issues an application token.
pub(in crate::http) async fn token(
    app: web::Data<App>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<HttpResponse, OauthError> {
    let asked = TokenRequest {
        grant_type: parameters.get("grant_type").map(str::to_owned),
        scope: parameters.get("scope").map(str::to_owned),
        authentication: authentication::read(request.headers(), &parameters)?,
    };
    let terms = Terms {
        now: app.flows.clock.now(),
        lifetime: app.token_lifetime,
        random: entropy::bytes(),
    };
    let issued = issue(
        &app.flows.storage,
        &app.known_clients,
        asked,
        &app.flows.public_url,
        terms,
        origin::of(&request),
    )
    .await?;
    origin::name(&request, &issued.client_id);
    Ok(HttpResponse::Ok().json(TokenResponse {
        access_token: issued.token.expose(),
        token_type: "Bearer",
        expires_in: issued.lifetime.num_seconds(),
        scope: issued.scopes.to_string(),
    }))
}

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
}
