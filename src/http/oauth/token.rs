//! `POST /oauth/token` (RFC 6749 section 4.4).

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;

use super::parameters::Parameters;
use super::{OauthError, authentication};
use crate::app::App;
use crate::domain::Instant;
use crate::entropy;
use crate::http::{origin, proof};
use crate::oauth::dpop::Checked;
use crate::oauth::token::{Issued, Terms, TokenRequest, issue};
use crate::storage::StorageError;

/// Issues an application token: bound to a key, when the client proves that it has one (RFC 9449 section 5).
pub(in crate::http) async fn token(
    app: web::Data<App>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<HttpResponse, OauthError> {
    let terms = Terms {
        now: app.flows.clock.now(),
        lifetime: app.token_lifetime,
        random: entropy::bytes(),
    };
    let authentication = authentication::read(request.headers(), &parameters)?;
    let checked = check(&app, &request, terms.now).await?;
    let (proof, nonce) = checked.map_or((None, None), |c| (Some(c.outcome), c.nonce));
    let asked = TokenRequest {
        grant_type: parameters.get("grant_type").map(str::to_owned),
        scope: parameters.get("scope").map(str::to_owned),
        authentication,
        proof,
    };
    let issued = issue(
        &app.flows.storage,
        &app.known,
        asked,
        &app.flows.public_url,
        terms,
        origin::of(&request),
    );
    let mut response = match issued.await {
        Ok(issued) => {
            origin::name(&request, &issued.client_id);
            app.flows.metrics.tokens.count("application");
            respond(&issued)
        }
        Err(error) => OauthError::from(error).error_response(),
    };
    proof::put_nonce(response.headers_mut(), nonce.as_deref());
    Ok(response)
}

/// What the proof comes to, if there is one.
async fn check(
    app: &App,
    request: &HttpRequest,
    now: Instant,
) -> Result<Option<Checked>, StorageError> {
    if !proof::is_offered(request) {
        return Ok(None);
    }
    let uri = proof::target(app, request.path());
    let presented = proof::presented(request.headers(), request.method(), &uri);
    let checked = app.dpop.check(&app.flows.storage, &presented, now).await?;
    Ok(Some(checked))
}

fn respond(issued: &Issued) -> HttpResponse {
    HttpResponse::Ok().json(TokenResponse {
        access_token: issued.token.expose(),
        token_type: match issued.jkt {
            Some(_) => "DPoP",
            None => "Bearer",
        },
        expires_in: issued.lifetime.num_seconds(),
        scope: issued.scopes.to_string(),
    })
}

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
}
