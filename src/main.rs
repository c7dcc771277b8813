//! The program: reads the command and sets the exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Requests make and drop many small values; the C library's allocator took a sixth of their time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    unforget::cli::run()
}
