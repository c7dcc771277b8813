//! Whether two lots of times differ: the Mann-Whitney U test, medians, and a verdict that has been shown to find a leak.

/// The larger of these may lie between the medians (bar F02).
const TOLERABLE_SHARE: f64 = 0.03;
const TOLERABLE_SECONDS: f64 = 0.001;
/// What a glance takes for a leak: it sees five milliseconds.
const GROSS_SHARE: f64 = 0.15;
const GROSS_SECONDS: f64 = 0.0025;

/// What a comparison found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) p: f64,
    pub(super) medians: [f64; 2],
}

impl Finding {
    pub(super) fn of(samples: &[Vec<f64>; 2]) -> Self {
        Self {
            p: mann_whitney(&samples[0], &samples[1]),
            medians: [median(&samples[0]), median(&samples[1])],
        }
    }

    /// There is a difference that a busy machine does not make by itself, in a few measurements.
    pub(super) fn is_gross(&self) -> bool {
        let [a, b] = self.medians;
        self.p < 0.001 && (a - b).abs() > GROSS_SECONDS.max(GROSS_SHARE * a.max(b))
    }

    /// No difference can be shown, or it is too small to be measured over a network.
    pub(super) fn is_harmless(&self) -> bool {
        let [a, b] = self.medians;
        let tolerable = TOLERABLE_SECONDS.max(TOLERABLE_SHARE * a.max(b));
        self.p > 0.01 || (a - b).abs() <= tolerable
    }
}

/// The two-sided p-value of the Mann-Whitney U test, by the normal approximation: good from 20 values each.
fn mann_whitney(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<_> = a
        .iter()
        .map(|x| (*x, true))
        .chain(b.iter().map(|x| (*x, false)))
        .collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (mut rank_sum, mut before) = (0.0, 0);
    for ties in all.chunk_by(|x, y| x.0 == y.0) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        rank_sum += rank * ties.iter().filter(|(_, of_a)| *of_a).count() as f64;
        before += ties.len();
    }
    let (n, m) = (a.len() as f64, b.len() as f64);
    let u = rank_sum - n * (n + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    complementary_error((u - n * m / 2.0).abs() / deviation / 2.0_f64.sqrt())
}

/// erfc for x >= 0, to seven digits (Abramowitz and Stegun, 7.1.26 extended; Numerical Recipes, erfcc).
fn complementary_error(x: f64) -> f64 {
    const C: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let t = 1.0 / (1.0 + x / 2.0);
    t * (C.iter().rev().fold(0.0, |sum, c| sum * t + c) - x * x).exp()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A small generator (splitmix64): the order of the requests must not follow a pattern, and need not be secret.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between 0 and 1, never 0.
    fn fraction(&mut self) -> f64 {
        ((self.roll() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for at in (1..values.len()).rev() {
            values.swap(at, (self.roll() % (at as u64 + 1)) as usize);
        }
    }
}

#[test]
fn the_p_value_is_that_of_the_tables() {
    let values = |range: std::ops::RangeInclusive<i32>| range.map(f64::from).collect::<Vec<_>>();
    // U = 0 of 25, z = 12.5 / 4.787 = 2.611.
    let p = mann_whitney(&values(1..=5), &values(6..=10));
    assert!((p - 0.009_02).abs() < 1e-4, "{p}");
    assert_eq!(p, mann_whitney(&values(6..=10), &values(1..=5)));
    // All in one tie: nothing can be told.
    let p = mann_whitney(&[1.0; 30], &[1.0; 30]);
    assert!((p - 1.0).abs() < 1e-6, "{p}");
    // erfc(1.96 / sqrt 2) = 0.05
    let p = complementary_error(1.959_964 / 2.0_f64.sqrt());
    assert!((p - 0.05).abs() < 1e-6, "{p}");
}

#[test]
fn the_rig_detects_two_milliseconds_and_does_not_cry_wolf() {
    // Like a real service: 3 ms at least, a long tail, and now and then a pause.
    let mut dice = Dice(1);
    let mut sample = |shift: f64| -> Vec<f64> {
        let mut time = || {
            let pause = if dice.roll().is_multiple_of(50) {
                0.040
            } else {
                0.0
            };
            0.003 + shift + pause - 0.002 * dice.fraction().ln()
        };
        (0..2000).map(|_| time()).collect()
    };
    let leak = Finding::of(&[sample(0.002), sample(0.0)]);
    assert!(leak.p < 1e-6 && !leak.is_harmless(), "{leak:?}");
    let faster = Finding::of(&[sample(0.0), sample(0.002)]);
    assert!(!faster.is_harmless(), "{faster:?}");
    // Of a hundred comparisons of like with like, about one has p < 0.01; not one is called a leak.
    let honest: Vec<_> = (0..100)
        .map(|_| Finding::of(&[sample(0.0), sample(0.0)]))
        .collect();
    assert!(honest.iter().all(Finding::is_harmless), "{honest:?}");
    let doubtful = honest.iter().filter(|finding| finding.p < 0.01).count();
    assert!(doubtful <= 6, "{doubtful} of 100");
}
