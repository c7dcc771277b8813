//! `unforget user export ..`: every account into a file.

use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use chrono::SecondsFormat;
use clap::Args;
use serde_json::{Value, json};

use super::CliError;
use super::export_file::{ExportFile, is_standard_output};
use super::output::Output;
use super::user_import::format;
use crate::domain::{DatabaseUrl, Instant, Locale, PasswordHash, User};
use crate::flows::import::Format;
use crate::flows::{By, Flows};

/// How many users are read at a time.
const PAGE: i64 = 1000;
/// The names, in the order of the columns of CSV.
const COLUMNS: [&str; 9] = [
    "id",
    "email",
    "password_hash",
    "locale",
    "profile",
    "created_at",
    "password_changed_at",
    "password_must_change",
    "disabled_at",
];

#[derive(Args)]
pub(super) struct ExportArguments {
    /// A .csv or .jsonl file; standard output without one. It holds password hashes: only its owner may read it
    file: Option<PathBuf>,
    /// csv or jsonl [default: by the file's name; jsonl on standard output]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

pub(super) async fn execute(
    arguments: &ExportArguments,
    flows: &Flows,
    database: &DatabaseUrl,
    output: &Output,
) -> Result<(), CliError> {
    let Some(path) = arguments
        .file
        .as_deref()
        .filter(|path| *path != Path::new("-") && !is_standard_output(path))
    else {
        let format = arguments.format.unwrap_or(Format::Jsonl);
        write_all(flows, format, BufWriter::new(stdout().lock())).await?;
        return Ok(());
    };
    let format = format(path, arguments.format)?;
    let cannot = |error| CliError::refused(format!("cannot write {}: {error}", path.display()));
    let count = export(flows, format, path, database)
        .await
        .map_err(|error| match error {
            CliError::Output(error) => cannot(error),
            other => other,
        })?;
    let value = json!({"users": count, "file": path.to_string_lossy()});
    Ok(output.data(&value, || {
        format!(
            "Wrote {count} users with their password hashes to {}.",
            path.display()
        )
    })?)
}

async fn export(
    flows: &Flows,
    format: Format,
    path: &Path,
    database: &DatabaseUrl,
) -> Result<u64, CliError> {
    let out = ExportFile::open(path, database)?;
    let count = write_all(flows, format, BufWriter::new(out.file())).await?;
    out.finish()?;
    Ok(count)
}

async fn write_all(flows: &Flows, format: Format, mut out: impl Write) -> Result<u64, CliError> {
    flows.begin_export(By::Operator).await?;
    let mut sheet = csv::WriterBuilder::new().from_writer(Vec::new());
    if format == Format::Csv {
        sheet.write_record(COLUMNS).map_err(std::io::Error::from)?;
    }
    let (mut last, mut count) = (None, 0);
    loop {
        let users = flows.page_of_users(last, PAGE).await?;
        for user in &users {
            last = Some(user.id);
            count += 1;
            let value = value(user);
            match format {
                Format::Jsonl => writeln!(out, "{value}")?,
                Format::Csv => sheet
                    .write_record(COLUMNS.map(|name| cell(&value[name])))
                    .map_err(std::io::Error::from)?,
            }
        }
        sheet.flush()?;
        out.write_all(sheet.get_ref())?;
        sheet = csv::WriterBuilder::new().from_writer(Vec::new());
        if users.is_empty() {
            out.flush()?;
            return Ok(count);
        }
    }
}

fn value(user: &User) -> Value {
    // To the microsecond: what comes back is the same.
    let time = |at: Instant| at.to_rfc3339_opts(SecondsFormat::Micros, true);
    json!({
        "id": user.id,
        "email": user.email.to_text(),
        "password_hash": user.password_hash.as_ref().map(PasswordHash::as_str),
        "locale": user.locale.as_ref().map(Locale::as_str),
        "profile": user.profile,
        "created_at": time(user.created_at),
        "password_changed_at": user.password_changed_at.map(time),
        "password_must_change": user.password_must_change,
        "disabled_at": user.disabled_at.map(time),
    })
}

/// A value as a cell: texts as they are, what is absent as nothing, and the rest as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
