//! Where commands print: data on standard output, for people or as JSON; complaints on standard error, one line each.

use std::io::{Result, Write, stderr, stdout};

use serde_json::Value;

/// How data is printed.
pub(super) struct Output {
    /// As JSON.
    pub(super) json: bool,
}

impl Output {
    /// Prints data: the value as JSON, or the text for people.
    pub(super) fn data(&self, value: &Value, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            self.line(&format!("{value:#}"))
        } else {
            self.line(&text())
        }
    }

    /// Prints what is a format of its own.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<()> {
        let mut out = stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Prints a line, whatever the format.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

/// Prints a complaint.
pub(super) fn complain(error: &dyn std::fmt::Display) {
    let text = error.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let _closed = writeln!(stderr(), "unforget: {line}");
}

/// Prints a remark on standard error.
pub(super) fn note(text: &str) {
    let _closed = writeln!(stderr(), "{text}");
}

/// A number of things, such as "1 mail" and "2 mails".
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Lays rows out in columns.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
