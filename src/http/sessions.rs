//! `POST /v1/sessions`

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::auth::{Caller, SessionsCreate};
use super::body::Body;
use super::error::ApiError;
use super::users;
use super::verify::Credentials;
use crate::app::App;
use crate::texts::Language;

/// Signs a user in.
pub(super) async fn create(
    caller: Caller<SessionsCreate>,
    app: web::Data<App>,
    language: Language,
    Body(credentials): Body<Credentials>,
) -> Result<HttpResponse, ApiError> {
    let actor = caller.actor();
    let token_type = if actor.jkt.is_some() {
        "DPoP"
    } else {
        "Bearer"
    };
    let created = app.flows.create_session(actor, credentials.both());
    let (session, user) = created.await?;
    Ok(HttpResponse::Created().json(json!({
        "status": "session_created",
        "success": language.text("session-created"),
        "access_token": session.token.expose(),
        "token_type": token_type,
        "expires_in": session.lifetime.num_seconds(),
        "user": users::body(&user),
    })))
}
