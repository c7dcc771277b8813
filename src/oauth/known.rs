//! Clients that were let in before, as they were then.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::{Client, ClientId, ClientSecret, HashedToken};

/// More clients than any installation has; beyond, remembering begins anew.
const MOST: usize = 10_000;

/// What is known of clients by id and digest of the secret. Never proof of anything: whoever uses it has the database check that
/// it still holds.
#[derive(Default)]
pub struct KnownClients(Mutex<HashMap<(ClientId, [u8; 32]), Client>>);

impl KnownClients {
    /// The client that these credentials belonged to.
    pub(super) fn find(&self, id: &str, secret: &HashedToken<ClientSecret>) -> Option<Client> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(ClientId::new(id), secret.digest())).cloned()
    }

    /// Remembers a client whose credentials were right.
    pub(super) fn remember(&self, client: Client, secret: &HashedToken<ClientSecret>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((client.id.clone(), secret.digest()), client);
    }
}
