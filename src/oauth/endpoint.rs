//! What oxide-auth works on: one connection, within one transaction, for one request.

use std::cell::{Cell, RefCell};

use oxide_auth::code_grant::client_credentials as grant;
use oxide_auth::primitives::issuer::Issuer;
use oxide_auth::primitives::registrar::Registrar;

use super::TokenError;
use super::token::{Issued, Terms};
use crate::domain::scope::UnknownScope;
use crate::domain::{Client, Scopes};
use crate::storage::AnyConnection;

/// The state of one token request. Registrar and issuer are both this: the client is loaded once, by authenticating it.
pub(super) struct Endpoint<'a> {
    pub(super) connection: RefCell<&'a mut AnyConnection>,
    pub(super) terms: Terms,
    /// The scopes that were asked for; none when nothing was.
    pub(super) asked: Result<Scopes, UnknownScope>,
    pub(super) client: RefCell<Option<Client>>,
    pub(super) issued: RefCell<Option<Issued>>,
    /// Why one of our own steps failed: oxide-auth's errors carry nothing of ours.
    pub(super) failure: Cell<Option<TokenError>>,
    no_extension: (),
}

impl<'a> Endpoint<'a> {
    pub(super) fn new(
        connection: &'a mut AnyConnection,
        terms: Terms,
        asked: Result<Scopes, UnknownScope>,
    ) -> Self {
        Self {
            connection: RefCell::new(connection),
            terms,
            asked,
            client: RefCell::new(None),
            issued: RefCell::new(None),
            failure: Cell::new(None),
            no_extension: (),
        }
    }

    pub(super) fn take_failure(&self) -> Option<TokenError> {
        self.failure.take()
    }

    pub(super) fn into_issued(self) -> Result<Issued, TokenError> {
        self.issued
            .into_inner()
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
