//! The parameters of a request to an OAuth2 endpoint: a form, read strictly.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use super::OauthError;
use crate::http::body::{self, Format};
use crate::http::fields;

/// Every parameter at most once, an empty one as absent (RFC 6749 section 3.2, bar O12); nothing from the query (bar O03).
pub(in crate::http) struct Parameters(Vec<(String, String)>);

impl FromRequest for Parameters {
    type Error = OauthError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, OauthError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            if Format::of(&request) != Ok(Format::Form) {
                return Err(OauthError::malformed(
                    "the content type must be application/x-www-form-urlencoded",
                ));
            }
            Self::parse(&body::read(&request, payload).await?)
        })
    }
}

impl Parameters {
    pub(in crate::http) fn parse(body: &[u8]) -> Result<Self, OauthError> {
        let malformed = OauthError::malformed;
        let pairs =
            fields::form(body).map_err(|_| malformed("the body is not a well-formed form"))?;
        let mut seen = HashSet::new();
        if !pairs.iter().all(|(name, _)| seen.insert(name.as_str())) {
            return Err(malformed("a parameter is repeated"));
        }
        if pairs
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(malformed("a parameter holds a NUL character"));
        }
        Ok(Self(pairs))
    }

    /// A parameter that was sent and is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let found = pairs.find(|(n, value)| n == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}
