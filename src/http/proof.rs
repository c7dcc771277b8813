//! The `DPoP` field and its nonce (RFC 9449): how proofs come in, and what they are answered with.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::app::App;
use crate::oauth::dpop::Presented;

/// Where a proof is.
pub(super) const PROOF: HeaderName = HeaderName::from_static("dpop");
/// Where a nonce is.
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Where a request went: as configured, and never by the Host header.
pub(super) fn target(app: &App, path: &str) -> String {
    format!("{}{path}", app.flows.public_url)
}

/// What the one `DPoP` field is to prove. More than one are as bad as none (section 4.3).
pub(super) fn presented<'a>(
    headers: &'a HeaderMap,
    method: &'a Method,
    uri: &'a str,
) -> Presented<'a> {
    let mut fields = headers.get_all(PROOF);
    let only = fields.next().filter(|_| fields.next().is_none());
    Presented {
        proof: only.and_then(|field| field.to_str().ok()),
        method: method.as_str(),
        uri,
        token: None,
    }
}

/// Whether there is such a field at all.
pub(super) fn is_offered(request: &HttpRequest) -> bool {
    request.headers().contains_key(PROOF)
}

/// Puts a nonce for the caller's next proof on an answer.
pub(super) fn put_nonce(headers: &mut HeaderMap, nonce: Option<&str>) {
    if let Some(Ok(nonce)) = nonce.map(HeaderValue::from_str) {
        headers.insert(NONCE, nonce);
    }
}
