//! The rules against guessing passwords online (bar F25; NIST SP 800-63B-4 section 3.2.2).
//!
//! Every try counts as a failure before it is made, so that tries at the same time cannot share one count; a success forgets
//! them all. The pause after a failure grows, and always ends by itself: nobody can lock an account for good, and its owner
//! can end the pause at once with a mail.

use chrono::TimeDelta;

use super::Instant;
use super::recovery::SKEW;

/// Failures in a row that cost no pause: typing errors, and an app that signs one user in several times at once.
const FREE: i64 = 10;
/// The longest pause before `MOST` failures in a row.
const LONGEST: TimeDelta = TimeDelta::hours(1);
/// From here on there is one try a day (NIST: no more than 100 failures in a row).
const MOST: i64 = 100;
/// How long an address is remembered that nobody guesses at any more.
pub const MEMORY: TimeDelta = TimeDelta::days(7);

/// What is remembered about an address, whether or not anybody has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// Failures in a row, with the tries that run just now.
    pub failures: i64,
    /// Until then nobody may try.
    pub free_at: Instant,
}

impl Guesses {
    /// Counts a try that begins now, or says how long to wait for it.
    pub fn admit(before: Option<Self>, now: Instant) -> Result<Self, TimeDelta> {
        let before = before.unwrap_or(Self {
            failures: 0,
            free_at: now,
        });
        // Without a pause there is nothing to wait for: of tries at the same time one may have begun before those that were
        // counted before it.
        let (wait, pause_due) = (before.free_at - now, pause(before.failures));
        // No pause lasts longer than it was meant to: such a one was counted from a clock that was wrong (bar D09).
        if wait > TimeDelta::zero() && !pause_due.is_zero() && wait <= pause_due + SKEW {
            return Err(wait);
        }
        let failures = before.failures + 1;
        Ok(Self {
            failures,
            free_at: now + pause(failures),
        })
    }
}

/// How long to wait after this many failures in a row: nothing, then a second, then twice as long each time.
fn pause(failures: i64) -> TimeDelta {
    match failures {
        ..FREE => TimeDelta::zero(),
        FREE..MOST => {
            let doublings = (failures - FREE).min(20);
            TimeDelta::seconds(1 << doublings).min(LONGEST)
        }
        _ => TimeDelta::hours(24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f25_pauses_grow_end_by_themselves_and_leave_no_hundred_guesses_in_three_days() {
        let start = Instant::UNIX_EPOCH + TimeDelta::days(20_000);
        let (mut now, mut known, mut made) = (start, None, 0);
        while now < start + TimeDelta::days(3) {
            match Guesses::admit(known, now) {
                Ok(counted) => (known, made) = (Some(counted), made + 1),
                Err(wait) => {
                    assert!(wait > TimeDelta::zero() && wait <= LONGEST);
                    now += wait;
                }
            }
        }
        assert!((80..100).contains(&made), "{made}");
    }

    #[test]
    fn f25_free_tries_at_the_same_time_are_free_in_any_order() {
        let now = Instant::UNIX_EPOCH + TimeDelta::days(20_000);
        let earlier = now - TimeDelta::microseconds(1);
        for failures in 1..FREE {
            let known = Guesses {
                failures,
                free_at: now,
            };
            assert!(Guesses::admit(Some(known), earlier).is_ok());
        }
        let failures = FREE;
        let known = Guesses {
            failures,
            free_at: now,
        };
        assert_eq!(Guesses::admit(Some(known), earlier), Err(now - earlier));
    }

    #[test]
    fn f25_the_first_ten_are_free_and_from_the_hundredth_there_is_one_a_day() {
        assert_eq!(pause(9), TimeDelta::zero());
        assert_eq!(pause(10), TimeDelta::seconds(1));
        assert_eq!(pause(13), TimeDelta::seconds(8));
        assert_eq!(pause(99), LONGEST);
        assert_eq!(pause(100), TimeDelta::hours(24));
        assert_eq!(pause(i64::MAX), TimeDelta::hours(24));
    }
}
