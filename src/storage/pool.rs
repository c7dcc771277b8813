//! The pool of PostgreSQL connections: bounded, and healing after the server was away or has fallen silent (bar D05).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::connection::AnyConnection;
use super::error::{Result, StorageError};
use super::libpq_url::wants_read_write;
use super::remembered::Epochs;
use crate::domain::DatabaseUrl;
use crate::telemetry::metrics::{PoolLevel, StorageMetrics};
use crate::{clock, telemetry};

/// How long a caller waits for a connection before it is told to come back.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a caller waits for an answer. The server ends statements earlier; this is for one that has fallen silent.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a caller waits in all.
pub(super) const LONGEST: Duration = Duration::from_secs(PATIENCE.as_secs() + ANSWER.as_secs());
/// A connection that was used within this time is trusted without asking the server, unless another was lost since.
const FRESH: Duration = Duration::from_secs(1);
/// The most callers that wait, for each connection.
const WAITING_EACH: usize = 64;

/// How many sets of connections there may be. Whoever waits for an answer that never comes cannot be woken, so a set with such a one
/// is left behind, with its threads, until the system gives its connections up.
const SETS: usize = 4;

/// The pool and the gate before it.
pub(super) struct Pool {
    url: DatabaseUrl,
    size: u32,
    epochs: Arc<Epochs>,
    sets: Mutex<Sets>,
    admitted: Arc<Semaphore>,
    metrics: Arc<StorageMetrics>,
    losses: Arc<Losses>,
}

/// How often the server was lost, as the connections to it tell. Where one has ended, most likely all have that were made before: who
/// gets one of them next should not learn it by a failure. Pools of one server share it.
#[derive(Debug, Default)]
pub(super) struct Losses(AtomicU64);

/// The connections in use, and those that were left behind and still live.
struct Sets {
    current: Arc<Set>,
    left: Vec<Weak<Set>>,
}

/// Connections, and leave to use them.
struct Set {
    connections: r2d2::Pool<Opener>,
    running: Arc<Semaphore>,
}

/// What a closure does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    Read,
    /// Writes, in a transaction around it.
    Write,
    /// Writes by one statement, which is a transaction of its own.
    WriteOnce,
}

struct Opener {
    url: DatabaseUrl,
    /// Of several servers, only the one that takes writes will do.
    wants_writes: bool,
    losses: Arc<Losses>,
}

struct Pooled {
    connection: AnyConnection,
    used: Instant,
    lost: bool,
    /// The losses that were known just before the server was last asked, or connected to.
    losses: u64,
}

impl Losses {
    fn known(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A connection is lost that had been asked when so many were known. If there were more since, it is one of those that ended then.
    fn one_after(&self, known: u64) {
        let _told = self
            .0
            .compare_exchange(known, known + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

impl r2d2::ManageConnection for Opener {
    type Connection = Pooled;
    type Error = StorageError;

    fn connect(&self) -> Result<Pooled> {
        let losses = self.losses.known();
        Ok(Pooled {
            connection: AnyConnection::open(&self.url)?,
            used: clock::monotonic(),
            lost: false,
            losses,
        })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<()> {
        let (losses, asked) = (self.losses.known(), pooled.losses);
        if pooled.used.elapsed() < FRESH && asked == losses {
            return Ok(());
        }
        pooled.losses = losses;
        let answer = match pooled.connection.ping() {
            // What was lost may be the server's leave to write.
            Ok(()) if self.wants_writes && asked != losses && !pooled.connection.takes_writes() => {
                Err(StorageError::Unavailable("it takes no writes".to_owned()))
            }
            answer => answer,
        };
        if answer.is_err() {
            self.losses.one_after(asked);
        }
        answer
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.lost || pooled.connection.is_broken()
    }
}

impl Set {
    fn new(url: &DatabaseUrl, size: u32, losses: &Arc<Losses>) -> Arc<Self> {
        let opener = Opener {
            wants_writes: matches!(url, DatabaseUrl::Postgres(url) if wants_read_write(url)),
            url: url.clone(),
            losses: Arc::clone(losses),
        };
        Arc::new(Self {
            connections: r2d2::Pool::builder()
                .max_size(size)
                .min_idle(Some(1))
                .connection_timeout(PATIENCE)
                .error_handler(Box::new(r2d2::NopErrorHandler)) // each caller gets and logs the error itself
                .build_unchecked(opener),
            running: Arc::new(Semaphore::new(size as usize)),
        })
    }
}

impl Pool {
    /// Makes a pool of at most `size` connections; they are opened when they are needed.
    pub(super) fn new(
        url: &DatabaseUrl,
        size: u32,
        epochs: &Arc<Epochs>,
        metrics: &Arc<StorageMetrics>,
        losses: &Arc<Losses>,
    ) -> Self {
        Self {
            url: url.clone(),
            size,
            epochs: Arc::clone(epochs),
            sets: Mutex::new(Sets {
                current: Set::new(url, size, losses),
                left: Vec::new(),
            }),
            admitted: Arc::new(Semaphore::new(size as usize * WAITING_EACH)),
            metrics: Arc::clone(metrics),
            losses: Arc::clone(losses),
        }
    }

    /// How many connections there may be, and who has or wants one; those that were left behind are in use.
    pub(super) fn level(&self) -> PoolLevel {
        let size = self.size as usize;
        let used = |set: &Set| size.saturating_sub(set.running.available_permits());
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let left = sets.left.iter().filter_map(Weak::upgrade);
        let in_use = used(&sets.current) + left.map(|set| used(&set)).sum::<usize>();
        let admitted = size * WAITING_EACH;
        let admitted = admitted.saturating_sub(self.admitted.available_permits());
        PoolLevel {
            size,
            in_use,
            waiting: admitted.saturating_sub(in_use),
        }
    }

    fn set(&self) -> Arc<Set> {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&sets.current)
    }

    /// Goes on with new connections: one of these does not answer, and most likely all.
    fn leave(&self, silent: &Arc<Set>) {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.left.retain(|set| set.strong_count() > 0);
        if Arc::ptr_eq(&sets.current, silent) && sets.left.len() + 1 < SETS {
            sets.left.push(Arc::downgrade(silent));
            sets.current = Set::new(&self.url, self.size, &self.losses);
            tracing::warn!(
                left = sets.left.len(),
                "the database does not answer: connecting anew"
            );
        }
    }

    /// Runs a closure on a pooled connection, within a transaction when it needs one.
    pub(super) async fn call<T, E, F>(&self, does: Does, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        let busy = |text: &str| StorageError::Busy(text.to_owned());
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| {
            self.metrics.refused.one();
            busy("too many calls are waiting")
        })?;
        let set = self.set();
        let running = Arc::clone(&set.running).acquire_owned();
        let running = tokio::time::timeout(PATIENCE, running).await;
        let running = running.map_err(|_| {
            self.metrics.timeouts.count("connection");
            busy("no connection became free")
        })?;
        let (used, epochs) = (Arc::clone(&set), Arc::clone(&self.epochs));
        let (metrics, losses) = (Arc::clone(&self.metrics), Arc::clone(&self.losses));
        let ended = telemetry::blocking(move || {
            // Held by the work, not by whoever waits for it.
            let _places = (admitted, running);
            let mut pooled = used
                .connections
                .get()
                .map_err(|e| StorageError::Unavailable(e.to_string()))?;
            let gate = match does {
                Does::Read => &metrics.reads,
                Does::Write | Does::WriteOnce => &metrics.writes,
            };
            let _transaction = gate.begin(1);
            let outcome = if does == Does::Write {
                transaction(&mut pooled.connection, work)
            } else {
                work(&mut pooled.connection)
            };
            epochs.end_transaction();
            // Many errors can mean that the server is gone; only a server that takes writes keeps its connection.
            pooled.lost = outcome.is_err() && !pooled.connection.takes_writes();
            if pooled.lost {
                losses.one_after(pooled.losses);
            }
            pooled.used = clock::monotonic();
            outcome
        });
        match tokio::time::timeout(ANSWER, ended).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => {
                Err(StorageError::Internal("a database closure panicked".to_owned()).into())
            }
            Err(_) => {
                self.metrics.timeouts.count("answer");
                self.leave(&set);
                Err(StorageError::Unavailable("the server does not answer".to_owned()).into())
            }
        }
    }
}

fn transaction<T, E, F>(connection: &mut AnyConnection, work: F) -> std::result::Result<T, E>
where
    E: From<StorageError>,
    F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E>,
{
    connection.begin_write()?;
    match work(connection) {
        Ok(value) => Ok(connection.commit().map(|()| value)?),
        Err(error) => {
            // When this fails too, the pool sees a broken connection and drops it.
            let _lost = connection.rollback();
            Err(error)
        }
    }
}
