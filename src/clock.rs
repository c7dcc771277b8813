//! The only place that asks what time it is.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// A source of the current time. It does not step back when the machine's clock does: what has ended would live again, and what
/// counts from an instant would count from the future (bar D09).
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock, and as many seconds more as a test has let pass: its own, or a step of the machine's.
    Shifted(Arc<Shifted>),
}

/// A machine's clock in a test's hand.
#[derive(Debug, Default)]
pub struct Shifted {
    seconds: AtomicI64,
    steady: Steady,
}

/// The furthest step back that is walked and not followed at once: beyond, it was the time before that was wrong.
const LONGEST_WALK: TimeDelta = TimeDelta::hours(2);

/// Time that never steps back: while the machine's is behind, it goes on at half the pace until that has caught up.
#[derive(Debug, Default)]
struct Steady(Mutex<Option<(DateTime<Utc>, std::time::Instant)>>);

impl Steady {
    fn after(&self, machine: DateTime<Utc>) -> DateTime<Utc> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = monotonic();
        let now = match *last {
            Some((told, then)) if machine < told && told - machine <= LONGEST_WALK => {
                let half = TimeDelta::from_std((at - then) / 2).unwrap_or_default();
                let whole = TimeDelta::microseconds(half.num_microseconds().unwrap_or_default());
                if whole.is_zero() {
                    return told; // too little to count, and it adds up
                }
                told + whole
            }
            _ => machine,
        };
        *last = Some((now, at));
        now
    }
}

static MACHINE: Steady = Steady(Mutex::new(None));

impl Clock {
    /// A clock that stands at the machine's time until it is advanced.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The current time in UTC, in whole microseconds: what both databases can store.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let now = Utc::now();
        let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        match self {
            Self::System => MACHINE.after(now),
            Self::Shifted(shifted) => {
                let seconds = shifted.seconds.load(Ordering::SeqCst);
                shifted.steady.after(now + TimeDelta::seconds(seconds))
            }
        }
    }

    /// Lets time pass on a shifted clock, or the machine's clock step back; that of this machine cannot be moved.
    pub fn advance(&self, by: TimeDelta) {
        if let Self::Shifted(shifted) = self {
            shifted
                .seconds
                .fetch_add(by.num_seconds(), Ordering::SeqCst);
        }
    }
}

/// A point in time that only measures distances and never steps.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
