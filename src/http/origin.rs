//! Where a call came from, for the audit.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::domain::audit::Origin;

/// The id that the edge gave to a request; on the request, for whoever writes about it.
pub(super) struct RequestId(pub(super) String);

/// What is remembered of a request.
pub(super) fn of(request: &HttpRequest) -> Origin {
    let extensions = request.extensions();
    Origin {
        request_id: extensions.get::<RequestId>().map(|id| id.0.clone()),
        address: None,
    }
}

impl FromRequest for Origin {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(of(request)))
    }
}
