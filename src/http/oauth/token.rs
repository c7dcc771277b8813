//! `POST /oauth/token` (RFC 6749 section 4.4).

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde::Serialize;

use super::parameters::Parameters;
use super::{OauthError, authentication};
use crate::app::App;
use crate::entropy;
use crate::http::proof;
use crate::oauth::TokenError;
use crate::oauth::dpop::{Checked, Unproven};
use crate::oauth::token::{Issued, Terms, TokenRequest, issue};

/// Issues an application token: bound to a key, when the client proves that it has one (RFC 9449 section 5).
pub(in crate::http) async fn token(
    app: web::Data<App>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<HttpResponse, OauthError> {
    let authentication = authentication::read(request.headers(), &parameters)?;
    let mut asked = TokenRequest {
        grant_type: parameters.get("grant_type").map(str::to_owned),
        scope: parameters.get("scope").map(str::to_owned),
        authentication,
        proof: None,
    };
    let terms = Terms {
        now: app.flows.clock.now(),
        lifetime: app.token_lifetime,
        random: entropy::bytes(),
    };
    let mut nonce = None;
    if proof::is_offered(&request) {
        // Before the client is known: many libraries send the same assertion again with the nonce that they are given.
        let uri = proof::target(&app, request.path());
        let claimed = proof::claimed(request.headers(), request.method(), &uri);
        let checked = app.dpop.check(&app.flows.storage, &claimed, terms.now);
        let Checked {
            outcome,
            nonce: next,
        } = checked.await?;
        nonce = next;
        match outcome {
            Ok(proof) => asked.proof = Some(proof),
            Err(why) => return Ok(refuse(why, nonce.as_deref())),
        }
    }
    let issued = issue(
        &app.flows.storage,
        &app.known_clients,
        asked,
        &app.flows.public_url,
        terms,
    );
    let mut response = respond(&issued.await?);
    proof::put_nonce(response.headers_mut(), nonce.as_deref());
    Ok(response)
}

fn refuse(why: Unproven, nonce: Option<&str>) -> HttpResponse {
    let error = match why {
        Unproven::Invalid => TokenError::InvalidProof,
        Unproven::NonceNeeded => TokenError::NonceNeeded,
    };
    let mut response = OauthError::from(error).error_response();
    proof::put_nonce(response.headers_mut(), nonce);
    response
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
