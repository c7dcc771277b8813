//! The public contracts that we speak besides our own, each at its own paths and over the same flows. What a handler refuses is an
//! `ApiError` in all of them; here it is said in the words of the contract that was called.

pub(super) mod interslice;
pub(super) mod ocariot;
mod on_behalf;
pub(super) mod swift;
pub(super) mod unleash;

use std::time::Duration;

use actix_web::dev::RequestHead;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use actix_web::http::{ConnectionType, StatusCode, Version};
use actix_web::{HttpResponse, ResponseError};
use chrono::TimeDelta;

use super::error::{ApiError, REALM};
use super::language;
use super::oauth::OauthError;
use crate::app::App;
use crate::domain::Instant;
use crate::texts::Language;

/// How Express and Rails name JSON.
const JSON_UTF8: &str = "application/json; charset=utf-8";

/// Whose words an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Our own, which is also that of the Teen Quotes contract.
    Native,
    /// RFC 6749.
    Oauth,
    /// The Unleash contract.
    Unleash,
    /// The OCARIoT contract.
    Ocariot,
    /// The SWIFT contract.
    Swift,
    /// The Interslice contract.
    Interslice,
}

impl Dialect {
    /// By the path alone: also for what no handler was reached for.
    fn of(path: &str) -> Self {
        match path {
            swift::PATH => Self::Swift,
            interslice::PATH => Self::Interslice,
            _ if path.starts_with("/oauth/") => Self::Oauth,
            _ if unleash::has(path) => Self::Unleash,
            _ if ocariot::has(path) => Self::Ocariot,
            _ => Self::Native,
        }
    }
}

/// How a request is to be answered: in whose words, and with all of the request that the words depend on. It is taken before the
/// request is handled, so that even a defect is told in them.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    dialect: Dialect,
    /// The request's name in the logs.
    pub(super) request_id: String,
    accept_language: Option<HeaderValue>,
    content_type: Option<HeaderValue>,
    compressed: bool,
    /// Whether the caller would have the connection stay open.
    persistent: bool,
    now: Instant,
    /// The most characters that a password may have.
    max_length: usize,
}

/// Whether the caller would have the connection stay open, in a version of HTTP where that is said in headers.
fn is_persistent(head: &RequestHead) -> bool {
    head.version <= Version::HTTP_11 && head.connection_type() == ConnectionType::KeepAlive
}

impl Voice {
    /// The one for this request.
    pub(super) fn of(head: &RequestHead, app: &App, request_id: String, now: Instant) -> Self {
        let header = |name| head.headers().get(name).cloned();
        Self {
            dialect: Dialect::of(head.uri.path()),
            request_id,
            accept_language: header(ACCEPT_LANGUAGE),
            content_type: header(CONTENT_TYPE),
            compressed: head.headers().contains_key(CONTENT_ENCODING),
            persistent: is_persistent(head),
            now,
            max_length: app.flows.policy.max_length,
        }
    }

    /// One for examples in these words.
    pub(super) fn example(dialect: Dialect, request_id: &str) -> Self {
        Self {
            dialect,
            request_id: request_id.to_owned(),
            accept_language: None,
            content_type: None,
            compressed: false,
            persistent: false,
            now: Instant::default(),
            max_length: 1024,
        }
    }

    /// An error in these words.
    pub(super) fn render(&self, error: &ApiError) -> HttpResponse {
        let mut response = match self.dialect {
            Dialect::Native => {
                error.render(self.language(Language::default()), Some(&self.request_id))
            }
            Dialect::Oauth => OauthError::from(error.clone()).error_response(),
            Dialect::Unleash => unleash::render(error, self),
            Dialect::Ocariot => ocariot::render(error),
            Dialect::Swift => swift::render(error, self),
            Dialect::Interslice => interslice::render(error, self),
        };
        // Some say 401 of other things than access tokens. No 401 goes without a challenge (RFC 9110 section 15.5.2).
        if response.status() == StatusCode::UNAUTHORIZED
            && !response.headers().contains_key(WWW_AUTHENTICATE)
            && let Ok(challenge) = HeaderValue::try_from(format!("Bearer realm=\"{REALM}\""))
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// Puts on the headers that every answer of this contract has. `refilled` is how long it takes until the caller's limit is
    /// as it was, when the call was counted.
    pub(super) fn dress(
        &self,
        headers: &mut HeaderMap,
        elapsed: Duration,
        refilled: Option<TimeDelta>,
    ) {
        match self.dialect {
            Dialect::Swift => swift::dress(headers, self, refilled),
            Dialect::Interslice => interslice::dress(headers, elapsed),
            Dialect::Native | Dialect::Oauth | Dialect::Unleash | Dialect::Ocariot => {}
        }
    }

    /// The caller's language, where everybody else reads `otherwise`.
    fn language(&self, otherwise: Language) -> Language {
        language::preferred(self.accept_language.as_ref(), otherwise)
    }
}
