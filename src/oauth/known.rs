//! Clients that were let in before, as they were then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DurationRound, TimeDelta};

use crate::domain::{Client, ClientId, ClientSecret, HashedToken, Instant};

/// More clients than any installation has; beyond, remembering begins anew.
const MOST: usize = 10_000;

/// What is known of clients by id and digest of the secret. Never proof of anything: whoever uses it has the database check that
/// it still holds.
#[derive(Default)]
pub struct KnownClients(Mutex<HashMap<Key, Known>>);

type Key = (ClientId, [u8; 32]);

struct Known {
    client: Client,
    /// The minute of the use that this process noted last.
    noted: Option<Instant>,
}

impl KnownClients {
    /// The client that these credentials belonged to.
    pub(super) fn find(&self, id: &str, secret: &HashedToken<ClientSecret>) -> Option<Client> {
        let key = (ClientId::new(id), secret.digest());
        self.lock().get(&key).map(|known| known.client.clone())
    }

    /// Whether this process has noted already that the secret was used in this minute.
    pub(super) fn is_noted(
        &self,
        client: &Client,
        secret: &HashedToken<ClientSecret>,
        minute: Instant,
    ) -> bool {
        let key = (client.id.clone(), secret.digest());
        self.lock().get(&key).and_then(|known| known.noted) == Some(minute)
    }

    /// Remembers a client whose credentials were right, and that their use in this minute is noted.
    pub(super) fn remember(
        &self,
        client: Client,
        secret: &HashedToken<ClientSecret>,
        minute: Instant,
    ) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        let noted = Some(minute);
        known.insert(
            (client.id.clone(), secret.digest()),
            Known { client, noted },
        );
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The minute that a time is in: a use is noted by the minute, so that noting it costs next to nothing (bar O18).
pub(super) fn minute(now: Instant) -> Instant {
    now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now)
}
