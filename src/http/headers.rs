//! The headers that every answer has: those of the SWIFT contract, and what an API needs besides (bar H13, B09).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// Sent with every answer. An API shows no page, so nothing may be loaded, framed or kept.
const ALWAYS: [(&str, &str); 14] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("pragma", "no-cache"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];

/// Only where the outside of us speaks TLS: a browser would otherwise be locked out.
const HSTS: (&str, &str) = (
    "strict-transport-security",
    "max-age=15552000; includeSubDomains",
);

/// The name under which a request can be found in the logs.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the headers on an answer; what a handler chose stays.
pub(super) fn put(headers: &mut HeaderMap, request_id: &str, https: bool) {
    for (name, value) in ALWAYS.into_iter().chain(https.then_some(HSTS)) {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
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
