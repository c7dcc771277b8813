//! The one gate before bcrypt: as many at once as there are cores, a bounded number of callers in waiting, the rest told to
//! come back (bar P12). No database connection is held meanwhile.

use tokio::sync::Semaphore;

use crate::domain::{Password, PasswordHash};
use crate::{entropy, telemetry};

/// How many callers may wait: about seven seconds of work for two cores at cost 12.
const WAITING: usize = 64;

/// Hashes passwords.
pub struct Hasher {
    cost: u32,
    running: Semaphore,
    admitted: Semaphore,
}

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many are waiting: come back later.
    #[error("too many passwords are being hashed")]
    Busy,
    /// A defect.
    #[error("hashing failed: {0}")]
    Failed(String),
}

impl Hasher {
    /// A gate for bcrypt of this cost, `parallel` at a time.
    pub fn new(cost: u32, parallel: usize) -> Self {
        Self {
            cost,
            running: Semaphore::new(parallel),
            admitted: Semaphore::new(parallel + WAITING),
        }
    }

    /// Hashes a new password with a fresh salt. A caller that gives up while waiting frees its place.
    pub async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| HashError::Busy)?;
        let _running = self.running.acquire().await.map_err(|_| HashError::Busy)?;
        let (cost, salt) = (self.cost, entropy::bytes());
        let hashed =
            telemetry::blocking(move || PasswordHash::compute(&password, cost, salt)).await;
        let failed = |error: &dyn std::fmt::Display| HashError::Failed(error.to_string());
        hashed.map_err(|e| failed(&e))?.map_err(|e| failed(&e))
    }
}
