//! The one gate before bcrypt: as many at once as there are cores, a bounded number of callers in waiting, the rest told to
//! come back (bar P12). No database connection is held meanwhile. The threads that hash are behind all others when the cores are
//! wanted: who waits for a token or a page does not wait for other people's passwords.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::{self, Handle, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::domain::{Password, PasswordHash};
use crate::telemetry::metrics::{HashLevel, HashMetrics};
use crate::telemetry::{self, span};
use crate::{clock, entropy};

/// How many callers may wait: about seven seconds of work for two cores at cost 12.
const WAITING: usize = 64;
/// What the costliest hash that is accepted takes, in hashes of our own of cost 12: four, and room for a busy machine.
const COSTLIEST: u64 = 6;
/// The least cost that an operator may choose; below it, as in tests, nothing is scaled.
const LEAST_COST: u32 = 10;

/// The nice value of the threads that hash: a third of the share of a thread that answers.
const NICE: i32 = 5;

/// Hashes passwords.
pub struct Hasher {
    cost: u32,
    parallel: usize,
    metrics: Arc<HashMetrics>,
    /// Never driven: it is here for its threads.
    threads: Option<Runtime>,
    thread: Handle,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    fastest: Arc<Fastest>,
}

/// The least time that a hash of our own has taken, in nanoseconds: what it takes when the machine has nothing else to do.
#[derive(Debug)]
struct Fastest(AtomicU64);

/// A place among those who are running or waiting.
#[derive(Debug)]
pub struct Place {
    cost: u32,
    metrics: Arc<HashMetrics>,
    thread: Handle,
    fastest: Arc<Fastest>,
    running: Arc<Semaphore>,
    admitted: Arc<OwnedSemaphorePermit>,
}

/// Leave to hash one password, now. It ends with the work and not with whoever waits for it.
pub struct Turn {
    cost: u32,
    metrics: Arc<HashMetrics>,
    thread: Handle,
    fastest: Arc<Fastest>,
    _places: (Arc<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

/// What a stored hash says about a password.
#[derive(Debug)]
pub enum Verified {
    /// It is of another password, or there is none.
    No,
    /// It is of this password. A hash that we would not make of it is to be replaced by this one (bar P11, P04). The place can
    /// be used again.
    Yes(Option<PasswordHash>, Place),
}

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting: come back later.
    #[error("too many passwords are being hashed")]
    Busy,
    /// Whether the password has been breached cannot be known now, so it is not taken.
    #[error("the list of breached passwords fails: {0}")]
    Unjudged(String),
    /// A defect.
    #[error("hashing failed: {0}")]
    Failed(String),
}

impl Hasher {
    /// A gate for bcrypt of this cost, `parallel` at a time.
    pub fn new(cost: u32, parallel: usize) -> io::Result<Self> {
        let threads = runtime::Builder::new_current_thread()
            .max_blocking_threads(parallel)
            .thread_name("hash")
            .on_thread_start(|| {
                // Where it is not allowed, hashing is as urgent as everything else.
                let _as_before = rustix::process::setpriority_process(None, NICE);
            })
            .build()?;
        Ok(Self {
            cost,
            parallel,
            metrics: Arc::default(),
            thread: threads.handle().clone(),
            threads: Some(threads),
            running: Arc::new(Semaphore::new(parallel)),
            admitted: Arc::new(Semaphore::new(parallel + WAITING)),
            fastest: Arc::new(Fastest(AtomicU64::new(u64::MAX))),
        })
    }

    /// The cost of the hashes that are made here.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// What is counted here.
    pub fn metrics(&self) -> Arc<HashMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Who hashes and who waits now.
    pub fn level(&self) -> HashLevel {
        let slots = self.parallel;
        let running = slots.saturating_sub(self.running.available_permits());
        let admitted = (slots + WAITING).saturating_sub(self.admitted.available_permits());
        HashLevel {
            slots,
            running,
            waiting: admitted.saturating_sub(running),
            most_waiting: WAITING,
        }
    }

    /// A place, if there is one left.
    pub fn place(&self) -> Result<Place, HashError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| {
            self.metrics.refused.one();
            HashError::Busy
        })?;
        Ok(Place {
            cost: self.cost,
            metrics: Arc::clone(&self.metrics),
            thread: self.thread.clone(),
            fastest: Arc::clone(&self.fastest),
            running: Arc::clone(&self.running),
            admitted: Arc::new(admitted),
        })
    }

    /// Waits for a turn. What made the caller come may have changed meanwhile: look again before the work.
    pub async fn turn(&self) -> Result<Turn, HashError> {
        self.place()?.turn().await
    }

    /// Waits for a turn and hashes.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.turn().await?.hash(password).await
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background(); // waiting is forbidden where async code drops it
        }
    }
}

impl Place {
    /// Waits for a turn.
    pub async fn turn(&self) -> Result<Turn, HashError> {
        let asked = clock::monotonic();
        let running = Arc::clone(&self.running).acquire_owned();
        let running = running.instrument(span!("hash.wait")).await;
        let running = running.map_err(|_| HashError::Busy)?;
        self.metrics.waited.took(asked.elapsed());
        Ok(Turn {
            cost: self.cost,
            metrics: Arc::clone(&self.metrics),
            thread: self.thread.clone(),
            fastest: Arc::clone(&self.fastest),
            _places: (Arc::clone(&self.admitted), running),
        })
    }

    /// Waits for a turn and compares. Without a hash to compare with, bcrypt runs all the same; and every refusal takes as
    /// long as the costliest hash, or a multiple of that, so that time tells nothing about the account (bar F23, F24).
    pub async fn verify(
        self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verified, HashError> {
        let turn = self.turn().await?;
        let started = clock::monotonic();
        let work = move || {
            let compared = turn.compare(&password, stored);
            turn.metrics.took.took(started.elapsed());
            compared
        };
        let compared = telemetry::blocking_on(&self.thread, work)
            .instrument(span!("hash.work"))
            .await;
        if let Right(replacement) = compared.map_err(|e| HashError::Failed(e.to_string()))?? {
            return Ok(Verified::Yes(replacement, self));
        }
        let (fastest, cost) = (Arc::clone(&self.fastest), self.cost);
        drop(self); // who is refused waits without a place
        tokio::time::sleep(fastest.rest_of_refusal(started.elapsed(), cost)).await;
        Ok(Verified::No)
    }
}

/// How a password compares: `Right` with what is to replace the hash, if anything.
enum Compared {
    Wrong,
    Right(Option<PasswordHash>),
}
use Compared::{Right, Wrong};

impl Fastest {
    fn saw(&self, taken: Duration) {
        let taken = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_min(taken, Ordering::Relaxed);
    }

    /// What is left until the next multiple of the time that the costliest hash takes, where ours are of this cost.
    fn rest_of_refusal(&self, spent: Duration, cost: u32) -> Duration {
        let hashes = match cost {
            ..=12 => COSTLIEST << (12 - cost.max(LEAST_COST)),
            _ => (COSTLIEST >> (cost - 12).min(2)).max(2),
        };
        let slot = self.0.load(Ordering::Relaxed).saturating_mul(hashes);
        let spent = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(slot - spent % slot.max(1))
    }
}

impl Turn {
    /// Hashes a new password with a fresh salt.
    pub async fn hash(self, password: Password) -> Result<PasswordHash, HashError> {
        let thread = self.thread.clone();
        let work = move || {
            let started = clock::monotonic();
            let hash = self.compute(&password);
            self.metrics.took.took(started.elapsed());
            hash
        };
        let failed = |error: &dyn std::fmt::Display| HashError::Failed(error.to_string());
        telemetry::blocking_on(&thread, work)
            .instrument(span!("hash.work"))
            .await
            .map_err(|e| failed(&e))?
    }

    fn compute(&self, password: &Password) -> Result<PasswordHash, HashError> {
        let started = clock::monotonic();
        let hash = PasswordHash::compute(password, self.cost, entropy::bytes())
            .map_err(|error| HashError::Failed(error.to_string()));
        self.fastest.saw(started.elapsed());
        hash
    }

    fn compare(
        &self,
        password: &Password,
        stored: Option<PasswordHash>,
    ) -> Result<Compared, HashError> {
        if self.fastest.0.load(Ordering::Relaxed) == u64::MAX {
            self.compute(password)?; // the first one: there is no measure yet
        }
        Ok(match stored {
            None => {
                self.compute(password)?;
                Wrong
            }
            Some(stored) if !stored.verify(password) => Wrong,
            Some(stored) if stored.is_current(self.cost) && !stored.cuts(password) => Right(None),
            Some(_) => Right(Some(self.compute(password)?)),
        })
    }
}
