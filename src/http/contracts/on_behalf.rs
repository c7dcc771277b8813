//! Who calls where a contract sends no access token: a client that the operator named.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};

use crate::app::App;
use crate::domain::Scope;
use crate::domain::audit::Origin;
use crate::flows::Actor;
use crate::http::auth::{Caller, Needs};
use crate::http::error::ApiError;
use crate::http::origin;
use crate::oauth::guard::Denied;

/// A caller with the scope `S`; without any credentials, the client of `contracts.interslice_client` if it has that scope. The
/// look-up takes its time, so a handler with this argument must not have its body read by another argument (bar B07).
pub(in crate::http) struct OnBehalf<S> {
    /// On whose behalf the flow runs.
    pub(in crate::http) actor: Actor,
    scope: PhantomData<S>,
}

impl<S: Needs + 'static> FromRequest for OnBehalf<S> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let judged = Caller::<S>::from_request(request, payload).into_inner();
        let app = request.app_data::<web::Data<App>>().cloned();
        let origin = origin::of(request);
        Box::pin(async move {
            let actor = match judged {
                Ok(caller) => caller.actor(),
                Err(ApiError::Denied(Denied::NoCredentials)) => {
                    named(app, S::SCOPE, origin).await?
                }
                Err(other) => return Err(other),
            };
            let scope = PhantomData;
            Ok(Self { actor, scope })
        })
    }
}

/// The client that the operator named, as long as it exists, is switched on, has the scope and has not to prove a key. Without it nobody calls.
async fn named(
    app: Option<web::Data<App>>,
    scope: Scope,
    origin: Origin,
) -> Result<Actor, ApiError> {
    let nobody = ApiError::Denied(Denied::NoCredentials);
    let app = app.ok_or(nobody.clone())?;
    let id = app.interslice_client.clone().ok_or(nobody.clone())?;
    let client = app.flows.enabled_client(id).await?;
    let client = client.filter(|client| client.scopes.contains(scope) && !client.require_dpop);
    let client = client.ok_or(nobody)?;
    Ok(Actor {
        may_know_users: client.scopes.contains(Scope::UsersDisclose),
        jkt: None,
        client_id: client.id,
        origin,
    })
}
