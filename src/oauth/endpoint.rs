//! What oxide-auth works on: one request of one client. It does no I/O: the client was looked up before, and the token is stored
//! after.

use oxide_auth::code_grant::client_credentials as grant;
use oxide_auth::primitives::issuer::Issuer;
use oxide_auth::primitives::registrar::Registrar;

use super::TokenError;
use super::token::{Issued, Terms};
use crate::domain::scope::UnknownScope;
use crate::domain::{Client, Scopes};

/// The state of one token request: registrar and issuer in one.
pub(super) struct Endpoint<'a> {
    /// Whoever the credentials belong to.
    pub(super) client: Option<&'a Client>,
    pub(super) terms: Terms,
    /// The scopes that were asked for; none when nothing was.
    pub(super) asked: Result<Scopes, UnknownScope>,
    pub(super) issued: Option<Issued>,
    no_extension: (),
}

impl<'a> Endpoint<'a> {
    pub(super) fn new(
        client: Option<&'a Client>,
        terms: Terms,
        asked: Result<Scopes, UnknownScope>,
    ) -> Self {
        Self {
            client,
            terms,
            asked,
            issued: None,
            no_extension: (),
        }
    }

    pub(super) fn into_issued(self) -> Result<Issued, TokenError> {
        self.issued
            .ok_or(TokenError::InvalidRequest("the request cannot be granted"))
    }
}

impl grant::Endpoint for Endpoint<'_> {
    fn registrar(&self) -> &dyn Registrar {
        self
    }

    fn issuer(&mut self) -> &mut dyn Issuer {
        self
    }

    fn extension(&mut self) -> &mut dyn grant::Extension {
        &mut self.no_extension
    }
}
