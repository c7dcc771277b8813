//! The headers that every answer has: those of the SWIFT contract, and what an API needs besides (bar H13, B09).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// A header that is made once, while we are compiled.
const fn fixed(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}

/// Sent with every answer. An API shows no page, so nothing may be loaded, framed or kept.
static ALWAYS: [(HeaderName, HeaderValue); 14] = [
    fixed("cache-control", "no-store"),
    fixed(
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    fixed("cross-origin-embedder-policy", "require-corp"),
    fixed("cross-origin-opener-policy", "same-origin"),
    fixed("cross-origin-resource-policy", "same-origin"),
    fixed("origin-agent-cluster", "?1"),
    fixed("pragma", "no-cache"),
    fixed("referrer-policy", "no-referrer"),
    fixed("x-content-type-options", "nosniff"),
    fixed("x-dns-prefetch-control", "off"),
    fixed("x-download-options", "noopen"),
    fixed("x-frame-options", "SAMEORIGIN"),
    fixed("x-permitted-cross-domain-policies", "none"),
    fixed("x-xss-protection", "0"),
];

/// Only where the outside of us speaks TLS: a browser would otherwise be locked out.
static HSTS: (HeaderName, HeaderValue) = fixed(
    "strict-transport-security",
    "max-age=15552000; includeSubDomains",
);

/// The name under which a request can be found in the logs.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the headers on an answer; what a handler chose stays.
pub(super) fn put(headers: &mut HeaderMap, request_id: &str, https: bool) {
    // A handler chose few, so that a look through those costs less than to ask for each of ours.
    let chosen: Vec<_> = headers.keys().cloned().collect();
    headers.reserve(ALWAYS.len() + 2);
    for (name, value) in ALWAYS.iter().chain(https.then_some(&HSTS)) {
        // What is not there yet is appended for less than it would be replaced.
        if !chosen.contains(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// The caller's request id, when it is harmless (bar H14).
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let id = headers.get(&REQUEST_ID)?.as_bytes();
    let good = (1..=64).contains(&id.len()) && id.iter().all(|b| harmless(*b));
    good.then(|| String::from_utf8_lossy(id).into_owned())
}
