//! `POST /oauth/introspect` (RFC 7662): what a token stands for.

use actix_web::{HttpRequest, HttpResponse, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::json;

use super::parameters::Parameters;
use super::{OauthError, authentication};
use crate::app::App;
use crate::domain::Scope;
use crate::domain::audit::Act;
use crate::http::{auth, origin};
use crate::oauth::guard::Denied;
use crate::oauth::introspect::{Introspector, introspect as look_up};
use crate::storage::access_tokens::LiveToken;

/// Tells a client about its own tokens, and one with the scope `tokens:introspect` about every token. The caller shows who it is as
/// at the token endpoint, or by a token of its own (section 2.1).
pub(in crate::http) async fn introspect(
    app: web::Data<App>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<HttpResponse, OauthError> {
    let caller = caller(&app, &request, &parameters).await?;
    let token = parameters
        .get("token")
        .ok_or_else(|| OauthError::malformed("token is missing"))?;
    let found = look_up(&app.known, &caller, token, app.flows.clock.now()).await?;
    let mut response = HttpResponse::Ok();
    Ok(match &found {
        Some(known) => response.json(Introspection::of(&known.live, &app.flows.public_url)),
        // Nothing more: not even whether it was one once, or is somebody else's (section 2.2).
        None => response.json(json!({"active": false})),
    })
}

async fn caller(
    app: &App,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<Introspector, OauthError> {
    let by_token = auth::standing(request, |standing| {
        match standing.is_absent() {
            true => Ok(None),
            // A user's token speaks for one user, who has no business with tokens.
            false => match standing.application()? {
                None => Err(Denied::InsufficientScope(Scope::TokensIntrospect)),
                Some(live) => Ok(Some(Introspector {
                    client_id: live.client_id.clone(),
                    sees_all: live.scopes.contains(Scope::TokensIntrospect),
                })),
            },
        }
    });
    if let Some(caller) = by_token.map_err(OauthError::Http)? {
        return match parameters.get("client_secret").is_some()
            || parameters.get("client_assertion").is_some()
        {
            true => Err(OauthError::malformed(
                "the client authenticates in two ways",
            )),
            false => Ok(caller),
        };
    }
    let authentication = authentication::read(request.headers(), parameters)?;
    let origin = origin::of(request);
    let client = app.authenticate(authentication, Act::TokenIntrospect, origin);
    let client = client.await?;
    origin::name(request, &client.id);
    Ok(Introspector {
        sees_all: client.scopes.contains(Scope::TokensIntrospect),
        client_id: client.id.clone(),
    })
}

/// What is told of an active token (section 2.2).
#[derive(Serialize)]
struct Introspection<'a> {
    active: bool,
    iss: &'a str,
    client_id: &'a str,
    sub: String,
    scope: String,
    token_type: &'static str,
    iat: i64,
    exp: i64,
    /// The key that it is bound to (RFC 9449 section 6.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

#[derive(Serialize)]
struct Confirmation {
    jkt: String,
}

impl<'a> Introspection<'a> {
    fn of(live: &'a LiveToken, issuer: &'a str) -> Self {
        let user = live.subject.map(|user| user.to_string());
        Self {
            active: true,
            iss: issuer,
            client_id: live.client_id.as_str(),
            sub: user.unwrap_or_else(|| live.client_id.to_string()),
            scope: live.scopes.to_string(),
            token_type: match live.jkt {
                Some(_) => "DPoP",
                None => "Bearer",
            },
            iat: live.created_at.timestamp(),
            exp: live.expires_at.timestamp(),
            cnf: live.jkt.map(|jkt| Confirmation {
                jkt: URL_SAFE_NO_PAD.encode(jkt),
            }),
        }
    }
}
