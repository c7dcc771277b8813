//! Who calls: access tokens, and clients with their secrets, as storage knew them a moment ago. Every call asks for one or the other.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DurationRound, TimeDelta};

use super::authentication::ClientCredentials;
use super::guard::Allowed;
use crate::domain::{AccessToken, Client, ClientId, ClientSecret, HashedToken, Instant, Scopes};
use crate::storage::access_tokens::{self, LiveToken};
use crate::storage::clients::{self, Authentic};
use crate::storage::{Memory, Remembered, Storage, StorageError, client_secrets};
use crate::telemetry::metrics::Metrics;

/// Remembers, and asks where it has to.
pub struct Known {
    storage: Storage,
    metrics: Arc<Metrics>,
    tokens: Arc<Memory<[u8; 32], Arc<KnownToken>>>,
    clients: Arc<Memory<Shown, Arc<KnownClient>>>,
}

/// A token that may be used.
#[derive(Debug)]
pub struct KnownToken {
    /// What it stands for.
    pub live: LiveToken,
    /// What oxide-auth has allowed it already: it would say the same again.
    pub(super) allowed: Allowed,
}

/// How old what is remembered may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// The statement that follows asks storage whether it still holds.
    Any,
    /// A second at most: nobody looks at storage again.
    Fresh,
    /// Storage is asked.
    None,
}

impl KnownToken {
    /// One that nothing was asked of yet.
    pub fn new(live: LiveToken) -> Arc<Self> {
        Arc::new(Self {
            live,
            allowed: Allowed::default(),
        })
    }
}

/// A client that showed a live secret.
pub(super) struct KnownClient {
    pub(super) client: Arc<Client>,
    /// What oxide-auth granted last, of which request for scopes: it would grant the same again.
    pub(super) granted: Mutex<Option<(Option<String>, Scopes)>>,
    /// When that secret ends.
    until: Option<Instant>,
    /// The last minute in which this process noted that the secret was used, since 1970.
    noted: AtomicI64,
}

impl Known {
    /// Nothing is known yet.
    pub fn new(storage: Storage, metrics: Arc<Metrics>) -> Self {
        Self {
            storage,
            metrics,
            tokens: Memory::new(Remembered::Access),
            clients: Memory::new(Remembered::Access),
        }
    }

    /// Finds a token that may be used now.
    pub(super) async fn token(
        &self,
        digest: HashedToken<AccessToken>,
        now: Instant,
    ) -> Result<Option<Arc<KnownToken>>, StorageError> {
        let key = digest.digest();
        if let Some(known) = self.tokens.recall(&key, &self.storage, now) {
            self.metrics.token_cache.hit();
            return Ok((known.live.expires_at > now).then_some(known));
        }
        self.metrics.token_cache.miss();
        let asked = self.tokens.asking(&self.storage, now);
        let found = self
            .storage
            .read(move |c| access_tokens::find_live(c, &digest, now));
        let Some(live) = found.await? else {
            self.tokens.forget(&key);
            return Ok(None);
        };
        let known = KnownToken::new(live);
        self.tokens.keep(key, Arc::clone(&known), asked);
        Ok(Some(known))
    }

    /// Finds the enabled client that a secret, in one of these readings, is a live one of. What is older than `Fresh` may be so no more,
    /// so that whoever takes it has to say `used` later, when it was.
    pub(super) async fn client(
        &self,
        readings: &[ClientCredentials],
        age: Age,
        now: Instant,
    ) -> Result<Option<(Arc<KnownClient>, HashedToken<ClientSecret>)>, StorageError> {
        let show = |reading: &ClientCredentials| {
            let secret = HashedToken::<ClientSecret>::of(&reading.secret);
            (ClientId::new(&reading.id), secret.digest())
        };
        let shown: Vec<Shown> = readings.iter().map(show).collect();
        let found = match self.remembered(&shown, age, now) {
            Some(found) => {
                self.metrics.client_cache.hit();
                Some(found)
            }
            None => {
                self.metrics.client_cache.miss();
                self.look_up(shown, now).await?
            }
        };
        let Some((shown, known)) = found else {
            return Ok(None);
        };
        let secret = HashedToken::from_digest(shown.1);
        if age != Age::Any {
            self.used(&known, &secret, now).await;
        }
        Ok(Some((known, secret)))
    }

    /// Forgets a client of which something does not hold any more.
    pub(super) fn forget(&self, client: &Client, secret: &HashedToken<ClientSecret>) {
        self.clients.forget(&(client.id.clone(), secret.digest()));
    }

    fn remembered(
        &self,
        shown: &[Shown],
        age: Age,
        now: Instant,
    ) -> Option<(Shown, Arc<KnownClient>)> {
        let recall = |one: &Shown| {
            let known = match age {
                Age::Fresh => self.clients.recall(one, &self.storage, now)?,
                Age::Any => self.clients.last(one)?,
                Age::None => return None,
            };
            let live = known.until.is_none_or(|until| until > now);
            live.then(|| (one.clone(), known))
        };
        shown.iter().find_map(recall)
    }

    async fn look_up(
        &self,
        shown: Vec<Shown>,
        now: Instant,
    ) -> Result<Option<(Shown, Arc<KnownClient>)>, StorageError> {
        let asked = self.clients.asking(&self.storage, now);
        let found = self.storage.read(move |c| {
            for one in shown {
                let secret = HashedToken::from_digest(one.1);
                if let Some(found) = clients::authenticate(c, &one.0, &secret, now)? {
                    return Ok::<_, StorageError>(Some((found, one)));
                }
            }
            Ok(None)
        });
        let Some((Authentic { client, until }, shown)) = found.await? else {
            return Ok(None);
        };
        let before = self.clients.last(&shown);
        let noted = before.map_or(i64::MIN, |known| known.noted.load(Ordering::Relaxed));
        let known = Arc::new(KnownClient {
            client: Arc::new(client),
            granted: Mutex::default(),
            until,
            noted: AtomicI64::new(noted),
        });
        self.clients.keep(shown.clone(), Arc::clone(&known), asked);
        Ok(Some((shown, known)))
    }

    /// Notes that a live secret was used. By the minute and by this process, so that it costs next to nothing (bar O18). When that
    /// fails, the next call notes it: nobody is refused for it.
    pub(super) async fn used(
        &self,
        known: &KnownClient,
        secret: &HashedToken<ClientSecret>,
        now: Instant,
    ) {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let noted = known.noted.swap(minute.timestamp(), Ordering::Relaxed);
        if noted == minute.timestamp() {
            return;
        }
        let (id, secret) = (known.client.id.clone(), secret.clone());
        let note = self
            .storage
            .write_one(move |c| client_secrets::note_use(c, &id, &secret, minute));
        let written: Result<_, StorageError> = note.await;
        if let Err(error) = written {
            known.noted.store(noted, Ordering::Relaxed);
            if !error.is_passing() {
                tracing::error!(%error, "the use of a secret was not noted");
            }
        }
    }
}

/// An id and the digest of a secret, as somebody showed them.
type Shown = (ClientId, [u8; 32]);
