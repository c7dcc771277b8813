//! The language that a caller reads, by `Accept-Language`, and the one that it states.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpRequest};

use crate::domain::Locale;
use crate::texts::Language;

/// The best match for the request's headers.
pub(super) fn of(headers: &HeaderMap) -> Language {
    preferred(headers.get(ACCEPT_LANGUAGE), Language::default())
}

/// The best match for a header's value, where everybody else reads `otherwise`.
pub(super) fn preferred(header: Option<&HeaderValue>, otherwise: Language) -> Language {
    let header = header.and_then(|value| value.to_str().ok());
    header.and_then(Language::stated).unwrap_or(otherwise)
}

/// The language that a request asks for, if we speak it. A mail to somebody who asks for none that we speak is written in the
/// language of the account, not in our first one.
pub(super) struct Stated(pub(super) Option<Locale>);

impl FromRequest for Stated {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = request.headers().get(ACCEPT_LANGUAGE);
        let language = header
            .and_then(|value| value.to_str().ok())
            .and_then(Language::stated);
        ready(Ok(Self(
            language.and_then(|language| language.tag().parse().ok()),
        )))
    }
}

impl FromRequest for Language {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(of(request.headers())))
    }
}
