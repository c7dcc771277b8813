//! What the service counts of itself, for Prometheus. Whatever does a thing counts it here with one call; `exposition` says how it is
//! shown. Labels come from closed sets of our own words: nothing that a caller writes can be in one (bar P14).

mod exposition;
mod page;
mod process;
mod requests;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};

pub use exposition::Format;
pub use requests::Requests;
pub use tally::{Counter, Histogram, Words};

use crate::clock;

/// All that one service counts.
#[derive(Debug)]
pub struct Metrics {
    started_at: DateTime<Utc>,
    /// What was asked and answered.
    pub requests: Requests,
    /// Calls that came too often, by bucket.
    pub limited: Words,
    /// Tokens issued: `application` or `user`.
    pub tokens: Words,
    /// What became of wishes for a reset mail.
    pub reminds: Words,
    /// What became of attempts to set a password with a link.
    pub resets: Words,
    /// The cache of live tokens.
    pub token_cache: Lookups,
    /// The cache of clients.
    pub client_cache: Lookups,
    /// The cache of links.
    pub link_cache: Lookups,
    /// The queue of mails and what becomes of them.
    pub mail: MailMetrics,
    storage: Arc<StorageMetrics>,
    hashing: Arc<HashMetrics>,
}

impl Metrics {
    /// Nothing counted yet, but for what the database and the gate before bcrypt count for themselves.
    pub fn new(
        started_at: DateTime<Utc>,
        storage: Arc<StorageMetrics>,
        hashing: Arc<HashMetrics>,
    ) -> Self {
        Self {
            started_at,
            requests: Requests::default(),
            limited: Words::new(&["token", "api", "page"]),
            tokens: Words::new(&["application", "user"]),
            reminds: Words::new(&["accepted", "cool_down", "throttled", "wrong_user", "busy"]),
            resets: Words::new(&[
                "accepted",
                "wrong_password",
                "wrong_token",
                "wrong_user",
                "failed",
            ]),
            token_cache: Lookups::default(),
            client_cache: Lookups::default(),
            link_cache: Lookups::default(),
            mail: MailMetrics::default(),
            storage,
            hashing,
        }
    }
}

/// How often a cache knew what it was asked for. A clone counts into the same.
#[derive(Debug, Clone, Default)]
pub struct Lookups(Arc<(Counter, Counter)>);

impl Lookups {
    /// It knew.
    pub fn hit(&self) {
        self.0.0.one();
    }

    /// It did not know.
    pub fn miss(&self) {
        self.0.1.one();
    }
}

/// What the database's gates count.
#[derive(Debug)]
pub struct StorageMetrics {
    /// The gate for reads.
    pub reads: GateMetrics,
    /// The gate for writes.
    pub writes: GateMetrics,
    /// Callers that were told to come back because too many waited.
    pub refused: Counter,
    /// What was waited for in vain on PostgreSQL: a `connection` that is free, or an `answer`.
    pub timeouts: Words,
}

impl Default for StorageMetrics {
    fn default() -> Self {
        Self {
            reads: GateMetrics::default(),
            writes: GateMetrics::default(),
            refused: Counter::default(),
            timeouts: Words::new(&["connection", "answer"]),
        }
    }
}

/// What goes through a gate.
#[derive(Debug)]
pub struct GateMetrics {
    sizes: Histogram,
    times: Histogram,
}

impl Default for GateMetrics {
    fn default() -> Self {
        Self {
            sizes: Histogram::of_sizes(),
            times: Histogram::of_times(),
        }
    }
}

impl GateMetrics {
    /// A transaction of so many closures begins now, and ends when what this returns is dropped.
    pub fn begin(&self, closures: usize) -> Transaction<'_> {
        self.sizes.had(closures);
        Transaction {
            started: clock::monotonic(),
            times: &self.times,
        }
    }
}

/// A transaction that runs.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Transaction<'a> {
    started: Instant,
    times: &'a Histogram,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.times.took(self.started.elapsed());
    }
}

/// What the gate before bcrypt counts.
#[derive(Debug)]
pub struct HashMetrics {
    /// How long callers waited for their turn.
    pub waited: Histogram,
    /// How long a turn took.
    pub took: Histogram,
    /// Callers that were told to come back.
    pub refused: Counter,
}

impl Default for HashMetrics {
    fn default() -> Self {
        Self {
            waited: Histogram::of_long_times(),
            took: Histogram::of_long_times(),
            refused: Counter::default(),
        }
    }
}

/// What is known of mails.
#[derive(Debug)]
pub struct MailMetrics {
    /// What became of mails: `sent`, `retried`, `failed`, `skipped`.
    pub outcomes: Words,
    /// How long attempts to send took.
    pub attempts: Histogram,
    queue: Mutex<Option<Queue>>,
}

/// The queue of mails.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    /// How many wait.
    pub waiting: i64,
    /// When the one that is due first is, or was, due.
    pub first_due_at: Option<DateTime<Utc>>,
}

impl Default for MailMetrics {
    fn default() -> Self {
        Self {
            outcomes: Words::new(&["sent", "retried", "failed", "skipped"]),
            attempts: Histogram::of_long_times(),
            queue: Mutex::default(),
        }
    }
}

impl MailMetrics {
    /// Says how the queue is; none when the database does not say.
    pub fn queue_is(&self, queue: Option<Queue>) {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner) = queue;
    }

    fn queue(&self) -> Option<Queue> {
        *self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is not counted but looked at when somebody asks.
#[derive(Debug, Clone)]
pub struct Levels {
    /// What time it is.
    pub now: DateTime<Utc>,
    /// The database's queues.
    pub storage: StorageLevel,
    /// The gate before bcrypt.
    pub hashing: HashLevel,
}

/// Who waits for the database.
#[derive(Debug, Clone, Copy)]
pub enum StorageLevel {
    /// SQLite: closures in the queues.
    Sqlite {
        /// Before the threads that read.
        reads: usize,
        /// Before the thread that writes.
        writes: usize,
    },
    /// PostgreSQL: connections.
    Postgres {
        /// For all calls but those for tokens.
        calls: PoolLevel,
        /// For tokens of applications.
        tokens: PoolLevel,
    },
}

/// Who has connections, and who wants one.
#[derive(Debug, Clone, Copy)]
pub struct PoolLevel {
    /// The most connections.
    pub size: usize,
    /// Those that somebody has.
    pub in_use: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

/// Who waits for bcrypt.
#[derive(Debug, Clone, Copy)]
pub struct HashLevel {
    /// How many may hash at once.
    pub slots: usize,
    /// How many do.
    pub running: usize,
    /// How many wait.
    pub waiting: usize,
    /// How many may wait.
    pub most_waiting: usize,
}
