//! The outermost layer: request id, headers, the caller's language on errors, one log line, and an answer even for a panic.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_cors::{Cors, CorsError};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError, web};
use futures_util::FutureExt;
use tracing::Instrument;

use super::auth::Identified;
use super::contracts::Voice;
use super::error::ApiError;
use super::oauth::Logged;
use super::origin::Named;
use super::patience::Requests;
use super::{headers, limits, origin, trace};
use crate::app::App;
use crate::domain::ClientId;
use crate::domain::audit::Origin;
use crate::{clock, entropy};

/// Wraps every request.
pub(super) async fn edge<B: MessageBody + 'static>(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let now = app.flows.clock.now();
    let id = headers::request_id(request.headers()).unwrap_or_else(|| entropy::id(now).to_string());
    let https = app.https;
    let started = clock::monotonic();
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = id.as_str());
    trace::begun(&span, request.headers());
    let voice = Voice::of(request.head(), &app, id.clone(), now);
    origin::note(&request, &app, &id);

    let handled = Requests::handle(&request);
    let answered = AssertUnwindSafe(next.call(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    drop(handled);
    let elapsed = started.elapsed();
    let (mut refusal, mut why) = (None, None);
    let answered = match answered {
        Ok(Ok(response)) => {
            (refusal, why) = said(&response);
            Ok(translate(response.map_into_boxed_body(), &voice))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => {
            span.in_scope(|| tracing::error!("a handler panicked"));
            let voice = Box::new(voice.clone());
            Err(Failed {
                voice,
                https,
                elapsed,
            }
            .into())
        }
    };
    let _entered = span.entered();
    let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
    match answered {
        Ok(mut response) => {
            let refilled = limits::add_reset(&mut response, now);
            voice.dress(response.headers_mut(), elapsed, refilled);
            headers::put(response.headers_mut(), &voice.request_id, https);
            if app.leaving.load(Ordering::Relaxed) {
                // A connection that is closed with an answer is not closed under the next request.
                let head = response.response_mut().head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            let status = response.status().as_u16();
            // The pattern, never the path: a path or query can hold anything.
            let route = response.request().match_pattern();
            trace::answered(&method, route.as_deref(), status);
            {
                let known = response.request().extensions();
                let by_token = known.get::<Identified>().and_then(Identified::client);
                let named = known.get::<Named>().map(|Named(client)| client);
                let client = by_token.or(named).map(ClientId::as_str);
                let address = known.get::<Origin>().and_then(|o| o.address.as_deref());
                app.flows.metrics.requests.answered(
                    route.as_deref(),
                    method.as_str(),
                    status,
                    refusal,
                    elapsed,
                );
                let method = method.as_str();
                tracing::info!(
                    method, route, status, refusal, why, elapsed_us, client, address, "answered"
                );
            }
            Ok(response)
        }
        Err(error) => {
            app.flows.metrics.requests.answered(
                None,
                method.as_str(),
                500,
                Some("internal"),
                elapsed,
            );
            let method = method.as_str();
            tracing::error!(method, elapsed_us, "not answered by a handler");
            Err(error)
        }
    }
}

/// The word with which an answer refuses, none when it does not; and what only the log is told.
fn said<B>(response: &ServiceResponse<B>) -> (Option<&'static str>, Option<&'static str>) {
    let extensions = response.response().extensions();
    let native = extensions.get::<ApiError>().map(|error| error.words().0);
    let oauth = extensions.get::<Logged>();
    let code = native.or_else(|| oauth.map(|logged| logged.code));
    (code, oauth.and_then(|logged| logged.why))
}

/// Errors were written without knowing the request: writes them again in the words of the contract that was called and in
/// the caller's language, with the request's id.
fn translate(response: ServiceResponse<BoxBody>, voice: &Voice) -> ServiceResponse<BoxBody> {
    let ours = response.response().extensions().get::<ApiError>().cloned();
    // A refused preflight is a plain text from actix-cors, and an error like every other to the caller (bar H03).
    let foreign = response
        .response()
        .error()
        .is_some_and(|error| error.as_error::<CorsError>().is_some());
    let Some(error) = ours.or(foreign.then_some(ApiError::Unreadable)) else {
        return response;
    };
    let (request, old) = response.into_parts();
    let mut new = voice.render(&error);
    for (name, value) in old.headers() {
        if !new.headers().contains_key(name) {
            new.headers_mut().insert(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, new)
}

/// A panic's answer: it has no request to go with any more.
#[derive(Debug)]
struct Failed {
    voice: Box<Voice>,
    https: bool,
    elapsed: Duration,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("internal")
    }
}

impl ResponseError for Failed {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = self.voice.render(&ApiError::Internal);
        let headers = response.headers_mut();
        self.voice.dress(headers, self.elapsed, None);
        headers::put(headers, &self.voice.request_id, self.https);
        response
    }
}

/// Which web pages may call: none, unless an operator names their origins.
pub(super) fn cors(app: &Arc<App>) -> Cors {
    let exposed = [
        "Authorization",
        "DPoP-Nonce",
        "WWW-Authenticate",
        "X-Request-Id",
        "Retry-After",
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
    ];
    let cors = Cors::default()
        .allow_any_header()
        .allow_any_method()
        .expose_headers(exposed)
        .max_age(600);
    if app.cors_origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    app.cors_origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use serde_json::Value;

    use super::*;
    use crate::http::contracts::Dialect;

    #[tokio::test]
    async fn a_panic_is_told_in_the_words_of_the_contract_that_was_called() {
        for (dialect, key) in [
            (Dialect::Native, "/status"),
            (Dialect::Unleash, "/name"),
            (Dialect::Ocariot, "/description"),
            (Dialect::Swift, "/message/RESPONSE_CODE"),
            (Dialect::Interslice, "/error"),
        ] {
            let failed = Failed {
                voice: Box::new(Voice::example(dialect, "an-id")),
                https: true,
                elapsed: Duration::ZERO,
            };
            let answer = failed.error_response();
            assert_eq!(answer.status(), 500);
            assert_eq!(answer.headers().get("x-request-id").unwrap(), "an-id");
            let body = to_bytes(answer.into_body()).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert!(body.pointer(key).is_some_and(Value::is_string), "{body}");
        }
    }
}
