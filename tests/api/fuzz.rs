//! Every parser against hostile bytes: the seeds of tests/fuzz, and what a dice makes of them. The same each time, unless
//! `TEST_ROUNDS` asks for more. `scripts/fuzz` goes on from here, guided by coverage.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use crate::fuzz_targets::{TARGETS, run};
use crate::helpers::rounds;

/// What is put into seeds: what parsers stumble over.
const MORSELS: [&[u8]; 40] = [
    b"\0",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x1b[2J",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    "\u{2028}".as_bytes(),
    "\u{202e}".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{212a}".as_bytes(),
    "\u{ff0e}".as_bytes(),
    b"%",
    b"%00",
    b"%0d%0a",
    b"%zz",
    b"+",
    b"&",
    b"=",
    b";",
    b",",
    b"\"",
    b"\\",
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b"{token}",
    b"{email}",
    b"\\u0000",
    b"\\ud800",
    b"1e400",
    b"-1",
    b"18446744073709551616",
    b"null",
    b"@",
    b"://",
];

/// The seeds of a target, and those of all.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds");
    let lines = |name: &str| {
        let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(unescape).collect::<Vec<_>>()
    };
    [lines(target), lines("common")].concat()
}

/// Bytes as printf writes them.
fn unescape(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, read) = match (first, after) {
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'\\', ..]) => (b'\\', 2),
            (b'\\', [b'x', high, low, ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).unwrap();
                (u8::from_str_radix(digits, 16).unwrap(), 4)
            }
            (byte, _) => (*byte, 1),
        };
        bytes.push(byte);
        rest = &rest[read..];
    }
    bytes
}

/// Changes a seed in one to four places.
fn mutate(dice: &mut SmallRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.random_range(0..seeds.len())].clone();
    for _ in 0..dice.random_range(1..5) {
        let at = dice.random_range(0..=bytes.len());
        let end = (at + dice.random_range(0..8)).min(bytes.len());
        match dice.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.insert(at, dice.random()),
            3 => drop(bytes.splice(
                at..end,
                MORSELS[dice.random_range(0..MORSELS.len())].iter().copied(),
            )),
            4 if at < bytes.len() => bytes[at] ^= 1 << dice.random_range(0..8),
            5 => {
                let again = bytes[at..end].repeat(dice.random_range(1..200));
                bytes.splice(at..at, again);
            }
            _ => {
                let other = &seeds[dice.random_range(0..seeds.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[dice.random_range(0..=other.len())..]);
            }
        }
    }
    bytes
}

/// Runs a target, and says which bytes broke it in the form that the seeds are written in.
fn attack(target: &str, bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(target, bytes)));
    assert!(
        outcome.is_ok(),
        "{target} breaks at: {}",
        bytes.escape_ascii()
    );
}

#[test]
fn o20_p05_h06_no_parser_panics_or_repeats_its_input_whatever_the_bytes() {
    let count = rounds(1500);
    for (index, (target, _)) in TARGETS.iter().enumerate() {
        let seeds = seeds(target);
        assert!(seeds.len() > 20, "{target}");
        for seed in &seeds {
            attack(target, seed);
        }
        let mut dice = SmallRng::seed_from_u64(index as u64);
        // Files are slow.
        let count = if target.starts_with("setting") {
            count / 5
        } else {
            count
        };
        for _ in 0..count {
            attack(target, &mutate(&mut dice, &seeds));
        }
    }
}

#[test]
fn the_seeds_are_read_as_printf_writes_them() {
    let line = r"a\x00\xff\\x41\\\n\r\t%b";
    let printed = std::process::Command::new("bash")
        .args(["-c", "printf %b \"$1\"", "-", line])
        .output()
        .unwrap();
    assert_eq!(unescape(line), printed.stdout);
    assert_eq!(unescape(line), b"a\0\xff\\x41\\\n\r\t%b");
}
