//! Mails that are due go to one worker each: claimed by a lease, and given back with what became of them.

use diesel::dsl::{exists, not};
use diesel::prelude::*;
use uuid::Uuid;

use super::{Ending, MailReport, Row};
use crate::domain::Instant;
use crate::domain::mail::{Mail, MailState};
use crate::storage::AnyConnection;
use crate::storage::columns::{At, Id};
use crate::storage::error::Result;
use crate::storage::schema::{mails, users};

/// What became of an attempt.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It will be tried again at this time, for this reason.
    Retry(Instant, String),
    /// It is over: sent, failed for a reason, or without anybody to go to.
    Finished(MailState, Option<String>),
}

/// How many of the mails that are due are looked at to claim some of them.
const WINDOW: i64 = 128;

/// Claims up to `limit` of the mails that have been due longest, until `until`; workers of other processes get others (bar E11). Reset
/// mails among them that nobody is to get are finished at once, and counted: a flood of made-up addresses costs no attempts.
pub fn claim(
    c: &mut AnyConnection,
    now: Instant,
    lease: Uuid,
    until: Instant,
    limit: usize,
) -> Result<(Vec<Mail>, usize)> {
    let due = mails::table
        .filter(mails::due_at.le(At(now)))
        .order(mails::due_at)
        .select(mails::id)
        .limit(WINDOW);
    let mut due: Vec<Id> = match c {
        AnyConnection::Postgres(postgres) => due.for_update().skip_locked().load(postgres)?,
        AnyConnection::Sqlite(sqlite) => due.load(sqlite)?, // the only writer
    };
    if due.is_empty() {
        return Ok((Vec::new(), 0)); // idle: nothing is written
    }
    let nobodys = skip_unknown(c, &due, now)?;
    due.retain(|id| !nobodys.contains(id));
    due.truncate(limit);
    diesel::update(mails::table.filter(mails::id.eq_any(&due)))
        .set((
            mails::lease.eq(Id(lease)),
            mails::due_at.eq(At(until)),
            mails::attempts.eq(mails::attempts + 1),
        ))
        .execute(c)?;
    let rows: Vec<Row> = mails::table
        .filter(mails::id.eq_any(&due))
        .order(mails::created_at)
        .select(Row::as_select())
        .load(c)?;
    let mails = rows
        .into_iter()
        .map(|row| MailReport::try_from(row).map(|report| report.mail));
    Ok((mails.collect::<Result<_>>()?, nobodys.len()))
}

/// Finishes those of these reset mails that nobody is to get.
fn skip_unknown(c: &mut AnyConnection, due: &[Id], now: Instant) -> Result<Vec<Id>> {
    let wanted = users::table
        .filter(users::email_key.nullable().eq(mails::address_key))
        .filter(users::disabled_at.is_null());
    let nobodys: Vec<Id> = mails::table
        .filter(mails::id.eq_any(due))
        .filter(mails::address_key.is_not_null())
        .filter(not(exists(wanted)))
        .select(mails::id)
        .load(c)?;
    if !nobodys.is_empty() {
        diesel::update(mails::table.filter(mails::id.eq_any(&nobodys)))
            .set(Ending::skipped(now))
            .execute(c)?;
    }
    Ok(nobodys)
}

/// Records what became of an attempt, unless the lease has ended and another worker has the mail now.
pub fn record(
    c: &mut AnyConnection,
    id: Uuid,
    lease: Uuid,
    outcome: &Outcome,
    now: Instant,
) -> Result<bool> {
    let (state, due_at, failure, finished_at) = match outcome {
        Outcome::Retry(at, reason) => (
            MailState::Queued,
            Some(At(*at)),
            Some(reason.as_str()),
            None,
        ),
        Outcome::Finished(state, reason) => (*state, None, reason.as_deref(), Some(At(now))),
    };
    let changed = diesel::update(mails::table.find(Id(id)))
        .filter(mails::lease.eq(Id(lease)))
        .set((
            mails::state.eq(state.name()),
            mails::due_at.eq(due_at),
            mails::failure.eq(failure),
            mails::finished_at.eq(finished_at),
            mails::lease.eq(None::<Id>),
        ))
        .execute(c)?;
    Ok(changed == 1)
}

/// Gives a claimed mail back that was not tried, unless the lease has ended: it is due at once, for whoever comes first.
pub fn give_back(c: &mut AnyConnection, id: Uuid, lease: Uuid, now: Instant) -> Result<()> {
    diesel::update(mails::table.find(Id(id)))
        .filter(mails::lease.eq(Id(lease)))
        .set((
            mails::lease.eq(None::<Id>),
            mails::due_at.eq(At(now)),
            mails::attempts.eq(mails::attempts - 1),
        ))
        .execute(c)?;
    Ok(())
}

/// Whether this worker still has the mail: its lease may have ended, and a reset may have made the mail pointless.
pub fn is_leased(c: &mut AnyConnection, id: Uuid, lease: Uuid) -> Result<bool> {
    let held = mails::table
        .filter(mails::id.eq(Id(id)))
        .filter(mails::lease.eq(Id(lease)))
        .select(mails::id);
    // Whoever cancels mails waits for this one's transaction, and then finds the token that it has made.
    let found: Option<Id> = match c {
        AnyConnection::Postgres(postgres) => held.for_update().get_result(postgres).optional()?,
        AnyConnection::Sqlite(sqlite) => held.get_result(sqlite).optional()?, // the only writer
    };
    Ok(found.is_some())
}
