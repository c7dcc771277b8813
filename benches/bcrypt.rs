//! What `scripts/bench` compares verify and reset with: how many passwords these cores hash a second when they do nothing else.
//!
//! `bench-bcrypt COST SECONDS` prints JSON.

use std::io::Write;
use std::time::{Duration, Instant};
use std::{env, io, thread};

fn main() -> io::Result<()> {
    let wrong = || io::Error::other("usage: bench-bcrypt COST SECONDS");
    let mut arguments = env::args().skip(1);
    let cost: u32 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .ok_or_else(wrong)?;
    let seconds: f64 = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .ok_or_else(wrong)?;
    let threads = thread::available_parallelism()?.get();
    let hashing = (0..threads).map(|_| thread::spawn(move || rate(cost, seconds)));
    let hashing: Vec<_> = hashing.collect();
    let rates = hashing
        .into_iter()
        .map(|thread| thread.join().unwrap_or(f64::NAN));
    let sum: f64 = rates.sum();
    writeln!(
        io::stdout(),
        r#"{{"per_second":{sum:.4},"threads":{threads},"cost":{cost}}}"#
    )
}

/// Hashes a second of one thread, up to the end of its last hash: what is half done counts neither as work nor as time.
fn rate(cost: u32, seconds: f64) -> f64 {
    let (limit, started) = (Duration::from_secs_f64(seconds), Instant::now());
    let mut hashes = 0.0;
    while started.elapsed() < limit {
        let hash = bcrypt::hash_with_salt("a good password", cost, [7; 16]);
        if std::hint::black_box(hash).is_err() {
            return f64::NAN;
        }
        hashes += 1.0;
    }
    hashes / started.elapsed().as_secs_f64()
}
