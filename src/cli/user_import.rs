//! `unforget user import ..`: accounts from a file.

use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::CliError;
use super::output::{Output, note};
use crate::flows::Flows;
use crate::flows::import::{Format, ImportEvent, ImportOptions, Imported, Refused};

/// How much is read from the file at a time.
const BUFFER: usize = 256 * 1024;

#[derive(Args)]
pub(super) struct ImportArguments {
    /// A .csv or .jsonl file, or - for standard input
    file: PathBuf,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Bring accounts that exist up to date; without it they stay as they are and their lines are refused
    #[arg(long)]
    update: bool,
    /// csv or jsonl [default: by the file's name]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

pub(super) async fn execute(
    arguments: &ImportArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let path = arguments.file.as_path();
    let format = format(path, arguments.format)?;
    let (input, length): (Box<dyn BufRead>, _) = if path == Path::new("-") {
        (Box::new(stdin().lock()), None)
    } else {
        let cannot = |error| CliError::refused(format!("cannot read {}: {error}", path.display()));
        let file = File::open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        (
            Box::new(BufReader::with_capacity(BUFFER, file)),
            Some(length),
        )
    };
    let options = ImportOptions {
        dry_run: arguments.dry_run,
        update: arguments.update,
    };
    let progress = progress(length);
    let mut report = Report::begin(output)?;
    let mut told = Ok(());
    let imported = flows.import_users(input, format, options, |event| match event {
        ImportEvent::Done(bytes) => progress.set_position(bytes),
        ImportEvent::Refused(line, reason) => {
            if told.is_ok() {
                told = progress.suspend(|| report.refused(line, reason));
            }
        }
    });
    let imported = imported.await;
    progress.finish_and_clear();
    told?;
    // What is in stays in: said even when the rest failed.
    let counts = imported.as_ref().ok();
    report.end(counts, options.dry_run)?;
    match imported.map_err(CliError::refused)? {
        Imported { refused: 0, .. } => Ok(()),
        Imported { refused, .. } if options.dry_run => {
            Err(CliError::refused(format!("refused lines: {refused}")))
        }
        Imported { refused, .. } => Err(CliError::refused(format!(
            "refused lines: {refused}; all others are in"
        ))),
    }
}

/// The format that was named, or that the file's name tells.
pub(super) fn format(path: &Path, named: Option<Format>) -> Result<Format, CliError> {
    let by_name = || path.extension()?.to_str()?.parse().ok();
    named
        .or_else(by_name)
        .ok_or_else(|| CliError::refused("say with --format whether it is csv or jsonl"))
}

/// A bar on a terminal; nothing anywhere else.
fn progress(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{bar:40} {percent:>3} %  {binary_bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{binary_bytes} read"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What became of the lines: for people each refused one on standard error, as JSON all in one document, written as it comes.
struct Report<'a> {
    output: &'a Output,
    is_first: bool,
}

impl<'a> Report<'a> {
    fn begin(output: &'a Output) -> std::io::Result<Self> {
        if output.json {
            output.line("{\"lines\": [")?;
        }
        Ok(Self {
            output,
            is_first: true,
        })
    }

    fn refused(&mut self, line: u64, reason: Refused) -> std::io::Result<()> {
        if !self.output.json {
            note(&format!("line {line}: {reason}"));
            return Ok(());
        }
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        let value = json!({"line": line, "error": reason.name(), "reason": reason.to_string()});
        self.output.line(&format!("{comma}{value}"))
    }

    fn end(self, imported: Option<&Imported>, dry_run: bool) -> std::io::Result<()> {
        if self.output.json {
            let counts = imported.map(|counts| {
                format!(
                    ", \"added\": {}, \"updated\": {}, \"unchanged\": {}, \"refused\": {}",
                    counts.added, counts.updated, counts.unchanged, counts.refused
                )
            });
            let counts = counts.unwrap_or_default();
            return self
                .output
                .line(&format!("]{counts}, \"dry_run\": {dry_run}}}"));
        }
        let Some(counts) = imported else {
            return Ok(());
        };
        let (would, tail) = match dry_run {
            true => ("Would have added", " Nothing was changed."),
            false => ("Added", ""),
        };
        self.output.line(&format!(
            "{would} {}, updated {}, left {} as they were, refused {}.{tail}",
            counts.added, counts.updated, counts.unchanged, counts.refused
        ))
    }
}
