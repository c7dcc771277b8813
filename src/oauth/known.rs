//! What the database said a moment ago about access tokens and about clients with their secrets: every call asks for one or the other.
//!
//! What this process changes is forgotten at once: `Storage::epoch` counts on. What another one changes is seen after `STALE` at the
//! latest, for then the database is asked again. Nothing is remembered of what does not exist.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DurationRound, TimeDelta};
use quick_cache::sync::Cache;

use super::authentication::ClientCredentials;
use super::guard::Allowed;
use crate::clock;
use crate::domain::{AccessToken, Client, ClientId, ClientSecret, HashedToken, Instant, Scopes};
use crate::storage::access_tokens::{self, LiveToken};
use crate::storage::clients::{self, Authentic};
use crate::storage::{Storage, StorageError, client_secrets};

/// How long the database's word is taken, from before it was asked.
const STALE: Duration = Duration::from_secs(1);
/// How many tokens are remembered, some 300 bytes each, and how many clients. The least used go first.
const MOST: usize = 10_000;

/// Remembers, and asks where it has to.
pub struct Known {
    storage: Storage,
    tokens: Cache<[u8; 32], Word<KnownToken>>,
    clients: Cache<(ClientId, [u8; 32]), Word<KnownClient>>,
}

/// A token that may be used.
#[derive(Debug)]
pub struct KnownToken {
    /// What it stands for.
    pub live: LiveToken,
    /// What oxide-auth has allowed it already: it would say the same again.
    pub(super) allowed: Allowed,
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

/// What the database said, and when.
struct Word<T> {
    of: Arc<T>,
    epoch: u64,
    asked: std::time::Instant,
    /// The time of the service's own clock then.
    at: Instant,
}

impl<T> Clone for Word<T> {
    fn clone(&self) -> Self {
        Self {
            of: Arc::clone(&self.of),
            ..*self
        }
    }
}

impl<T> Word<T> {
    fn stands(&self, epoch: u64, now: Instant) -> bool {
        self.epoch == epoch && self.at <= now && self.asked.elapsed() < STALE
    }
}

impl Known {
    /// Nothing is known yet.
    pub fn new(storage: Storage) -> Self {
        Self {
            storage,
            tokens: Cache::new(MOST),
            clients: Cache::new(MOST),
        }
    }

    /// Finds a token that may be used now.
    pub(super) async fn token(
        &self,
        digest: HashedToken<AccessToken>,
        now: Instant,
    ) -> Result<Option<Arc<KnownToken>>, StorageError> {
        let (epoch, asked, key) = (self.storage.epoch(), clock::monotonic(), digest.digest());
        if let Some(word) = self.tokens.get(&key)
            && word.stands(epoch, now)
        {
            return Ok((word.of.live.expires_at > now).then_some(word.of));
        }
        let found = self
            .storage
            .read(move |c| access_tokens::find_live(c, &digest, now));
        let Some(live) = found.await? else {
            self.tokens.remove(&key);
            return Ok(None);
        };
        let of = Arc::new(KnownToken {
            live,
            allowed: Allowed::default(),
        });
        let word = Word {
            of: Arc::clone(&of),
            epoch,
            asked,
            at: now,
        };
        self.tokens.insert(key, word);
        Ok(Some(of))
    }

    /// Finds the enabled client that a secret, in one of these readings, is a live one of, and notes that it was used.
    pub(super) async fn client(
        &self,
        readings: &[ClientCredentials],
        now: Instant,
    ) -> Result<Option<Arc<KnownClient>>, StorageError> {
        let show = |reading: &ClientCredentials| {
            let secret = HashedToken::<ClientSecret>::of(&reading.secret);
            (ClientId::new(&reading.id), secret.digest())
        };
        let shown: Vec<Shown> = readings.iter().map(show).collect();
        let found = match self.remembered(&shown, now) {
            Some(found) => Some(found),
            None => self.look_up(shown, now).await?,
        };
        let Some((shown, known)) = found else {
            return Ok(None);
        };
        self.note_use(shown, &known, now).await?;
        Ok(Some(known))
    }

    fn remembered(&self, shown: &[Shown], now: Instant) -> Option<(Shown, Arc<KnownClient>)> {
        let epoch = self.storage.epoch();
        let stands = |one: &Shown| {
            let word = self.clients.get(one).filter(|w| w.stands(epoch, now))?;
            let live = word.of.until.is_none_or(|until| until > now);
            live.then(|| (one.clone(), word.of))
        };
        shown.iter().find_map(stands)
    }

    async fn look_up(
        &self,
        shown: Vec<Shown>,
        now: Instant,
    ) -> Result<Option<(Shown, Arc<KnownClient>)>, StorageError> {
        let (epoch, asked) = (self.storage.epoch(), clock::monotonic());
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
        let before = self.clients.get(&shown);
        let noted = before.map_or(i64::MIN, |word| word.of.noted.load(Ordering::Relaxed));
        let of = Arc::new(KnownClient {
            client: Arc::new(client),
            granted: Mutex::default(),
            until,
            noted: AtomicI64::new(noted),
        });
        let word = Word {
            of: Arc::clone(&of),
            epoch,
            asked,
            at: now,
        };
        self.clients.insert(shown.clone(), word);
        Ok(Some((shown, of)))
    }

    /// By the minute and by this process, so that it costs next to nothing (bar O18).
    async fn note_use(
        &self,
        (id, secret): Shown,
        known: &KnownClient,
        now: Instant,
    ) -> Result<(), StorageError> {
        let minute = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
        let noted = known.noted.swap(minute.timestamp(), Ordering::Relaxed);
        if noted == minute.timestamp() {
            return Ok(());
        }
        let secret = HashedToken::from_digest(secret);
        let note = self
            .storage
            .write_one(move |c| client_secrets::note_use(c, &id, &secret, minute));
        let written = note.await;
        if written.is_err() {
            known.noted.store(noted, Ordering::Relaxed);
        }
        written
    }
}

/// An id and the digest of a secret, as somebody showed them.
type Shown = (ClientId, [u8; 32]);
