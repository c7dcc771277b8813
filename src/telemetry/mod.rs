//! Logs: for people on a terminal, as JSON lines otherwise, and blocking work that keeps its span. And numbers, in `metrics`.

pub mod metrics;

mod json;

use std::io::{BufWriter, IsTerminal};

use tokio::runtime::Handle;
use tracing::Span;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use json::Json;

/// Writes logs to standard error from a thread of its own, so that a slow or blocked reader never stops the service: lines
/// beyond its buffer are dropped (bar L03). `RUST_LOG` chooses what is logged; the default is `info`. Logs end with the guard.
///
/// Other crates are held at `warn` whatever `RUST_LOG` says, for some of them log what they send (bar P14).
pub fn start() -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .finish(BufWriter::new(std::io::stderr())); // flushed whenever no more lines wait
    subscribe(writer);
    guard
}

fn subscribe(writer: NonBlocking) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let level = wanted
        .parse::<tracing::Level>()
        .unwrap_or(tracing::Level::INFO);
    let filter = EnvFilter::new(format!("warn,unforget={level}"));
    let terminal = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(terminal);
    // A second call, as in tests, keeps the first subscriber.
    let _second = if terminal {
        logs.with_target(false).try_init()
    } else {
        logs.fmt_fields(Json).event_format(Json).try_init()
    };
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
