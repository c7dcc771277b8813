//! Is this the client that it says it is? (RFC 6749 section 2.3)

use super::TokenError;
use super::assertion::{self, ClientAssertion};
use super::known::{self, KnownClients};
use crate::domain::{Client, ClientId, HashedToken, Instant};
use crate::storage::{Storage, client_secrets, clients};

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
    known: &KnownClients,
    authentication: Authentication,
    issuer: &str,
    now: Instant,
) -> Result<Client, TokenError> {
    match authentication {
        Authentication::None => Err(TokenError::InvalidClient),
        Authentication::Secret(readings) => by_secret(storage, known, readings, now).await,
        Authentication::Assertion(assertion) => {
            let proven = assertion::verify(storage, &assertion, issuer, now).await?;
            storage.write(move |c| proven.redeem(c)).await
        }
    }
}

async fn by_secret(
    storage: &Storage,
    known: &KnownClients,
    readings: Vec<ClientCredentials>,
    now: Instant,
) -> Result<Client, TokenError> {
    let found = storage.read(move |c| {
        for credentials in &readings {
            let digest = HashedToken::of(&credentials.secret);
            let id = ClientId::new(&credentials.id);
            if let Some(client) = clients::authenticate(c, &id, &digest, now)? {
                return Ok((client, digest));
            }
        }
        Err(TokenError::InvalidClient)
    });
    let (client, digest) = found.await?;
    let minute = known::minute(now);
    if !known.is_noted(&client, &digest, minute) {
        let (id, secret) = (client.id.clone(), digest.clone());
        let note = storage.write_last(move |c| client_secrets::note_use(c, &id, &secret, minute));
        note.await?;
        known.remember(client.clone(), &digest, minute);
    }
    Ok(client)
}
