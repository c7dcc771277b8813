//! What is counted while requests run: plain additions, each thread on cache lines of its own as far as there are enough, so that no
//! two cores wait for each other. What it adds up to is only known to whoever asks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// On how many shards the threads are spread.
const SHARDS: usize = 4;
/// How many counts share a cache line.
const LINE: usize = 8;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

/// A row of counts.
#[derive(Debug)]
pub(super) struct Tally {
    lines: Box<[Line]>,
    lines_each: usize,
}

impl Tally {
    /// A row of at least so many counts.
    pub(super) fn new(counts: usize) -> Self {
        let lines_each = counts.div_ceil(LINE);
        Self {
            lines: (0..SHARDS * lines_each).map(|_| Line::default()).collect(),
            lines_each,
        }
    }

    pub(super) fn add(&self, index: usize, count: u64) {
        let line = SHARD.with(|shard| shard * self.lines_each) + index / LINE;
        self.lines[line].0[index % LINE].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn sum(&self, index: usize) -> u64 {
        let of = |shard: &[Line]| shard[index / LINE].0[index % LINE].load(Ordering::Relaxed);
        self.lines.chunks(self.lines_each).map(of).sum()
    }
}

/// A number that only grows.
#[derive(Debug)]
pub struct Counter(Tally);

impl Default for Counter {
    fn default() -> Self {
        Self(Tally::new(1))
    }
}

impl Counter {
    /// Counts one.
    pub fn one(&self) {
        self.0.add(0, 1);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.sum(0)
    }
}

/// The most words that are told apart.
const WORDS: usize = 24;
const OTHER: &str = "other";

/// Counts by a word of the program's own: the type says that no caller has written it, so there are few.
#[derive(Debug)]
pub struct Words {
    words: [OnceLock<&'static str>; WORDS],
    tally: Tally,
}

impl Words {
    /// Counts by these words, which are shown from the start, and by others once they are counted.
    pub(super) fn new(known: &[&'static str]) -> Self {
        let words: [OnceLock<&'static str>; WORDS] = Default::default();
        for (place, word) in words.iter().zip(known) {
            place.get_or_init(|| word);
        }
        let tally = Tally::new(WORDS + 1);
        Self { words, tally }
    }

    /// Counts one.
    pub fn count(&self, word: &'static str) {
        self.add(word, 1);
    }

    /// Counts some.
    pub fn add(&self, word: &'static str, count: u64) {
        let mut places = self.words.iter();
        let place = places.position(|place| *place.get_or_init(|| word) == word);
        self.tally.add(place.unwrap_or(WORDS), count);
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self.words.iter().enumerate();
        let known = known.filter_map(|(at, word)| Some((*word.get()?, self.tally.sum(at))));
        let other = Some((OTHER, self.tally.sum(WORDS))).filter(|(_, count)| *count > 0);
        known.chain(other)
    }
}

/// How values are spread over buckets.
#[derive(Debug)]
pub struct Histogram {
    /// The upper bounds of the buckets, in the unit that is counted in; one more has no bound.
    bounds: &'static [u64],
    /// How many of that unit make one of the unit that is shown.
    scale: f64,
    tally: Tally,
}

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// Fourteen, so that with the one without a bound and the sum a shard fills two cache lines.
const SOON: &[u64] = &[
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    5 * SECOND,
];
const LATER: &[u64] = &[
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    SECOND,
    2_500 * MILLISECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
];
const SIZES: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

impl Histogram {
    fn new(bounds: &'static [u64], scale: f64) -> Self {
        let tally = Tally::new(bounds.len() + 2);
        Self {
            bounds,
            scale,
            tally,
        }
    }

    /// Of times that matter below a second.
    pub(super) fn of_times() -> Self {
        Self::new(SOON, 1e9)
    }

    /// Of times that people wait.
    pub(super) fn of_long_times() -> Self {
        Self::new(LATER, 1e9)
    }

    /// Of numbers of things.
    pub(super) fn of_sizes() -> Self {
        Self::new(SIZES, 1.0)
    }

    /// Adds a time.
    pub fn took(&self, time: Duration) {
        self.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds a number.
    pub fn had(&self, size: usize) {
        self.add(u64::try_from(size).unwrap_or(u64::MAX));
    }

    fn add(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.tally.add(bucket, 1);
        self.tally.add(self.bounds.len() + 1, value);
    }

    /// How many values there are up to each bound, how many in all, and their sum.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nanoseconds of a hundred days fit, and what is lost beyond is nothing to them"
    )]
    pub(super) fn read(&self) -> (Vec<(f64, u64)>, u64, f64) {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / self.scale);
        let bounds = bounds.chain([f64::INFINITY]).enumerate();
        let buckets: Vec<_> = bounds.map(|(at, le)| (le, self.tally.sum(at))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = self.tally.sum(self.bounds.len() + 1) as f64 / self.scale;
        (buckets, count, sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_at_once_adds_up() {
        let (counter, words, times) = (
            Counter::default(),
            Words::new(&["sent"]),
            Histogram::of_times(),
        );
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        counter.one();
                        words.count("failed");
                        times.took(Duration::from_millis(1));
                    }
                });
            }
        });
        assert_eq!(counter.value(), 8000);
        let counts: Vec<_> = words.counts().collect();
        assert_eq!(counts, [("sent", 0), ("failed", 8000)]);
        let (buckets, count, sum) = times.read();
        assert_eq!((count, buckets[3]), (8000, (0.001, 8000)));
        assert!((sum - 8.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        let sizes = Histogram::of_sizes();
        [0, 1, 2, 3, 256, 257]
            .into_iter()
            .for_each(|n| sizes.had(n));
        let (buckets, count, sum) = sizes.read();
        let filled: Vec<_> = buckets.into_iter().filter(|(_, n)| *n > 0).collect();
        let infinite = (f64::INFINITY, 1);
        assert_eq!(filled, [(1.0, 2), (2.0, 1), (4.0, 1), (256.0, 1), infinite]);
        assert_eq!((count, sum), (6, 519.0));
    }

    #[test]
    fn words_beyond_the_most_share_one() {
        let words = Words::new(&[]);
        for at in 0..WORDS + 3 {
            words.count(Box::leak(format!("word{at}").into_boxed_str()));
        }
        let counts: Vec<_> = words.counts().collect();
        assert_eq!((counts.len(), counts[WORDS]), (WORDS + 1, (OTHER, 3)));
    }

    /// A generous bound: it costs some ten nanoseconds, and would cost more than this if threads had to queue for it.
    #[test]
    fn a_count_costs_next_to_nothing() {
        const ROUNDS: u32 = 1_000_000;
        let times = Histogram::of_times();
        let started = crate::clock::monotonic();
        for _ in 0..ROUNDS {
            times.took(std::hint::black_box(Duration::from_micros(700)));
        }
        let each = started.elapsed() / ROUNDS;
        assert!(each < Duration::from_micros(10), "{each:?}");
    }
}
