//! The parsers of this layer by name, for whoever calls them without a socket: the fuzz targets (tests/fuzz) and the micro-benchmarks
//! (benches/micro.rs). The service itself never comes by here.

use std::net::IpAddr;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};
use serde_json::Value;

use super::body::Format;
use super::fields::{self, Fields, FromFields};
use super::oauth::authentication;
use super::oauth::client_metadata::ClientMetadata;
use super::oauth::parameters::Parameters;
use super::{auth, headers, language, peer};
use crate::oauth::Authentication;
use crate::texts::Language;

/// A form, decoded.
pub fn form(body: &[u8]) -> Option<Vec<(String, String)>> {
    fields::form(body).ok()
}

/// A JSON body, every name of which is there once. Known fields are read as what they are, whether or not they can be.
pub fn json(body: &[u8]) -> Option<Vec<(String, Value)>> {
    let fields = Fields::parse(Format::Json, body).ok()?;
    let _email = fields.email("email");
    let _locale = fields.locale("locale");
    let _profile = fields.profile("profile");
    let _token = fields.reset_token("token");
    let _password = fields.new_password("password", "password_confirmation");
    let _inside = fields
        .inside("user")
        .map(|user| user.filled("password").is_ok());
    fields.require_unique_names().ok()?;
    Some(fields.pairs().to_vec())
}

/// A client's description of itself; says whether it can be used.
pub fn client_metadata(body: &[u8]) -> bool {
    let fields = Fields::parse(Format::Json, body);
    fields.is_ok_and(|fields| ClientMetadata::from_fields(&fields).is_ok())
}

/// A request to the token endpoint: how the client says who it is.
pub fn token_request(authorization: &[u8], body: &[u8]) -> Option<Authentication> {
    let headers = header(AUTHORIZATION, authorization)?;
    authentication::read(&headers, &Parameters::parse(body).ok()?).ok()
}

/// An `Authorization` field of the API; says whether there is a token in it that could be one of ours.
pub fn bearer(authorization: &[u8]) -> bool {
    header(AUTHORIZATION, authorization).is_some_and(|headers| auth::presents_token(&headers))
}

/// An `Accept-Language` field.
pub fn accept_language(value: &[u8]) -> Language {
    let value = HeaderValue::from_bytes(value).ok();
    language::preferred(value.as_ref(), Language::default())
}

/// An `X-Request-Id` field, if it is harmless.
pub fn request_id(value: &[u8]) -> Option<String> {
    headers::request_id(&header(headers::REQUEST_ID, value)?)
}

/// An `X-Forwarded-For` field from a proxy on the loopback that is trusted.
pub fn forwarded(value: &[u8]) -> Option<IpAddr> {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    let headers = header(X_FORWARDED_FOR, value)?;
    Some(peer::caller(loopback, &headers, &[loopback.into()]))
}

/// What every answer gets; says how many fields that is. It reads nothing, and is measured beside what does.
pub fn answer_headers(request_id: &str) -> usize {
    let mut headers = HeaderMap::new();
    headers::put(&mut headers, request_id, true);
    headers.len()
}

fn header(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(headers)
}
