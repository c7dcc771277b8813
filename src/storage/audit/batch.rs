//! On SQLite, the entries of all the writes that share a transaction go in together, just before its commit: a statement for each
//! would cost more than its row.

use std::cell::RefCell;

use diesel::prelude::*;

use super::NewRow;
use crate::domain::audit::Entry;
use crate::storage::AnyConnection;
use crate::storage::error::Result;
use crate::storage::schema::audit;

/// How many rows one statement writes. What is left over goes in one by one, so that two statements are all that is ever prepared.
const CHUNK: usize = 16;

thread_local! {
    /// What waits in the batch that this thread is writing; none outside of one. Diesel's connection has no room for it.
    static WAITING: RefCell<Option<Vec<NewRow>>> = const { RefCell::new(None) };
}

/// The batch that this thread is writing, until it is dropped.
pub(in crate::storage) struct Batch(());

impl Batch {
    /// From now on entries wait.
    pub(in crate::storage) fn begin() -> Self {
        WAITING.set(Some(Vec::new()));
        Self(())
    }

    /// How many entries wait.
    pub(in crate::storage) fn len(&self) -> usize {
        WAITING.with_borrow(|waiting| waiting.as_ref().map_or(0, Vec::len))
    }

    /// Forgets the entries beyond the first `length`: what they tell of was undone.
    pub(in crate::storage) fn truncate(&self, length: usize) {
        WAITING.with_borrow_mut(|waiting| {
            if let Some(waiting) = waiting {
                waiting.truncate(length);
            }
        });
    }

    /// Writes what waits.
    pub(in crate::storage) fn write(&self, c: &mut AnyConnection) -> Result<()> {
        let rows = WAITING.replace(Some(Vec::new())).unwrap_or_default();
        match c {
            AnyConnection::Sqlite(c) => write(c, rows),
            AnyConnection::Postgres(_) => Ok(()), // nothing waits there
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        WAITING.set(None);
    }
}

/// Lets an entry wait for the end of the batch; outside of one it is written at once.
pub(super) fn add(c: &mut SqliteConnection, entry: &Entry) -> Result<()> {
    let row = NewRow::from(entry);
    let alone = WAITING.with_borrow_mut(|waiting| match waiting {
        Some(waiting) => {
            waiting.push(row);
            None
        }
        None => Some(row),
    });
    write(c, alone.into_iter().collect())
}

fn write(c: &mut SqliteConnection, mut rows: Vec<NewRow>) -> Result<()> {
    while rows.len() >= CHUNK {
        let chunk = rows.split_off(rows.len() - CHUNK);
        if let Ok(chunk) = <[NewRow; CHUNK]>::try_from(chunk) {
            diesel::insert_into(audit::table).values(chunk).execute(c)?;
        }
    }
    for row in rows {
        diesel::insert_into(audit::table).values(row).execute(c)?;
    }
    Ok(())
}
