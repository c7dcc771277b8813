//! An operator reads the audit, once or as it grows.

use std::collections::HashSet;

use chrono::TimeDelta;
use uuid::Uuid;

use super::Flows;
use crate::domain::Instant;
use crate::domain::audit::{Entry, first_id};
use crate::storage::StorageError;
use crate::storage::audit::{Filter, Order, Range, page};

/// How long after its time an entry may still become visible: its transaction has to end first, and several nodes have several
/// clocks. So far back every pass looks once more.
const LATENESS: TimeDelta = TimeDelta::seconds(60);

/// A reader's place in the audit. Entries are read in passes; none is lost between two of them, and none comes twice.
#[derive(Debug)]
pub struct Trail {
    filter: Filter,
    before: Uuid,
    /// Nothing new is expected up to here, and nothing is looked at again.
    settled: Uuid,
    /// What this pass settles.
    settles: Uuid,
    /// What was read beyond that.
    seen: HashSet<Uuid>,
    /// What this pass has not looked at yet; none when it is over.
    rest: Option<Range>,
}

impl Trail {
    /// Begins the first pass: what was done since a time, and until another one.
    pub fn new(filter: Filter, since: Instant, until: Option<Instant>, now: Instant) -> Self {
        let before = until.map_or_else(Uuid::max, first_id);
        let mut trail = Self {
            filter,
            before,
            settled: first_id(since),
            settles: first_id(since),
            seen: HashSet::new(),
            rest: None,
        };
        trail.again(now);
        trail
    }

    /// Begins another pass: what has become visible since.
    pub fn again(&mut self, now: Instant) {
        let settled = self.settled.max(self.settles);
        self.seen.retain(|id| *id > settled);
        self.settled = settled;
        self.settles = first_id(now - LATENESS);
        self.rest = Some(Range {
            after: settled,
            before: self.before,
        });
    }

    /// The next entries of this pass, oldest first; none when it is over.
    pub async fn next(&mut self, flows: &Flows) -> Result<Option<Vec<Entry>>, StorageError> {
        let Some(range) = self.rest else {
            return Ok(None);
        };
        let filter = self.filter.clone();
        let page = flows
            .storage
            .read(move |c| page(c, range, &filter, Order::OldestFirst));
        let page = page.await?;
        self.rest = page.rest;
        Ok(Some(self.mark(page.entries)))
    }

    /// The newest entries, oldest first, instead of the first pass.
    pub async fn newest(
        &mut self,
        flows: &Flows,
        count: usize,
    ) -> Result<Vec<Entry>, StorageError> {
        let mut newest = Vec::new();
        while newest.len() < count
            && let Some(range) = self.rest
        {
            let filter = self.filter.clone();
            let page = flows
                .storage
                .read(move |c| page(c, range, &filter, Order::NewestFirst));
            let page = page.await?;
            self.rest = page.rest;
            newest.extend(page.entries);
        }
        self.rest = None;
        newest.truncate(count);
        newest.reverse();
        if newest.len() == count
            && let Some(oldest) = newest.first()
        {
            self.settled = oldest.id; // what is older was not asked for
        }
        Ok(self.mark(newest))
    }

    /// Those that were not read before.
    fn mark(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        entries.retain(|entry| !self.seen.contains(&entry.id));
        let unsettled = entries.iter().map(|entry| entry.id);
        self.seen.extend(unsettled.filter(|id| *id > self.settles));
        entries
    }
}
