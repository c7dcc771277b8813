//! Rows that others remember: those of clients, their secrets and access tokens. The statement that changes one says so here; once its
//! transaction has ended, and before its caller is answered, everything that this process remembers of them is void.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// Whether the transaction that this thread runs has changed such a row. Diesel's connection has no room for it.
    static CHANGED: Cell<bool> = const { Cell::new(false) };
}

/// Counts how often what is remembered has become void.
#[derive(Debug, Default)]
pub(super) struct Epoch(AtomicU64);

/// Says that the transaction that runs on this thread changes a row that may be remembered.
pub(super) fn change() {
    CHANGED.set(true);
}

impl Epoch {
    /// The count. Whoever reads a row takes it before, and holds on to the row for as long as it stands.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// To be called when a transaction of this thread has ended, however it did.
    pub(super) fn end_transaction(&self) {
        if CHANGED.take() {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }
}
