//! Users come from another system, or leave for another database: a file of any size, in batches, each of which is in or not.
//! The same file again changes nothing, so a run that was cut short is completed by another one.

mod batch;
mod csv;
mod incoming;
mod lines;
mod records;
mod refused;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead};
use std::time::Duration;

pub use records::Format;
pub use refused::Refused;

use self::batch::{Came, Plan};
use self::incoming::Incoming;
use self::records::Records;
use super::Flows;
use crate::clock;
use crate::storage::StorageError;

/// How many users share a transaction: few enough that whoever else writes need not wait for long.
const BATCH: usize = 500;
/// After each batch the database is left to others for a part of the time that the batch took, and at least for so long.
const REST: Duration = Duration::from_millis(2);

/// How users are taken over.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportOptions {
    /// Only says what would happen.
    pub dry_run: bool,
    /// Brings users who exist up to date with the file.
    pub update: bool,
}

/// What became of the lines of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// New users.
    pub added: u64,
    /// Users who existed and were changed.
    pub updated: u64,
    /// Users who existed just so.
    pub unchanged: u64,
    /// Lines that made no user.
    pub refused: u64,
}

/// What happens while a file is read.
#[derive(Debug, Clone, Copy)]
pub enum ImportEvent {
    /// The record that begins in this line makes no user.
    Refused(u64, Refused),
    /// Everything up to here is done: bytes of the file.
    Done(u64),
}

/// Why an import ended before its file did. What was done before stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The CSV file says nothing that could be understood.
    #[error("{0}")]
    Header(&'static str),
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Io(#[from] io::Error),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Which addresses and ids the file had so far: eight bytes for each, whatever its length. Two that share a digest would count as
/// one, which is not to be expected (one in a hundred thousand files of ten million lines) and would be reported.
#[derive(Default)]
struct Seen {
    digests: HashSet<u64>,
    keys: RandomState,
}

impl Seen {
    fn is_new(&mut self, user: &Incoming) -> bool {
        let address = self.keys.hash_one(user.email.key().as_str());
        let id = user.id.map(|id| self.keys.hash_one(id));
        let new_id = id.is_none_or(|id| self.digests.insert(id));
        self.digests.insert(address) && new_id
    }
}

/// Reads a file as an import would, without any database: why each record makes no user, by its line, or that it would make one. For
/// the fuzz targets (tests/fuzz).
pub fn examine(
    input: impl BufRead,
    format: Format,
    cost: u32,
) -> Result<Vec<(u64, Option<Refused>)>, ImportError> {
    let mut records = Records::open(input, format)?;
    let mut examined = Vec::new();
    while let Some(record) = records.next()? {
        let user = record
            .fields
            .and_then(|fields| Incoming::read(fields, cost));
        examined.push((record.line, user.err()));
    }
    Ok(examined)
}

impl Flows {
    /// Takes users over from a file. `report` learns of each refused line, in order, and of the progress. Blocks while it reads the
    /// file: for the command line.
    pub async fn import_users(
        &self,
        input: impl BufRead,
        format: Format,
        options: ImportOptions,
        mut report: impl FnMut(ImportEvent),
    ) -> Result<Imported, ImportError> {
        let mut records = Records::open(input, format)?;
        let mut seen = Seen::default();
        let mut imported = Imported::default();
        let plan = Plan {
            options,
            cost: self.hasher.cost(),
        };
        loop {
            let mut lines = Vec::with_capacity(BATCH);
            while lines.len() < BATCH
                && let Some(record) = records.next()?
            {
                let user = record
                    .fields
                    .and_then(|fields| Incoming::read(fields, plan.cost));
                let user = user.and_then(|user| {
                    let is_new = seen.is_new(&user);
                    is_new.then_some(user).ok_or(Refused::Duplicate)
                });
                lines.push((record.line, user));
            }
            if lines.is_empty() {
                return Ok(imported);
            }
            let users = lines
                .iter()
                .filter_map(|(_, user)| user.as_ref().ok().cloned());
            let started = clock::monotonic();
            let mut came = plan.carry_out(self, users.collect()).await?.into_iter();
            for (line, user) in lines {
                match user.map(|_| came.next().unwrap_or(Came::Refused(Refused::Rejected))) {
                    Ok(Came::Added) => imported.added += 1,
                    Ok(Came::Updated) => imported.updated += 1,
                    Ok(Came::Unchanged) => imported.unchanged += 1,
                    Ok(Came::Refused(reason)) | Err(reason) => {
                        imported.refused += 1;
                        report(ImportEvent::Refused(line, reason));
                    }
                }
            }
            report(ImportEvent::Done(records.bytes_read()));
            tokio::time::sleep(REST.max(started.elapsed() / 4)).await;
        }
    }
}
