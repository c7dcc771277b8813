//! Logs: for people on a terminal, as JSON lines otherwise; numbers, in `metrics`; spans for a collector where one is named; and
//! blocking work that keeps its span.

pub mod metrics;

mod collector;
mod json;
mod spans;

use std::io::{BufWriter, IsTerminal};

use tokio::runtime::Handle;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

pub(crate) use spans::span;
pub use spans::{ExportError, Outcome, answered, continue_trace};

use crate::domain::Collector;
use json::Json;
use spans::Spans;

/// How many log lines wait for a slow reader. There is room for all of them from the start, 32 bytes each.
const LINES: usize = 16 * 1024;

/// What is logged and told, until it is dropped.
pub struct Telemetry {
    // Ends before the logs, for that may be worth a line.
    _spans: Option<Spans>,
    _logs: WorkerGuard,
}

/// Writes logs to standard error from a thread of its own, so that a slow or blocked reader never stops the service: lines
/// beyond its buffer are dropped (bar L03). `RUST_LOG` chooses what is logged; the default is `info`. A collector gets spans from a
/// thread of their own too.
///
/// Other crates are held at `warn` whatever `RUST_LOG` says, for some of them log what they send (bar P14).
pub fn start(collector: Option<&Collector>) -> Result<Telemetry, ExportError> {
    let (writer, logs) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .finish(BufWriter::new(std::io::stderr())); // flushed whenever no more lines wait
    let spans = collector.map(Spans::start).transpose()?;
    subscribe(writer, spans.as_ref());
    Ok(Telemetry {
        _spans: spans,
        _logs: logs,
    })
}

fn subscribe(writer: NonBlocking, spans: Option<&Spans>) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let level = wanted
        .parse::<tracing::Level>()
        .unwrap_or(tracing::Level::INFO);
    let filter = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target(env!("CARGO_PKG_NAME"), level);
    let lines = lines(writer);
    // A second call, as in tests, keeps the first subscriber.
    match spans {
        // One filter for the whole costs less than one for each part.
        None => {
            let whole = Registry::default().with(lines).with(filter);
            let _second = whole.try_init();
        }
        Some(spans) => {
            let parts = Registry::default().with(lines.with_filter(filter));
            if parts.with(spans.layer()).try_init().is_ok() {
                spans::are_exported();
            }
        }
    }
}

fn lines(writer: NonBlocking) -> Box<dyn Layer<Registry> + Send + Sync> {
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(terminal);
    if terminal {
        lines.with_target(false).boxed()
    } else {
        lines.fmt_fields(Json).event_format(Json).boxed()
    }
}

/// Runs blocking work off the async threads, within the caller's span.
pub async fn blocking<T, F>(work: F) -> Result<T, tokio::task::JoinError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    blocking_on(&Handle::current(), work).await
}

/// The same on the blocking threads of another runtime.
pub async fn blocking_on<T, F>(threads: &Handle, work: F) -> Result<T, tokio::task::JoinError>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let span = Span::current();
    threads.spawn_blocking(move || span.in_scope(work)).await
}
