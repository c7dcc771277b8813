//! New access tokens: made here, stored by the caller.

use oxide_auth::primitives::grant::Grant;
use oxide_auth::primitives::issuer::{IssuedToken, Issuer, RefreshedToken, TokenType};

use super::endpoint::Endpoint;
use super::token::Issued;

impl Issuer for Endpoint<'_> {
    fn issue(&mut self, grant: Grant) -> Result<IssuedToken, ()> {
        let client = self.client.ok_or(())?;
        let scopes = grant.scope.to_string().parse().map_err(|_| ())?;
        let ours = Issued::new(client, scopes, self.terms);
        let issued = IssuedToken {
            token: ours.token.expose().to_owned(),
            refresh: None,
            until: self.terms.now + ours.lifetime,
            token_type: TokenType::Bearer,
        };
        self.issued = Some(ours);
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
