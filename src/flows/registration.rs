//! Apps that are registered, and look after their registration, over HTTP (RFC 7591, RFC 7592).

use super::clients::NewClient;
use super::{Actor, By, Flows};
use crate::domain::{Client, ClientSecret, PlainToken, RegistrationToken};
use crate::entropy;
use crate::storage::StorageError;

/// A client that was just registered.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// Its secret, in clear here and nowhere else; none when it signs instead.
    pub secret: Option<PlainToken<ClientSecret>>,
    /// What manages the registration, in clear here and nowhere else.
    pub registration: PlainToken<RegistrationToken>,
}

impl Flows {
    /// Registers a client on behalf of another one.
    pub async fn register_client(
        &self,
        actor: Actor,
        mut new: NewClient,
    ) -> Result<Registered, StorageError> {
        let registration = PlainToken::from_random(entropy::bytes());
        new.registration = Some(registration.hashed());
        let (client, secret) = self.add_client(By::Client(actor), new).await?;
        Ok(Registered {
            client,
            secret,
            registration,
        })
    }
}
