//! Moves what SQLite's write-ahead log holds into the database (a checkpoint), beside the thread that writes. That thread finishes it
//! once the log is long, for the log begins anew only when all of it has been moved; everybody who writes waits for what was left to do
//! (docs/performance.md).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::connection::AnyConnection;
use super::error::{Result, StorageError};
use crate::domain::DatabaseUrl;

/// About so many pages are moved at once: long before the writing thread would move them.
const PAGES: usize = 1000;
/// About so many pages a transaction writes for itself, and one more for each of its writes: digests are random.
const PAGES_OF_TRANSACTION: usize = 3;

/// What is written and not moved yet, as the writing thread sees it.
pub(super) struct Wal {
    pages: usize,
    ready: SyncSender<()>,
}

impl Wal {
    /// Starts the thread that moves pages. It ends when this is dropped.
    pub(super) fn start(url: &DatabaseUrl) -> Result<(Self, JoinHandle<()>)> {
        let connection = AnyConnection::open(url)?;
        let (ready, told) = sync_channel(1);
        let url = url.clone();
        let thread = std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || move_pages(&url, connection, &told))
            .map_err(|e| StorageError::Unavailable(format!("cannot start a thread: {e}")))?;
        Ok((Self { pages: 0, ready }, thread))
    }

    /// A transaction with so many writes was committed.
    pub(super) fn grew(&mut self, writes: usize) {
        self.pages += PAGES_OF_TRANSACTION + writes;
        // While the thread has not even begun with the last ones, more of them can wait.
        if self.pages >= PAGES && self.ready.try_send(()).is_ok() {
            self.pages = 0;
        }
    }
}

fn move_pages(url: &DatabaseUrl, connection: AnyConnection, told: &Receiver<()>) {
    let mut connection = Some(connection);
    while told.recv().is_ok() {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match AnyConnection::open(url) {
                Ok(open) => open,
                Err(_) => continue, // the writing thread has the same trouble, and callers who are told of it
            },
        };
        match open.checkpoint() {
            Ok(()) => connection = Some(open),
            // What is not moved now is moved next time, or by the writing thread.
            Err(error) => tracing::debug!(%error, "the log of SQLite was not moved"),
        }
    }
}
