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

/// A second, in microseconds.
const SECOND: i64 = 1_000_000;
/// The furthest step back that is walked and not followed at once: beyond, it was the time before that was wrong.
const LONGEST_WALK: i64 = 2 * 60 * 60 * SECOND;

/// Time that never steps back: while the machine's is behind, it goes on at half the pace until that has caught up.
#[derive(Debug, Default)]
struct Steady {
    /// The latest time that was told, in microseconds since 1970.
    told: AtomicI64,
    /// The last of them while the machine's time was behind, and when that was.
    walked: Mutex<Option<(i64, std::time::Instant)>>,
}

impl Steady {
    fn after(&self, machine: i64) -> i64 {
        let told = self.told.fetch_max(machine, Ordering::SeqCst);
        match told <= machine {
            true => machine,
            false => self.walk(machine),
        }
    }

    /// Behind what was told: the machine's clock was set back, or another thread was faster.
    fn walk(&self, machine: i64) -> i64 {
        let mut walked = self.walked.lock().unwrap_or_else(PoisonError::into_inner);
        let told = self.told.fetch_max(machine, Ordering::SeqCst);
        if told <= machine {
            return machine; // another thread has followed a long step meanwhile
        }
        if told - machine > LONGEST_WALK {
            *walked = None;
            // Where another thread was told more in between, the next call decides again.
            let _followed =
                self.told
                    .compare_exchange(told, machine, Ordering::SeqCst, Ordering::SeqCst);
            return machine;
        }
        let at = monotonic();
        let now = match *walked {
            Some((last, then)) if last == told => {
                let half = i64::try_from(((at - then) / 2).as_micros()).unwrap_or_default();
                if half == 0 {
                    return told; // too little to count, and it adds up
                }
                told + half
            }
            _ => told,
        };
        *walked = Some((now, at));
        self.told.fetch_max(now, Ordering::SeqCst);
        now
    }
}

static MACHINE: Steady = Steady {
    told: AtomicI64::new(0),
    walked: Mutex::new(None),
};

impl Clock {
    /// A clock that stands at the machine's time until it is advanced.
    pub fn shifted() -> Self {
        Self::Shifted(Arc::default())
    }

    /// The current time in UTC, in whole microseconds: what both databases can store.
    pub fn now(&self) -> DateTime<Utc> {
        let (seconds, micros) = machine();
        let machine = seconds * SECOND + i64::from(micros);
        let now = match self {
            Self::System => MACHINE.after(machine),
            Self::Shifted(shifted) => {
                let seconds = shifted.seconds.load(Ordering::SeqCst);
                shifted.steady.after(machine + seconds * SECOND)
            }
        };
        DateTime::from_timestamp_micros(now).unwrap_or_default()
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

/// What the machine's clock says, in seconds since 1970 and microseconds. It may step back: logs tell it all the same.
pub(crate) fn machine() -> (i64, u32) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let now = Utc::now();
    (now.timestamp(), now.timestamp_subsec_micros())
}

/// A point in time that only measures distances and never steps.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}
