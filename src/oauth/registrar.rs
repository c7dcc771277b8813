//! Who a client is and what it may ask for.

use oxide_auth::primitives::registrar::{
    BoundClient, ClientUrl, PreGrant, RegisteredUrl, Registrar, RegistrarError,
};
use oxide_auth::primitives::scope::Scope as LibraryScope;

use super::endpoint::Endpoint;
use super::{no_redirect, to_library};

impl Registrar for Endpoint<'_> {
    fn bound_redirect<'a>(&self, bound: ClientUrl<'a>) -> Result<BoundClient<'a>, RegistrarError> {
        Ok(BoundClient {
            client_id: bound.client_id,
            redirect_uri: std::borrow::Cow::Owned(RegisteredUrl::Semantic(no_redirect())),
        })
    }

    /// Grants what was asked for when the client may have it, and all that the client may have when nothing was asked for
    /// (RFC 6749 section 3.3). Never less than asked: a silent cut would surprise the app later.
    fn negotiate(
        &self,
        bound: BoundClient<'_>,
        _: Option<LibraryScope>,
    ) -> Result<PreGrant, RegistrarError> {
        let client = self.client.ok_or(RegistrarError::Unspecified)?;
        let asked = self.asked.map_err(|_| RegistrarError::Unspecified)?;
        let scopes = if asked.is_empty() {
            client.scopes
        } else {
            asked
        };
        if scopes.is_empty() || !scopes.is_within(client.scopes) {
            return Err(RegistrarError::Unspecified);
        }
        Ok(PreGrant {
            client_id: bound.client_id.into_owned(),
            redirect_uri: bound.redirect_uri.into_owned(),
            scope: to_library(scopes),
        })
    }

    /// The secret was compared by digest look-up, in one query with the id: an unknown client costs what a wrong secret costs
    /// (bar O09).
    fn check(&self, client_id: &str, _: Option<&[u8]>) -> Result<(), RegistrarError> {
        match self.client {
            Some(client) if client.id.as_str() == client_id => Ok(()),
            _ => Err(RegistrarError::Unspecified),
        }
    }
}
