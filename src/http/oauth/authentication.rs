//! How a client says who it is (RFC 6749 section 2.3): one way at most (bar O07).

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::OauthError;
use super::parameters::Parameters;
use crate::http::fields;
use crate::oauth::{ASSERTION_TYPE, Authentication, ClientAssertion, ClientCredentials};

/// Reads the `Authorization` field and the parameters.
pub(in crate::http) fn read(
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Authentication, OauthError> {
    let two_ways = || OauthError::malformed("the client authenticates in two ways");
    let id = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let assertion = parameters.get("client_assertion");
    let assertion_type = parameters.get("client_assertion_type");
    let signs = assertion.or(assertion_type).is_some();
    let Some(readings) = basic(headers)? else {
        return match (id, secret) {
            (_, Some(_)) if signs => Err(two_ways()),
            (id, None) if signs => by_assertion(id, assertion, assertion_type),
            (Some(id), Some(secret)) => Ok(Authentication::Secret(vec![ClientCredentials {
                id: id.to_owned(),
                secret: Zeroizing::new(secret.to_owned()),
            }])),
            _ => Ok(Authentication::None),
        };
    };
    if secret.is_some() || signs {
        return Err(two_ways());
    }
    if id.is_some_and(|id| !readings.is_empty() && readings.iter().all(|r| r.id != id)) {
        return Err(OauthError::malformed(
            "client_id differs from the one in the Authorization header",
        ));
    }
    Ok(Authentication::Secret(readings))
}

/// Reads a signed assertion (RFC 7521 section 4.2).
fn by_assertion(
    id: Option<&str>,
    assertion: Option<&str>,
    assertion_type: Option<&str>,
) -> Result<Authentication, OauthError> {
    let (Some(text), Some(kind)) = (assertion, assertion_type) else {
        return Err(OauthError::malformed(
            "client_assertion and client_assertion_type belong together",
        ));
    };
    if kind != ASSERTION_TYPE {
        return Ok(Authentication::Secret(Vec::new())); // says nothing that is understood, and is refused as such
    }
    Ok(Authentication::Assertion(ClientAssertion {
        text: text.to_owned(),
        client_id: id.map(str::to_owned),
    }))
}

/// Reads HTTP Basic (RFC 6749 section 2.3.1): both halves form-encoded. Many clients send them raw, so that is tried as well
/// when it makes a difference (bar O04). `None` when there is no such field; no readings when it is broken, or not Basic.
fn basic(headers: &HeaderMap) -> Result<Option<Vec<ClientCredentials>>, OauthError> {
    let mut fields = headers.get_all(AUTHORIZATION);
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    if fields.next().is_some() {
        return Err(OauthError::malformed("there are two Authorization headers"));
    }
    let decoded = field.to_str().ok().and_then(|text| {
        let (scheme, value) = text.split_once(' ')?;
        let bytes = scheme
            .eq_ignore_ascii_case("basic")
            .then(|| STANDARD.decode(value.trim_matches(' ')).ok())??;
        String::from_utf8(bytes).ok().map(Zeroizing::new)
    });
    let mut readings = Vec::new();
    if let Some((id, secret)) = decoded.as_ref().and_then(|text| text.split_once(':')) {
        let mut add = |id: String, secret: String| {
            if !id.contains('\0') && !secret.contains('\0') {
                readings.push(ClientCredentials {
                    id,
                    secret: Zeroizing::new(secret),
                });
            }
        };
        let form_decoded = fields::form_decode(id).zip(fields::form_decode(secret));
        let raw_differs = form_decoded
            .as_ref()
            .is_none_or(|(i, s)| i != id || s != secret);
        if let Some((id, secret)) = form_decoded {
            add(id, secret);
        }
        if raw_differs {
            add(id.to_owned(), secret.to_owned());
        }
    }
    Ok(Some(readings))
}
