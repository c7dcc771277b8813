//! Where a call came from, for the audit and the logs.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use super::peer;
use crate::app::App;
use crate::domain::ClientId;
use crate::domain::audit::Origin;

/// Finds out what is remembered of a request, and leaves it there for whoever writes about it. The edge does, once.
pub(super) fn note(request: &ServiceRequest, app: &App, request_id: &str) {
    let address = peer::seen(request, &app.trusted_proxies);
    request.extensions_mut().insert(Origin {
        request_id: Some(request_id.to_owned()),
        address: address.and_then(|address| app.address_form.of(address)),
    });
}

/// A client that has shown who it is, by other means than an access token.
pub(super) struct Named(pub(super) ClientId);

/// Leaves the client on the request, for the log.
pub(super) fn name(request: &HttpRequest, client: &ClientId) {
    request.extensions_mut().insert(Named(client.clone()));
}

/// What is remembered of a request.
pub(super) fn of(request: &HttpRequest) -> Origin {
    let extensions = request.extensions();
    extensions.get::<Origin>().cloned().unwrap_or_default()
}

impl FromRequest for Origin {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(of(request)))
    }
}
