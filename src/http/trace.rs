//! What a collector of spans is told of a request: whose trace it belongs to, and what became of it.

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use tracing::Span;

use crate::telemetry::{self, Outcome};

/// Before the request is handled.
pub(super) fn begun(span: &Span, headers: &HeaderMap) {
    telemetry::continue_trace(span, || {
        // Two parents are none (W3C Trace Context section 3.2.2).
        let mut parents = headers.get_all("traceparent");
        let parent = parents.next().filter(|_| parents.next().is_none());
        parent.and_then(|value| value.to_str().ok())
    });
}

/// When there is an answer, within the request's span. A route is a pattern and never a path, which can hold anything.
pub(super) fn answered(method: &Method, route: Option<&str>, status: u16) {
    let outcome = Outcome {
        method: method.as_str(),
        route,
        status,
    };
    telemetry::answered(&Span::current(), outcome);
}
