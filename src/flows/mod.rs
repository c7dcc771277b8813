//! The things that the service does, one file each. They know the database, mail and the rules, and never say an HTTP word.

pub mod admin_set;
mod audit;
pub mod change;
pub mod check;
pub mod clients;
pub mod deliver;
pub mod end_access;
pub mod import;
pub mod judge;
pub mod mails;
pub mod on_behalf;
pub mod page;
pub mod password;
mod prove;
pub mod purge;
pub mod queue;
pub mod remind;
pub mod reset;
pub mod sessions;
pub mod trail;
mod user_change;
pub mod users;
pub mod verify;

pub use prove::ProveError;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use chrono::TimeDelta;
use tokio::sync::Notify;

use crate::breaches::Breaches;
use crate::clock::Clock;
use crate::domain::audit::Origin;
use crate::domain::recovery::RecoveryRules;
use crate::domain::{ClientId, Instant, PasswordPolicy};
use crate::hasher::Hasher;
use crate::storage::{Memory, Storage};
use crate::telemetry::metrics::{Levels, Metrics};

/// Everything that the flows work with.
#[derive(Clone)]
pub struct Flows {
    /// The database.
    pub storage: Storage,
    /// What time it is.
    pub clock: Clock,
    /// The gate before bcrypt.
    pub hasher: Arc<Hasher>,
    /// How often, how long, how many.
    pub recovery: RecoveryRules,
    /// How long a user token lives.
    pub session_lifetime: TimeDelta,
    /// What a new password is held to.
    pub policy: PasswordPolicy,
    /// Passwords that others have lost; none when no list is configured.
    pub breaches: Option<Arc<Breaches>>,
    /// Where we are, for links; never taken from a request.
    pub public_url: String,
    /// Wakes the worker that delivers mail.
    pub mail_queued: Arc<Notify>,
    /// What is counted for those who watch.
    pub metrics: Arc<Metrics>,
    /// How many mails waited when the worker last counted.
    pub mails_waiting: Arc<AtomicI64>,
    /// Links that were checked a moment ago, by digest, and when they end.
    pub links: Arc<Memory<[u8; 32], Instant>>,
    /// How long the audit remembers; none: for ever.
    pub audit_retention: Option<TimeDelta>,
    /// How many may wait: beyond, asking for one is refused (bar F29).
    pub max_mails: i64,
}

impl Flows {
    /// What is not counted but looked at, as it is now.
    pub fn levels(&self) -> Levels {
        Levels {
            now: self.clock.now(),
            storage: self.storage.level(),
            hashing: self.hasher.level(),
        }
    }
}

/// On whose behalf a flow runs.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The client that calls.
    pub client_id: ClientId,
    /// Whether it may learn that an account does not exist (`users:disclose`).
    pub may_know_users: bool,
    /// The thumbprint of the key that it has proved to have: tokens that it gets for its users are bound to it too.
    pub jkt: Option<[u8; 32]>,
    /// Where the call came from.
    pub origin: Origin,
}

/// Who does what both operators and clients may do.
#[derive(Debug, Clone)]
pub enum By {
    /// An operator at the command line.
    Operator,
    /// A client, by its token.
    Client(Actor),
}

impl From<Actor> for By {
    fn from(actor: Actor) -> Self {
        Self::Client(actor)
    }
}

impl By {
    /// The client; none for an operator.
    pub fn client_id(&self) -> Option<&ClientId> {
        match self {
            Self::Operator => None,
            Self::Client(actor) => Some(&actor.client_id),
        }
    }
}
