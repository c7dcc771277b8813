//! The program: reads the command and sets the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    unforget::cli::run()
}
