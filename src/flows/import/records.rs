//! What a file says about each user, whatever its format: names with values.

use std::io::{self, BufRead};
use std::str::FromStr;

use serde_json::{Map, Value};

use super::ImportError;
use super::csv::CsvRecords;
use super::lines::Lines;
use super::refused::Refused;
use crate::domain::json::Strict;

/// How users are written down in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A header with the names, then a record for each user.
    Csv,
    /// A JSON object on each line.
    Jsonl,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            _ => Err("csv or jsonl"),
        }
    }
}

/// What a file says about one user, and from which line on.
pub(super) struct Record {
    pub(super) line: u64,
    pub(super) fields: Result<Map<String, Value>, Refused>,
}

/// A file, being read.
pub(super) enum Records<R> {
    Csv(Box<CsvRecords<R>>),
    Jsonl(Lines<R>),
}

impl<R: BufRead> Records<R> {
    pub(super) fn open(input: R, format: Format) -> Result<Self, ImportError> {
        let lines = Lines::new(input);
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(CsvRecords::open(lines)?)),
            Format::Jsonl => Self::Jsonl(lines),
        })
    }

    pub(super) fn bytes_read(&self) -> u64 {
        match self {
            Self::Csv(file) => file.bytes_read(),
            Self::Jsonl(lines) => lines.bytes_read(),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Csv(file) => file.next(),
            Self::Jsonl(lines) => next_object(lines),
        }
    }
}

fn next_object<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Record>> {
    while let Some(line) = lines.next()? {
        let fields = match line.bytes.as_deref().map(<[u8]>::trim_ascii) {
            Some(b"") => continue,
            Some(bytes) => object(bytes),
            None => Err(Refused::TooLong),
        };
        let line = line.number;
        return Ok(Some(Record { line, fields }));
    }
    Ok(None)
}

fn object(bytes: &[u8]) -> Result<Map<String, Value>, Refused> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refused::NotUtf8)?;
    read_strictly(text)?.ok_or(Refused::NotAnObject)
}

/// A JSON object; none when the text is something else. One that has a key twice says nothing for certain (RFC 8259 section 4).
pub(super) fn read_strictly(text: &str) -> Result<Option<Map<String, Value>>, Refused> {
    match serde_json::from_str(text) {
        Ok(Strict(Value::Object(object))) => Ok(Some(object)),
        Err(error) if error.is_data() => Err(Refused::RepeatedKey),
        _ => Ok(None),
    }
}
