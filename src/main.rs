//! The program: reads the command and sets the exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    unforget::cli::run()
}
