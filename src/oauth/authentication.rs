//! Is this the client that it says it is? (RFC 6749 section 2.3)

use std::sync::Arc;

use super::TokenError;
use super::assertion::{self, ClientAssertion};
use super::known::{Age, Known};
use crate::domain::{Client, Instant};
use crate::storage::Storage;

/// How a client says who it is.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// Not at all.
    None,
    /// By its secret: the ways in which id and secret can be read, most likely first (bar O04); none when they cannot.
    Secret(Vec<ClientCredentials>),
    /// By a signature.
    Assertion(ClientAssertion),
}

/// A client's id and secret, as sent.
#[derive(Clone)]
pub struct ClientCredentials {
    /// `client_id`.
    pub id: String,
    /// `client_secret`.
    pub secret: zeroize::Zeroizing<String>,
}

impl std::fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCredentials(..)")
    }
}

/// Finds the client, or says that there is none: the same for an unknown one as for a wrong secret (bar O09). `issuer` is what we
/// are called.
pub async fn authenticate(
    storage: &Storage,
    known: &Known,
    authentication: Authentication,
    issuer: &str,
    now: Instant,
) -> Result<Arc<Client>, TokenError> {
    match authentication {
        Authentication::None => Err(TokenError::InvalidClient),
        Authentication::Secret(readings) => {
            let client = known.client(&readings, Age::Fresh, now).await?;
            let (client, _) = client.ok_or(TokenError::InvalidClient)?;
            Ok(Arc::clone(&client.client))
        }
        Authentication::Assertion(assertion) => {
            let proven = assertion::verify(storage, &assertion, issuer, now).await?;
            storage.write(move |c| proven.redeem(c)).await.map(Arc::new)
        }
    }
}
