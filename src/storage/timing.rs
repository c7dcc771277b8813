//! Where the time of a call goes, in spans: `database` is all of it, `database.wait` until its turn, `database.work` its statements.
//! What is left is the commit, which calls share on SQLite.

use tracing::Span;

use super::connection::AnyConnection;
use crate::telemetry::span;

/// The span of a call at this gate, and the call's work within it.
pub(super) fn timed<R, F>(
    gate: &'static str,
    work: F,
) -> (Span, impl FnOnce(&mut AnyConnection) -> R + Send + 'static)
where
    F: FnOnce(&mut AnyConnection) -> R + Send + 'static,
{
    let call = span!("database", gate);
    let wait = span!(parent: &call, "database.wait");
    let within = call.clone();
    let work = move |connection: &mut AnyConnection| {
        drop(wait);
        span!(parent: &within, "database.work").in_scope(|| work(connection))
    };
    (call, work)
}
