//! The only place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// A source of the current time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock, and as many seconds more as a test has let pass. It only moves forward: libraries that we use read
    /// the machine's clock too.
    Shifted(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at the machine's time until it is advanced.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The current time in UTC, in whole microseconds: what both databases can store.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let now = Utc::now();
        let now = now
            .duration_trunc(TimeDelta::microseconds(1))
            .unwrap_or(now);
        match self {
            Self::System => now,
            Self::Shifted(seconds) => now + TimeDelta::seconds(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Lets time pass on a shifted clock; the machine's clock cannot be moved.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Shifted(seconds) = self {
            seconds.fetch_add(by.num_seconds(), Ordering::SeqCst);
        }
    }
}

/// A point in time that only measures distances and never steps.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
