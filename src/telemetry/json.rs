//! A log line as JSON, written straight into the line. The library's own formatter hands every piece to a serialiser, and reads the
//! span's fields back from JSON at every line: a tenth of what a whole request costs (docs/performance.md).

use std::cell::RefCell;
use std::fmt::{self, Write};

use chrono::DateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// One JSON object a line: `timestamp`, `level`, the event's fields with its text as `message`, `target`, and `span` with the fields of
/// the spans around it and the name of the innermost.
pub(super) struct Json;

impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members::new(&mut writer, "");
        fields.record(&mut members);
        members.result
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let comma = if current.fields.is_empty() { "" } else { "," };
        let mut members = Members::new(&mut current.fields, comma);
        fields.record(&mut members);
        members.result
    }
}

impl<S> FormatEvent<S, Json> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Json>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        line.write_str("{\"timestamp\":\"")?;
        write_time(&mut line)?;
        line.write_str("\",\"level\":\"")?;
        line.write_str(event.metadata().level().as_str())?;
        line.write_char('"')?;
        let mut members = Members::new(&mut line, ",");
        event.record(&mut members);
        members.result?;
        line.write_str(",\"target\":\"")?;
        line.write_str(event.metadata().target())?;
        line.write_char('"')?;
        if let Some(innermost) = context.lookup_current() {
            line.write_str(",\"span\":{")?;
            for span in innermost.scope().from_root() {
                if let Some(fields) = span.extensions().get::<FormattedFields<Json>>()
                    && !fields.fields.is_empty()
                {
                    line.write_str(&fields.fields)?;
                    line.write_char(',')?;
                }
            }
            line.write_str("\"name\":\"")?;
            line.write_str(innermost.name())?;
            line.write_str("\"}")?;
        }
        line.write_str("}\n")
    }
}

thread_local! {
    /// The last second in which this thread wrote a line, and how it is written.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// Writes date and time in UTC, to the microsecond (RFC 3339). Thousands of lines share what comes before the fraction.
fn write_time(line: &mut impl Write) -> fmt::Result {
    let (second, micros) = clock::machine();
    SECOND.with_borrow_mut(|(last, text)| {
        if *last != second {
            let at = DateTime::from_timestamp(second, 0).unwrap_or_default();
            text.clear();
            write!(text, "{}", at.format("%Y-%m-%dT%H:%M:%S"))?;
            *last = second;
        }
        write!(line, "{text}.{micros:06}Z")
    })
}

/// Writes fields as members of an object.
struct Members<'a, W> {
    out: &'a mut W,
    /// What goes before the next one.
    comma: &'static str,
    result: fmt::Result,
}

impl<'a, W: Write> Members<'a, W> {
    fn new(out: &'a mut W, comma: &'static str) -> Self {
        Self {
            out,
            comma,
            result: Ok(()),
        }
    }

    /// Names are ours: none of them has to be escaped.
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        if self.result.is_ok() {
            self.result = (|| {
                self.out.write_str(self.comma)?;
                self.out.write_char('"')?;
                self.out.write_str(field.name())?;
                self.out.write_str("\":")?;
                value(self.out)
            })();
            self.comma = ",";
        }
    }
}

impl<W: Write> Visit for Members<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |out| {
            out.write_char('"')?;
            Escaped(out).write_str(value)?;
            out.write_char('"')
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |out| write!(out, "{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |out| {
            out.write_char('"')?;
            write!(Escaped(out), "{value:?}")?;
            out.write_char('"')
        });
    }
}

/// A text within a JSON string (RFC 8259 section 7). What breaks lines or drives terminals is escaped too (bar L02).
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all that is logged is plain. To look at all of it is faster than to stop where it is not: many bytes at once.
        let plain = |b: u8| (b' '..0x7f).contains(&b) & (b != b'"') & (b != b'\\');
        if text.bytes().fold(true, |all, b| all & plain(b)) {
            return self.0.write_str(text);
        }
        for c in text.chars() {
            match c {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                '\n' => self.0.write_str("\\n")?,
                '\r' => self.0.write_str("\\r")?,
                '\t' => self.0.write_str("\\t")?,
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    write!(self.0, "\\u{:04x}", u32::from(c))?;
                }
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(work: impl FnOnce()) -> Vec<Value> {
        let log = Log::default();
        let writer = log.clone();
        let logs = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .fmt_fields(Json)
            .event_format(Json)
            .finish();
        tracing::subscriber::with_default(logs, work);
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let read = |line| serde_json::from_str(line).unwrap();
        text.lines().map(read).collect()
    }

    #[test]
    fn a_line_is_one_object_with_all_that_is_known() {
        let lines = logged(|| {
            let outer =
                tracing::info_span!("request", request_id = %"r-1", late = tracing::field::Empty);
            let _outer = outer.enter();
            outer.record("late", 7);
            let _inner = tracing::info_span!("work").entered();
            let none: Option<&str> = None;
            tracing::warn!(status = 200_u16, ok = true, none, word = "w", "done {}", 1);
        });
        let line = &lines[0];
        let written = line["timestamp"].as_str().unwrap();
        assert_eq!((written.len(), &written[26..]), (27, "Z"), "{written}");
        let written = DateTime::parse_from_rfc3339(written).unwrap();
        assert!((written.timestamp() - clock::machine().0).abs() < 60);
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "done 1");
        assert_eq!((&line["status"], &line["ok"]), (&json!(200), &json!(true)));
        assert_eq!(line["word"], "w");
        assert!(line.get("none").is_none());
        let span = json!({"request_id": "r-1", "late": 7, "name": "work"});
        assert_eq!(line["span"], span);
        assert!(line["target"].as_str().unwrap().contains("telemetry"));
    }

    #[test]
    fn whatever_is_logged_stays_on_its_line_and_comes_back_as_it_was() {
        let odd = "a\"b\\c\n\r\t\u{1b}[31m\u{7f}\u{85}\u{2028}\u{2029}é𝄞\0";
        let lines = logged(|| {
            tracing::info!(text = odd, shown = %odd, debug = ?odd, "{odd}");
        });
        assert_eq!(lines.len(), 1);
        for key in ["text", "shown", "message"] {
            assert_eq!(lines[0][key], odd, "{key}");
        }
        assert_eq!(lines[0]["debug"], format!("{odd:?}"));
    }
}
