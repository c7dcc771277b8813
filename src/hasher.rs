//! The one gate before bcrypt: as many at once as there are cores, a bounded number of callers in waiting, the rest told to
//! come back (bar P12). No database connection is held meanwhile.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{Password, PasswordHash};
use crate::{clock, entropy, telemetry};

/// How many callers may wait: about seven seconds of work for two cores at cost 12.
const WAITING: usize = 64;
/// What the costliest hash that is accepted takes, in hashes of our own at the default cost: four, and one for the noise.
const COSTLIEST: u32 = 5;

/// Hashes passwords.
pub struct Hasher {
    cost: u32,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// How long a refusal takes: measured at the first verification.
    refusal: Arc<OnceLock<Duration>>,
}

/// A place among those who are running or waiting.
#[derive(Debug)]
pub struct Place {
    cost: u32,
    running: Arc<Semaphore>,
    refusal: Arc<OnceLock<Duration>>,
    admitted: Arc<OwnedSemaphorePermit>,
}

/// Leave to hash one password, now. It ends with the work and not with whoever waits for it.
pub struct Turn {
    cost: u32,
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
    pub fn new(cost: u32, parallel: usize) -> Self {
        Self {
            cost,
            running: Arc::new(Semaphore::new(parallel)),
            admitted: Arc::new(Semaphore::new(parallel + WAITING)),
            refusal: Arc::default(),
        }
    }

    /// A place, if there is one left.
    pub fn place(&self) -> Result<Place, HashError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        Ok(Place {
            cost: self.cost,
            running: Arc::clone(&self.running),
            refusal: Arc::clone(&self.refusal),
            admitted: Arc::new(admitted.map_err(|_| HashError::Busy)?),
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

impl Place {
    /// Waits for a turn.
    pub async fn turn(&self) -> Result<Turn, HashError> {
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| HashError::Busy)?;
        Ok(Turn {
            cost: self.cost,
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
        let refusal = Arc::clone(&self.refusal);
        let work = move || turn.compare(&password, stored, &refusal);
        let compared = telemetry::blocking(work).await;
        let (compared, refusal) =
            compared.map_err(|error| HashError::Failed(error.to_string()))??;
        if let Some(replacement) = compared {
            return Ok(Verified::Yes(replacement, self));
        }
        drop(self); // others need not wait for this one to be told
        let (spent, slot) = (started.elapsed().as_nanos(), refusal.as_nanos().max(1));
        let rest = u64::try_from(slot - spent % slot).unwrap_or_default();
        tokio::time::sleep(Duration::from_nanos(rest)).await;
        Ok(Verified::No)
    }
}

impl Turn {
    /// Hashes a new password with a fresh salt.
    pub async fn hash(self, password: Password) -> Result<PasswordHash, HashError> {
        let work = move || self.compute(&password);
        let failed = |error: &dyn std::fmt::Display| HashError::Failed(error.to_string());
        telemetry::blocking(work).await.map_err(|e| failed(&e))?
    }

    fn compute(&self, password: &Password) -> Result<PasswordHash, HashError> {
        PasswordHash::compute(password, self.cost, entropy::bytes())
            .map_err(|error| HashError::Failed(error.to_string()))
    }

    /// Nothing when the password is wrong; else what is to replace the hash, if anything. And how long a refusal takes.
    fn compare(
        &self,
        password: &Password,
        stored: Option<PasswordHash>,
        refusal: &OnceLock<Duration>,
    ) -> Result<(Option<Option<PasswordHash>>, Duration), HashError> {
        let refusal = match refusal.get() {
            Some(measured) => *measured,
            None => {
                let started = clock::monotonic();
                self.compute(password)?;
                *refusal.get_or_init(|| started.elapsed() * COSTLIEST)
            }
        };
        let compared = match stored {
            None => {
                self.compute(password)?;
                None
            }
            Some(stored) if !stored.verify(password) => None,
            Some(stored) if stored.is_current(self.cost) && !stored.cuts(password) => Some(None),
            Some(_) => Some(Some(self.compute(password)?)),
        };
        Ok((compared, refusal))
    }
}
