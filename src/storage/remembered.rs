//! What storage said a moment ago, for what every call asks.
//!
//! What this process changes is forgotten at once: the statement that changes a row says so here, and once its transaction has ended, and
//! before its caller is answered, everything that was remembered of its kind is void. What another process changes is seen after `STALE`
//! at the latest, for then storage is asked again - but by whoever takes the `last` word, however old, and has the statement that acts on
//! it ask whether it still holds. Nothing is remembered of what does not exist.

use std::borrow::Borrow;
use std::cell::Cell;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant as Monotonic};

use diesel::QueryResult;
use quick_cache::sync::Cache;

use super::Storage;
use crate::clock;
use crate::domain::Instant;

/// How long storage's word is taken, from before it was asked.
const STALE: Duration = Duration::from_secs(1);
/// How many words of a kind are kept, some 300 bytes each. The least used go first.
const MOST: usize = 10_000;

/// Rows that are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Clients, their secrets and access tokens.
    Access,
    /// Reset tokens.
    Links,
}

thread_local! {
    /// The kinds of which the transaction that this thread runs has changed rows, a bit each. Diesel's connection has no room for them.
    static CHANGED: Cell<u8> = const { Cell::new(0) };
}

/// Says that the transaction that runs on this thread changes rows that may be remembered.
pub(super) fn change(kind: Kind) {
    CHANGED.set(CHANGED.get() | 1 << kind as u8);
}

/// Counts how often what is remembered of a kind has become void.
#[derive(Debug, Default)]
pub(super) struct Epochs([AtomicU64; 2]);

/// The same, when a statement has changed any, or may have.
pub(super) fn changed(kind: Kind, rows: QueryResult<usize>) -> QueryResult<usize> {
    if rows.as_ref().is_ok_and(|rows| *rows == 0) {
        return rows;
    }
    change(kind);
    rows
}

impl Epochs {
    fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize].load(Ordering::Acquire)
    }

    /// To be called when a transaction of this thread has ended, however it did.
    pub(super) fn end_transaction(&self) {
        let changed = CHANGED.take();
        for (bit, epoch) in self.0.iter().enumerate() {
            if changed & 1 << bit != 0 {
                epoch.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

/// Words of one kind, by key.
pub struct Memory<K, V> {
    kind: Kind,
    words: Cache<K, Word<V>>,
}

/// What storage said, and when it was asked.
#[derive(Clone)]
struct Word<V> {
    value: V,
    asked: Asked,
}

/// The state of things before storage is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    epoch: u64,
    monotonic: Monotonic,
    /// By the service's own clock.
    at: Instant,
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// Remembers nothing yet.
    pub fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self {
            kind,
            words: Cache::new(MOST),
        })
    }

    /// To be taken before storage is asked.
    pub fn asking(&self, storage: &Storage, now: Instant) -> Asked {
        Asked {
            epoch: storage.epochs().of(self.kind),
            monotonic: clock::monotonic(),
            at: now,
        }
    }

    /// What storage would most likely say.
    pub fn recall<Q>(&self, key: &Q, storage: &Storage, now: Instant) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let Word { value, asked } = self.words.get(key)?;
        let stands = asked.epoch == storage.epochs().of(self.kind)
            && asked.at <= now
            && asked.monotonic.elapsed() < STALE;
        stands.then_some(value)
    }

    /// What storage said last, however long ago.
    pub fn last(&self, key: &K) -> Option<V> {
        self.words.get(key).map(|word| word.value)
    }

    /// Keeps what storage said.
    pub fn keep(&self, key: K, value: V, asked: Asked) {
        self.words.insert(key, Word { value, asked });
    }

    /// Forgets what is no more.
    pub fn forget(&self, key: &K) {
        self.words.remove(key);
    }
}
