//! What libFuzzer calls: the target that `FUZZ_TARGET` names. One program for all, for linking it takes longer than many a run.
#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::sync::LazyLock;

static TARGET: LazyLock<String> =
    LazyLock::new(|| std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names no target"));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::run(&TARGET, bytes));
