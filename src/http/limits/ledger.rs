//! What each caller has used up of its bucket, here and on other nodes. It knows neither the database nor HTTP.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Which caller: a digest, so that it can be shared.
pub(super) type Key = [u8; 32];

/// How far clocks of different kinds may drift apart before a caller is made to wait for it.
const SLACK: Duration = Duration::from_millis(50);

/// The callers of one bucket.
pub(super) struct Ledger {
    refill: Duration,
    burst: u32,
    rows: Mutex<HashMap<Key, Row>>,
}

struct Row {
    /// When the bucket here will be full again.
    here: Instant,
    /// When the one that all nodes share will be, without what they have not been told.
    everywhere: Instant,
    /// Calls that they have not been told of.
    untold: u32,
    /// The first of these.
    since: Instant,
}

/// Calls that other nodes are to be told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) key: Key,
    pub(super) since: Instant,
    pub(super) cost: Duration,
    calls: u32,
    /// When the shared bucket would have been full without them.
    before: Instant,
}

impl Ledger {
    /// A ledger for buckets that hold `burst` calls and get one back each `refill`.
    pub(super) fn new(refill: Duration, burst: u32) -> Self {
        Self {
            refill,
            burst,
            rows: Mutex::default(),
        }
    }

    /// Notes a call, unless all nodes together have let so many through that there is none left: then says how long to wait.
    pub(super) fn spend(&self, key: Key, now: Instant) -> Result<(), Duration> {
        let mut rows = self.rows();
        let row = rows.entry(key).or_insert(Row {
            here: now,
            everywhere: now,
            untold: 0,
            since: now,
        });
        let missing = self.owed(row).saturating_duration_since(now);
        let wait = missing.saturating_sub(self.refill * (self.burst - 1));
        if wait > SLACK {
            return Err(wait);
        }
        if row.untold == 0 {
            row.since = now;
        }
        row.untold += 1;
        row.here = row.here.max(now) + self.refill;
        Ok(())
    }

    /// Takes a call back: the bucket here was empty.
    pub(super) fn unspend(&self, key: Key) {
        if let Some(row) = self.rows().get_mut(&key) {
            row.untold = row.untold.saturating_sub(1);
            row.here = row.here.checked_sub(self.refill).unwrap_or(row.here);
        }
    }

    /// Up to `most` callers that others should know of; whoever uses little stays between us. Forgets those whose buckets are full.
    pub(super) fn tell(&self, now: Instant, most: usize) -> Vec<Untold> {
        let whole = self.refill * self.burst;
        let mut told = Vec::new();
        self.rows().retain(|key, row| {
            let missing = row.here.saturating_duration_since(now);
            // Calls that came slowly enough to be got back count too: elsewhere there may be as many.
            let much = row.untold.saturating_mul(8) >= self.burst || missing * 4 >= whole;
            if row.untold > 0 && much && told.len() < most {
                told.push(Untold {
                    key: *key,
                    since: row.since,
                    cost: self.refill * row.untold.min(self.burst),
                    calls: row.untold,
                    before: row.everywhere,
                });
                row.everywhere = self.owed(row);
                row.untold = 0;
            }
            let is_old = row.untold == 0 || row.since + whole * 2 <= now;
            !(is_old && row.here <= now && row.everywhere <= now)
        });
        told
    }

    /// Takes back what could not be told, so that it is told another time.
    pub(super) fn untell(&self, told: &Untold) {
        let mut rows = self.rows();
        let row = rows.entry(told.key).or_insert(Row {
            here: told.since,
            everywhere: told.before,
            untold: 0,
            since: told.since,
        });
        row.everywhere = told.before;
        row.untold = row.untold.saturating_add(told.calls);
        row.since = row.since.min(told.since);
    }

    /// Notes when the bucket that all nodes share will be full.
    pub(super) fn learn(&self, key: Key, full_at: Instant, now: Instant) {
        let mut rows = self.rows();
        let row = rows.entry(key).or_insert(Row {
            here: now,
            everywhere: full_at,
            untold: 0,
            since: now,
        });
        row.everywhere = row.everywhere.max(full_at);
    }

    /// Who has used up more elsewhere than is missing here, and how many calls more. They count as taken from the bucket here.
    pub(super) fn debts(&self, now: Instant) -> Vec<(Key, u32)> {
        let whole = self.refill * self.burst;
        let mut debts = Vec::new();
        for (key, row) in self.rows().iter_mut() {
            let owed = self.owed(row).min(now + whole);
            let more = owed.saturating_duration_since(row.here.max(now));
            let calls = more.as_nanos() / self.refill.as_nanos().max(1);
            let calls = u32::try_from(calls).unwrap_or(u32::MAX).min(self.burst);
            if calls > 0 {
                row.here = row.here.max(now) + self.refill * calls;
                debts.push((*key, calls));
            }
        }
        debts
    }

    /// When the shared bucket will be full, with what the others have not been told. Never later than what is true: calls are
    /// taken together as if all had come with the first.
    fn owed(&self, row: &Row) -> Instant {
        match row.untold {
            0 => row.everywhere,
            untold => row.everywhere.max(row.since) + self.refill * untold.min(self.burst),
        }
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<Key, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const ANN: Key = [1; 32];
    const SECOND: Duration = Duration::from_secs(1);

    /// Two nodes and what they tell each other, with one call back each second.
    fn exchange(from: &Ledger, to: &Ledger, row: &mut Instant, now: Instant) {
        for told in from.tell(now, 10) {
            *row = (*row + told.cost).max(told.since + told.cost);
        }
        to.learn(ANN, *row, now);
        from.learn(ANN, *row, now);
    }

    #[test]
    fn what_was_used_up_elsewhere_is_missing_here() {
        let (one, two, now) = (
            Ledger::new(SECOND, 8),
            Ledger::new(SECOND, 8),
            clock::monotonic(),
        );
        for _ in 0..6 {
            assert_eq!(one.spend(ANN, now), Ok(()));
        }
        let mut row = now;
        exchange(&one, &two, &mut row, now);
        assert_eq!(two.debts(now), [(ANN, 6)]);
        assert_eq!((one.debts(now), two.debts(now)), (vec![], vec![]));
        assert_eq!([two.spend(ANN, now), two.spend(ANN, now)], [Ok(()), Ok(())]);
        assert_eq!(two.spend(ANN, now), Err(SECOND));
        exchange(&two, &one, &mut row, now);
        assert_eq!(one.debts(now), [(ANN, 2)]);
        assert_eq!(one.spend(ANN, now), Err(SECOND));
        assert_eq!(one.spend(ANN, now + SECOND), Ok(()));
    }

    #[test]
    fn whoever_comes_as_fast_as_buckets_refill_gets_one_of_them_and_not_two() {
        let (one, two) = (Ledger::new(SECOND, 8), Ledger::new(SECOND, 8));
        let (mut now, mut through) = (clock::monotonic(), 0);
        let mut row = now;
        for _ in 0..600 {
            through +=
                u32::from(one.spend(ANN, now).is_ok()) + u32::from(two.spend(ANN, now).is_ok());
            exchange(&one, &two, &mut row, now);
            exchange(&two, &one, &mut row, now);
            now += SECOND;
        }
        assert!((590..=620).contains(&through), "{through}");
    }

    #[test]
    fn a_node_alone_refuses_nobody_whose_bucket_has_a_call() {
        let (ledger, mut now) = (Ledger::new(SECOND, 2), clock::monotonic());
        let mut row = now;
        for _ in 0..50 {
            assert_eq!(ledger.spend(ANN, now), Ok(()));
            let later = now + SECOND / 2;
            for told in ledger.tell(later, 10) {
                row = (row + told.cost).max(told.since + told.cost);
            }
            ledger.learn(ANN, row, later);
            assert_eq!(ledger.debts(later), []);
            now += SECOND;
        }
    }

    #[test]
    fn what_could_not_be_told_is_told_later_and_counts_once() {
        let (ledger, now) = (Ledger::new(SECOND, 8), clock::monotonic());
        let spend = |times| (0..times).for_each(|_| assert_eq!(ledger.spend(ANN, now), Ok(())));
        spend(3);
        for told in ledger.tell(now, 10) {
            spend(2);
            ledger.untell(&told);
        }
        let told = ledger.tell(now, 10);
        assert_eq!((told[0].calls, told[0].cost), (5, 5 * SECOND));
        ledger.untell(&told[0]);
        spend(3);
        assert_eq!(ledger.spend(ANN, now), Err(SECOND));
        // Also when the row was forgotten meanwhile.
        let later = now + 8 * SECOND;
        let told = ledger.tell(later, 10);
        assert_eq!(ledger.rows().len(), 0);
        ledger.untell(&told[0]);
        assert_eq!(ledger.tell(later, 10), told);
    }

    #[test]
    fn who_uses_little_is_not_told_of_and_is_forgotten() {
        let (ledger, now) = (Ledger::new(SECOND, 16), clock::monotonic());
        assert_eq!(ledger.spend(ANN, now), Ok(()));
        assert_eq!(ledger.tell(now, 10), []);
        assert_eq!(ledger.rows().len(), 1);
        assert_eq!(ledger.tell(now + 32 * SECOND, 10), []);
        assert_eq!(ledger.rows().len(), 0);
    }
}
