//! `POST /oauth/revoke` (RFC 7009): a client ends one of its tokens.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::parameters::Parameters;
use super::{OauthError, authentication};
use crate::app::App;
use crate::domain::audit::Act;
use crate::http::origin;
use crate::oauth::revoke::revoke as end;

/// Ends a token at once. The answer is the same for one that is unknown, dead, or another client's, which lives on (section 2.2);
/// `token_type_hint` is only a hint, and there is only one type.
pub(in crate::http) async fn revoke(
    app: web::Data<App>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<HttpResponse, OauthError> {
    let authentication = authentication::read(request.headers(), &parameters)?;
    let (now, origin) = (app.flows.clock.now(), origin::of(&request));
    let client = app.authenticate(authentication, Act::TokenRevoke, origin.clone());
    let client = client.await?;
    origin::name(&request, &client.id);
    let token = parameters
        .get("token")
        .ok_or_else(|| OauthError::malformed("token is missing"))?;
    end(&app.flows.storage, client.id.clone(), token, now, origin).await?;
    // The status says it all (section 2.2), but there are clients that take a body that is not JSON for a fault (simple-oauth2).
    Ok(HttpResponse::Ok().json(json!({})))
}
