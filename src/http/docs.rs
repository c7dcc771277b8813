//! `GET /docs`: the description of the API, for people. Swagger UI is built in, and the page asks no other host for anything.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentEncoding,
};
use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::Config;

use super::error::ApiError;

/// What the page is made of: each file's name and content type.
pub(super) const FILES: [(&str, &str); 3] = [
    (START, "text/javascript; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];
/// The one that is ours.
const START: &str = "start.js";

/// Nothing from elsewhere. Swagger UI sets styles on elements and has its icons in its style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(include_str!("docs/page.html"))
}

/// A file of the page.
pub(super) async fn file(name: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let found = FILES.iter().find(|(known, _)| *known == *name);
    let (name, content_type) = found.ok_or(ApiError::NotFound)?;
    let mut response = HttpResponse::Ok();
    // It changes with the program only.
    response
        .content_type(*content_type)
        .insert_header((CACHE_CONTROL, "max-age=3600"));
    if *name == START {
        return Ok(response.body(include_str!("docs/start.js")));
    }
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::default()));
    let file = file.ok().flatten().ok_or(ApiError::NotFound)?;
    if file.gzpipped {
        // Packed when the program was built. Who names no codings takes any (RFC 9110 section 12.5.3).
        response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip));
    }
    Ok(match file.bytes {
        Cow::Borrowed(bytes) => response.body(web::Bytes::from_static(bytes)),
        Cow::Owned(bytes) => response.body(bytes),
    })
}
