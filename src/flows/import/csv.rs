//! CSV (RFC 4180): a header, then a record for each user, which may span lines. A record that cannot be is one line's fault: what
//! follows that line is read anew, so that a quote that is never closed does not swallow the rest of the file.

use std::io::{self, BufRead};

use csv_core::{ReadRecordResult, Reader};
use serde_json::{Map, Value};

use super::ImportError;
use super::lines::{Line, Lines, MAX_LINE};
use super::records::Record;
use super::refused::Refused;
use crate::domain::profile::is_secret_name;

/// More columns than any table has that makes sense here.
const MAX_COLUMNS: usize = 1024;

/// The texts of a record's columns.
type Fields = Result<Vec<String>, Refused>;

/// A CSV file, being read.
pub(super) struct CsvRecords<R> {
    lines: Lines<R>,
    parser: Reader,
    header: Vec<String>,
    /// The fields of a record, one after the other, and where each ends.
    output: Vec<u8>,
    ends: Vec<usize>,
}

impl<R: BufRead> CsvRecords<R> {
    /// Reads the header.
    pub(super) fn open(lines: Lines<R>) -> Result<Self, ImportError> {
        let mut file = Self {
            lines,
            parser: Reader::new(),
            header: Vec::new(),
            output: vec![0; MAX_LINE],
            ends: vec![0; MAX_COLUMNS],
        };
        let first = file.next_fields()?;
        let header = first.and_then(|(_, fields)| fields.ok());
        let header = header.ok_or(ImportError::Header(
            "there is no header line with the columns",
        ))?;
        let header: Vec<_> = header.iter().map(|name| name.trim().to_owned()).collect();
        let repeated = |name: &String| header.iter().filter(|other| *other == name).count() > 1;
        if !header.iter().any(|name| name == "email") {
            return Err(ImportError::Header(
                "the first line names no column `email` (columns are separated by commas)",
            ));
        }
        let misplaced = |name: &String| name != "password_hash" && is_secret_name(name);
        if header.iter().any(misplaced) {
            return Err(ImportError::Header(
                "there is a column `password`, or one named much like it: hashes belong into `password_hash`, and passwords in clear are not taken",
            ));
        }
        if header.iter().any(|name| name.is_empty() || repeated(name)) {
            return Err(ImportError::Header(
                "a column has no name, or two have the same",
            ));
        }
        file.header = header;
        Ok(file)
    }

    pub(super) fn bytes_read(&self) -> u64 {
        self.lines.bytes_read()
    }

    /// The next user's columns that are not empty.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        let Some((line, fields)) = self.next_fields()? else {
            return Ok(None);
        };
        let named = |fields: Vec<String>| {
            let pairs = self.header.iter().cloned().zip(fields);
            let stated = pairs.filter(|(_, text)| !text.is_empty());
            stated
                .map(|(name, text)| (name, Value::String(text)))
                .collect::<Map<_, _>>()
        };
        let fields = fields.map(named);
        Ok(Some(Record { line, fields }))
    }

    fn next_fields(&mut self) -> io::Result<Option<(u64, Fields)>> {
        loop {
            let Some(first) = self.lines.next()? else {
                return Ok(None);
            };
            if first
                .bytes
                .as_ref()
                .is_some_and(|bytes| bytes.trim_ascii().is_empty())
            {
                continue;
            }
            let number = first.number;
            let mut more = Vec::new();
            let fields = self.record(first, &mut more)?;
            if matches!(fields, Err(Refused::Quotes | Refused::Columns(..))) {
                self.lines.give_back(more);
            }
            return Ok(Some((number, fields)));
        }
    }

    /// Reads one record, with the further lines that it spans.
    fn record(&mut self, mut line: Line, more: &mut Vec<Line>) -> io::Result<Fields> {
        let (mut written, mut fields) = (0, 0);
        let mut place = Place::Start;
        self.parser.reset();
        loop {
            let Some(input) = line.bytes.as_deref() else {
                let alone = more.is_empty();
                return Ok(Err(if alone {
                    Refused::TooLong
                } else {
                    Refused::Quotes
                }));
            };
            // The parser is lenient. A quote that is not closed would end at the next one, and swallow what is between.
            if !place.follow(input) {
                return Ok(Err(Refused::Quotes));
            }
            let (result, read, wrote, ended) = self.parser.read_record(
                input,
                &mut self.output[written..],
                &mut self.ends[fields..],
            );
            (written, fields) = (written + wrote, fields + ended);
            match result {
                ReadRecordResult::Record if matches!(&input[read..], b"" | b"\n") => {
                    return Ok(self.texts(written, fields));
                }
                ReadRecordResult::InputEmpty => {}
                _ => return Ok(Err(Refused::Quotes)),
            }
            let Some(next) = self.lines.next()? else {
                return Ok(Err(Refused::Quotes));
            };
            more.push(next.clone());
            line = next;
        }
    }

    fn texts(&self, written: usize, fields: usize) -> Fields {
        let text = self.output.get(..written).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| Refused::NotUtf8)?;
        let ends = self.ends.get(..fields).unwrap_or_default();
        let wanted = self.header.len();
        if wanted > 0 && fields != wanted {
            return Err(Refused::Columns(fields, wanted));
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let texts = starts.zip(ends).map(|(start, end)| text.get(start..*end));
        let texts: Option<Vec<_>> = texts.map(|text| text.map(ToOwned::to_owned)).collect();
        texts.ok_or(Refused::NotUtf8)
    }
}

/// Where in a field a byte is.
#[derive(Clone, Copy)]
enum Place {
    Start,
    Bare,
    Quoted,
    /// After a quote that ends the field, unless another one follows.
    Closed,
}

impl Place {
    /// Goes through a line; says whether every quote that ends a field does stand at its end (RFC 4180 section 2).
    fn follow(&mut self, line: &[u8]) -> bool {
        for byte in line {
            *self = match (*self, byte) {
                (Self::Quoted, b'"') => Self::Closed,
                (Self::Quoted, _) | (Self::Start | Self::Closed, b'"') => Self::Quoted,
                (_, b',' | b'\r' | b'\n') => Self::Start,
                (Self::Closed, _) => return false,
                (Self::Start | Self::Bare, _) => Self::Bare,
            };
        }
        true
    }
}
