//! Where a secret that an app has already comes from: never from an argument, which other users of the machine can read.

use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::CliError;
use crate::domain::client_secret::{stated, stated_digest};
use crate::domain::{ClientSecret, HashedToken};

/// More than any secret, and its line's end.
const MOST: u64 = 4096;

/// Where one secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// Standard input.
    Stdin,
    /// A file that holds nothing else.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// The SHA-256 in hexadecimal: the secret itself stays elsewhere.
    Digest(String),
}

impl Source {
    /// Reads the secret and keeps its digest.
    pub(super) fn read(&self) -> Result<HashedToken<ClientSecret>, CliError> {
        let text = match self {
            Source::Digest(hex) => return stated_digest(hex).map_err(CliError::refused),
            Source::Stdin => read(std::io::stdin()).map_err(|error| {
                CliError::refused(format!("cannot read standard input: {error}"))
            })?,
            Source::File(path) => std::fs::File::open(path).and_then(read).map_err(|error| {
                CliError::refused(format!("cannot read {}: {error}", path.display()))
            })?,
            Source::Environment(name) => {
                let value = std::env::var(name).map_err(|_| {
                    CliError::refused(format!("the environment has no variable {name}"))
                })?;
                Zeroizing::new(value)
            }
        };
        stated(line(&text)).map_err(CliError::refused)
    }
}

fn read(input: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    input.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// The text without the end of its one line, which editors and `echo` add.
fn line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

/// Reads a whole document, from a file or standard input (`-`).
pub(super) fn document(path: &Path) -> Result<String, CliError> {
    let text = match path == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(path),
    };
    text.map_err(|error| CliError::refused(format!("cannot read {}: {error}", path.display())))
}
