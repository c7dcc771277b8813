//! New access tokens: made here, stored by the caller.

use oxide_auth::primitives::grant::Grant;
use oxide_auth::primitives::issuer::{IssuedToken, Issuer, RefreshedToken, TokenType};

use super::endpoint::Endpoint;
use super::token::Issued;
use crate::domain::PlainToken;

impl Issuer for Endpoint<'_> {
    fn issue(&mut self, grant: Grant) -> Result<IssuedToken, ()> {
        let client = self.client.ok_or(())?;
        let scopes = grant.scope.to_string().parse().map_err(|_| ())?;
        let lifetime = client.token_lifetime.unwrap_or(self.terms.lifetime);
        let token = PlainToken::from_random(self.terms.random);
        let issued = IssuedToken {
            token: token.expose().to_owned(),
            refresh: None,
            until: self.terms.now + lifetime,
            token_type: TokenType::Bearer,
        };
        self.issued = Some(Issued {
            client_id: client.id.clone(),
            token,
            scopes,
            lifetime,
            jkt: None,
        });
        Ok(issued)
    }

    /// There are no refresh tokens (RFC 6749 section 4.4.3, bar O14).
    fn refresh(&mut self, _: &str, _: Grant) -> Result<RefreshedToken, ()> {
        Err(())
    }

    /// Tokens are recovered by the guard, which needs no transaction.
    fn recover_token<'t>(&'t self, _: &'t str) -> Result<Option<Grant>, ()> {
        Err(())
    }

    fn recover_refresh<'t>(&'t self, _: &'t str) -> Result<Option<Grant>, ()> {
        Ok(None)
    }
}
