//! The queue of mails. A row is claimed by a lease that ends, so that a crash delays a mail and never loses it.

mod claim;
mod printed;

use diesel::prelude::*;
use uuid::Uuid;

use super::AnyConnection;
use super::audit;
use super::columns::{At, Id};
use super::connection::directly;
use super::error::{Result, StorageError};
use super::schema::mails;
use crate::domain::audit::Entry;
use crate::domain::mail::{Mail, MailKind, MailState};
use crate::domain::{ClientId, EmailAddress, EmailKey, Instant};

pub use claim::{Outcome, claim, give_back, is_leased, record};
pub use printed::insert_printed;

#[derive(Queryable, Selectable)]
#[diesel(table_name = mails)]
struct Row {
    id: Id,
    kind: String,
    address_key: Option<String>,
    user_id: Option<Id>,
    client_id: Option<String>,
    locale: Option<String>,
    state: String,
    created_at: At,
    expires_at: At,
    due_at: Option<At>,
    attempts: i64,
    failure: Option<String>,
    finished_at: Option<At>,
    recipient: Option<String>,
}

/// The end of a mail's life.
#[derive(AsChangeset)]
#[diesel(table_name = mails, treat_none_as_null = true)]
struct Ending {
    state: &'static str,
    due_at: Option<At>,
    lease: Option<Id>,
    finished_at: Option<At>,
}

impl Ending {
    fn skipped(now: Instant) -> Self {
        Self {
            state: MailState::Skipped.name(),
            due_at: None,
            lease: None,
            finished_at: Some(At(now)),
        }
    }
}

/// A mail with its state, for operators.
#[derive(Debug, Clone)]
pub struct MailReport {
    /// The mail.
    pub mail: Mail,
    /// Where it is in its life.
    pub state: String,
    /// When it is tried next.
    pub due_at: Option<Instant>,
    /// Why the last attempt did not succeed.
    pub failure: Option<String>,
    /// When it was sent, or given up.
    pub finished_at: Option<Instant>,
}

impl TryFrom<Row> for MailReport {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        let odd = || StorageError::Internal("a row of mails cannot be read".to_owned());
        let kind = match (row.kind.as_str(), row.address_key, row.user_id) {
            ("reset", Some(address_key), None) => MailKind::Reset { address_key },
            ("password_changed", None, Some(user_id)) => MailKind::PasswordChanged {
                user_id: user_id.0,
                recipient: row
                    .recipient
                    .map(|text| EmailAddress::parse(&text).map_err(|_| odd()))
                    .transpose()?,
            },
            ("email_changed", None, Some(user_id)) => MailKind::EmailChanged {
                user_id: user_id.0,
                recipient: EmailAddress::parse(&row.recipient.unwrap_or_default())
                    .map_err(|_| odd())?,
            },
            _ => return Err(odd()),
        };
        Ok(Self {
            mail: Mail {
                id: row.id.0,
                kind,
                client_id: row.client_id.map(ClientId::new),
                locale: row
                    .locale
                    .map(|l| l.parse().map_err(|_| odd()))
                    .transpose()?,
                created_at: row.created_at.0,
                expires_at: row.expires_at.0,
                attempts: row.attempts,
            },
            state: row.state,
            due_at: row.due_at.map(Instant::from),
            failure: row.failure,
            finished_at: row.finished_at.map(Instant::from),
        })
    }
}

/// Queues a mail, to be sent as soon as possible.
pub fn insert(c: &mut AnyConnection, mail: &Mail) -> Result<()> {
    insert_with(c, mail, None)
}

/// Queues a mail and writes into the audit that it was asked for, in one statement where each has a price.
pub fn insert_and_record(c: &mut AnyConnection, mail: &Mail, entry: &Entry) -> Result<()> {
    insert_with(c, mail, Some(entry))
}

fn insert_with(c: &mut AnyConnection, mail: &Mail, entry: Option<&Entry>) -> Result<()> {
    let (kind, address_key, user_id, recipient) = match &mail.kind {
        MailKind::Reset { address_key } => ("reset", Some(address_key.as_str()), None, None),
        MailKind::PasswordChanged { user_id, recipient } => (
            "password_changed",
            None,
            Some(Id(*user_id)),
            recipient.as_ref().map(EmailAddress::to_text),
        ),
        MailKind::EmailChanged { user_id, recipient } => (
            "email_changed",
            None,
            Some(Id(*user_id)),
            Some(recipient.to_text()),
        ),
    };
    let insert = diesel::insert_into(mails::table).values((
        mails::id.eq(Id(mail.id)),
        mails::kind.eq(kind),
        mails::address_key.eq(address_key),
        mails::user_id.eq(user_id),
        mails::client_id.eq(mail.client_id.as_ref().map(ClientId::as_str)),
        mails::locale.eq(mail.locale.as_ref().map(crate::domain::Locale::as_str)),
        mails::state.eq(MailState::Queued.name()),
        mails::created_at.eq(At(mail.created_at)),
        mails::expires_at.eq(At(mail.expires_at)),
        mails::due_at.eq(At(mail.created_at)),
        mails::attempts.eq(mail.attempts),
        mails::recipient.eq(recipient),
    ));
    match entry {
        Some(entry) => audit::insert_and_record(c, insert, entry).map(drop),
        None => Ok(directly!(c, insert.execute(c)).map(drop)?),
    }
}

/// When reset mails were queued for an address since the given time, newest first, whether or not anybody has the address.
/// They are few: each of them was allowed by the hourly cap.
pub fn queued_since(c: &mut AnyConnection, key: &EmailKey, since: Instant) -> Result<Vec<Instant>> {
    let query = mails::table
        .filter(mails::address_key.eq(key.as_str()))
        .filter(mails::created_at.gt(At(since)))
        .order(mails::created_at.desc())
        .select(mails::created_at);
    let times = directly!(c, query.load::<At>(c))?;
    Ok(times.into_iter().map(Instant::from).collect())
}

/// Gives up the reset mails that wait for an address: a link that was asked for before a reset must not work after it.
pub fn cancel_resets(c: &mut AnyConnection, address_key: &str, now: Instant) -> Result<()> {
    diesel::update(mails::table)
        .filter(mails::address_key.eq(address_key))
        .filter(mails::due_at.is_not_null())
        .set(Ending::skipped(now))
        .execute(c)?;
    Ok(())
}

/// Gives up to `limit` of the reset mails up that were asked for until now and wait, whoever they are for.
pub fn cancel_all_resets(c: &mut AnyConnection, now: Instant, limit: i64) -> Result<usize> {
    // An operator may try again what failed, as long as its link would live.
    let failed = mails::state.eq(MailState::Failed.name());
    let could_be_retried = failed.and(mails::expires_at.gt(At(now)));
    let waiting = mails::table
        .filter(mails::address_key.is_not_null())
        .filter(mails::created_at.le(At(now)))
        .filter(mails::due_at.is_not_null().or(could_be_retried))
        .select(mails::id)
        .limit(limit);
    // One that is being sent now is waited for, and is no longer among them then.
    let waiting: Vec<Id> = match c {
        AnyConnection::Postgres(postgres) => waiting.for_update().load(postgres)?,
        AnyConnection::Sqlite(sqlite) => waiting.load(sqlite)?, // the only writer
    };
    Ok(
        diesel::update(mails::table.filter(mails::id.eq_any(waiting)))
            .set(Ending::skipped(now))
            .execute(c)?,
    )
}

/// A user, as mails name one: notices by the id, reset mails by the address that was asked for, whether or not anybody has it.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The user, if there is one.
    pub user_id: Option<Uuid>,
    /// The key of the address, if it is known.
    pub address_key: Option<String>,
}

/// The newest mails, in the given state or in any.
pub fn list(
    c: &mut AnyConnection,
    state: Option<MailState>,
    limit: i64,
) -> Result<Vec<MailReport>> {
    newest(c, None, state, limit)
}

/// The same, of this user or to this address.
pub fn list_of(
    c: &mut AnyConnection,
    whose: &Whose,
    state: Option<MailState>,
    limit: i64,
) -> Result<Vec<MailReport>> {
    newest(c, Some(whose), state, limit)
}

fn newest(
    c: &mut AnyConnection,
    whose: Option<&Whose>,
    state: Option<MailState>,
    limit: i64,
) -> Result<Vec<MailReport>> {
    let mut query = mails::table.into_boxed();
    if let Some(state) = state {
        query = query.filter(mails::state.eq(state.name()));
    }
    if let Some(whose) = whose {
        // A comparison with NULL finds nothing.
        let theirs = mails::user_id.eq(whose.user_id.map(Id));
        query = query.filter(theirs.or(mails::address_key.eq(whose.address_key.as_deref())));
    }
    let rows: Vec<Row> = query
        .order(mails::id.desc())
        .limit(limit)
        .select(Row::as_select())
        .load(c)?;
    rows.into_iter().map(MailReport::try_from).collect()
}

/// Finds a mail.
pub fn find(c: &mut AnyConnection, id: Uuid) -> Result<Option<MailReport>> {
    let row: Option<Row> = mails::table
        .find(Id(id))
        .select(Row::as_select())
        .get_result(c)
        .optional()?;
    row.map(MailReport::try_from).transpose()
}

/// Queues a failed or waiting mail for an immediate try, unless it was sent, has expired, or a try is running.
pub fn retry(c: &mut AnyConnection, id: Uuid, now: Instant) -> Result<bool> {
    let changed = diesel::update(mails::table.find(Id(id)))
        .filter(mails::state.eq_any([MailState::Queued.name(), MailState::Failed.name()]))
        .filter(mails::lease.is_null())
        .filter(mails::expires_at.gt(At(now)))
        .set((
            mails::state.eq(MailState::Queued.name()),
            mails::due_at.eq(At(now)),
            mails::finished_at.eq(None::<At>),
        ))
        .execute(c)?;
    Ok(changed == 1)
}

/// How many mails wait.
pub fn count_queued(c: &mut AnyConnection) -> Result<i64> {
    Ok(mails::table
        .filter(mails::due_at.is_not_null())
        .count()
        .get_result(c)?)
}

/// When the mail that is due first is, or was, due. One that is being sent is due when its lease ends.
pub fn first_due(c: &mut AnyConnection) -> Result<Option<Instant>> {
    let first: Option<Option<At>> = mails::table
        .filter(mails::due_at.is_not_null())
        .order(mails::due_at)
        .select(mails::due_at)
        .limit(1)
        .get_result(c)
        .optional()?;
    Ok(first.flatten().map(Instant::from))
}

/// Makes up to `limit` mails due now that claim to be due after `latest`: no pause between tries is as long, so a clock was wrong when
/// that was written (bar D09).
pub fn pull_back(
    c: &mut AnyConnection,
    latest: Instant,
    now: Instant,
    limit: i64,
) -> Result<usize> {
    let far: Vec<Id> = mails::table
        .filter(mails::due_at.gt(At(latest)))
        .order(mails::due_at)
        .select(mails::id)
        .limit(limit)
        .load(c)?;
    // One of them may have been sent meanwhile.
    let far = mails::table
        .filter(mails::id.eq_any(far))
        .filter(mails::due_at.gt(At(latest)));
    Ok(diesel::update(far)
        .set(mails::due_at.eq(At(now)))
        .execute(c)?)
}

/// Deletes up to `limit` mails that ended in this state before `before`, and whose links are dead.
pub fn purge(
    c: &mut AnyConnection,
    state: MailState,
    before: Instant,
    now: Instant,
    limit: i64,
) -> Result<usize> {
    let old: Vec<Id> = mails::table
        .filter(mails::state.eq(state.name()))
        .filter(mails::finished_at.lt(At(before)))
        .filter(mails::expires_at.lt(At(now)))
        .order(mails::finished_at)
        .select(mails::id)
        .limit(limit)
        .load(c)?;
    // An operator may have had one tried again meanwhile.
    let old = mails::table
        .filter(mails::id.eq_any(old))
        .filter(mails::finished_at.is_not_null());
    Ok(diesel::delete(old).execute(c)?)
}
