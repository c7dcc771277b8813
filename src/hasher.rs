//! The one gate before bcrypt: as many at once as there are cores, a bounded number of callers in waiting, the rest told to
//! come back (bar P12). No database connection is held meanwhile.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::{Password, PasswordHash};
use crate::{entropy, telemetry};

/// How many callers may wait: about seven seconds of work for two cores at cost 12.
const WAITING: usize = 64;

/// Hashes passwords.
pub struct Hasher {
    cost: u32,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// Leave to hash one password, now. It ends with the work and not with whoever waits for it.
pub struct Turn {
    cost: u32,
    _places: (OwnedSemaphorePermit, OwnedSemaphorePermit),
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
        }
    }

    /// Waits for a turn. What made the caller come may have changed meanwhile: look again before the work.
    pub async fn turn(&self) -> Result<Turn, HashError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|_| HashError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|_| HashError::Busy)?;
        Ok(Turn {
            cost: self.cost,
            _places: (admitted, running),
        })
    }

    /// Waits for a turn and hashes.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.turn().await?.hash(password).await
    }
}

impl Turn {
    /// Hashes a new password with a fresh salt.
    pub async fn hash(self, password: Password) -> Result<PasswordHash, HashError> {
        let salt = entropy::bytes();
        let work = move || {
            let turn = self;
            PasswordHash::compute(&password, turn.cost, salt)
        };
        let failed = |error: &dyn std::fmt::Display| HashError::Failed(error.to_string());
        let hashed = telemetry::blocking(work).await.map_err(|e| failed(&e))?;
        hashed.map_err(|e| failed(&e))
    }
}
