//! Who a client is and what it may ask for, from the database.

use oxide_auth::primitives::registrar::{
    BoundClient, ClientUrl, PreGrant, RegisteredUrl, Registrar, RegistrarError,
};
use oxide_auth::primitives::scope::Scope as LibraryScope;

use super::endpoint::Endpoint;
use super::{TokenError, no_redirect, to_library};
use crate::domain::{ClientId, HashedToken};
use crate::storage::clients;

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
        let registered = self
            .client
            .borrow()
            .as_ref()
            .map(|client| client.scopes)
            .unwrap_or_default();
        match self
            .asked
            .map(|asked| if asked.is_empty() { registered } else { asked })
        {
            Ok(scopes) if scopes.is_within(registered) && !scopes.is_empty() => Ok(PreGrant {
                client_id: bound.client_id.into_owned(),
                redirect_uri: bound.redirect_uri.into_owned(),
                scope: to_library(scopes),
            }),
            _ => {
                self.failure.set(Some(TokenError::InvalidScope));
                Err(RegistrarError::Unspecified)
            }
        }
    }

    /// One look-up by id and digest: an unknown client costs what a wrong secret costs (bar O09).
    fn check(&self, client_id: &str, passphrase: Option<&[u8]>) -> Result<(), RegistrarError> {
        let secret = passphrase
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default();
        let digest = HashedToken::of(secret);
        let found = clients::authenticate(
            &mut self.connection.borrow_mut(),
            &ClientId::new(client_id),
            &digest,
            self.terms.now,
        );
        match found {
            Ok(Some(client)) => {
                *self.client.borrow_mut() = Some(client);
                Ok(())
            }
            Ok(None) => Err(RegistrarError::Unspecified),
            Err(error) => {
                self.failure.set(Some(error.into()));
                Err(RegistrarError::PrimitiveError)
            }
        }
    }
}
