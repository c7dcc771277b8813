//! Moves what SQLite's write-ahead log holds into the database (a checkpoint), beside the thread that writes: everybody would wait for it.
//! That thread moves what was written meanwhile, which is little, for the log begins anew only when all of it has been moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::connection::AnyConnection;
use super::error::{Result, StorageError};
use crate::domain::DatabaseUrl;

/// About so many pages are moved at once. Fewer would be moved more often, for each page is written many times, and each time syncs the disk.
const PAGES: usize = 4000;
/// About so many pages a transaction writes for itself, and one more for each of its writes: digests are random.
const PAGES_OF_TRANSACTION: usize = 3;

/// What is written and not moved yet, as the writing thread sees it.
pub(super) struct Wal {
    pages: usize,
    ready: SyncSender<()>,
    /// What was written when the thread began has been moved.
    moved: Arc<AtomicBool>,
}

impl Wal {
    /// Starts the thread that moves pages. It ends when this is dropped.
    pub(super) fn start(url: &DatabaseUrl) -> Result<(Self, JoinHandle<()>)> {
        let connection = AnyConnection::open(url)?;
        let (ready, told) = sync_channel(1);
        let moved = Arc::<AtomicBool>::default();
        let (url, done) = (url.clone(), Arc::clone(&moved));
        let thread = std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || move_pages(&url, connection, &told, &done))
            .map_err(|e| StorageError::Unavailable(format!("cannot start a thread: {e}")))?;
        let wal = Self {
            pages: 0,
            ready,
            moved,
        };
        Ok((wal, thread))
    }

    /// A transaction with so many writes was committed on this connection, and its callers have their answers.
    pub(super) fn grew(&mut self, writes: usize, connection: &mut AnyConnection) {
        if self.moved.swap(false, Ordering::Relaxed) {
            is_moved(connection.checkpoint());
        }
        self.pages += PAGES_OF_TRANSACTION + writes;
        // While the thread has not even begun with the last ones, more of them can wait.
        if self.pages >= PAGES && self.ready.try_send(()).is_ok() {
            self.pages = 0;
        }
    }
}

fn move_pages(
    url: &DatabaseUrl,
    connection: AnyConnection,
    told: &Receiver<()>,
    moved: &AtomicBool,
) {
    let mut connection = Some(connection);
    while told.recv().is_ok() {
        let mut open = match connection.take() {
            Some(open) => open,
            None => match AnyConnection::open(url) {
                Ok(open) => open,
                Err(_) => continue, // the writing thread has the same trouble, and callers who are told of it
            },
        };
        if is_moved(open.checkpoint()) {
            moved.store(true, Ordering::Relaxed);
            connection = Some(open);
        }
    }
}

/// Whether pages were moved. Those that were not are moved next time.
fn is_moved(moved: Result<()>) -> bool {
    moved
        .inspect_err(|error| tracing::debug!(%error, "the log of SQLite was not moved"))
        .is_ok()
}
