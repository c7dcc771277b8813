//! The audit is read in the order of its ids, which is that of time, a page after the other.

use diesel::prelude::*;
use uuid::Uuid;

use crate::domain::audit::{Act, Entry, Origin, first_id};
use crate::domain::{ClientId, Instant};
use crate::storage::AnyConnection;
use crate::storage::columns::{At, Id};
use crate::storage::error::{Result, StorageError};
use crate::storage::schema::audit;

/// How many rows a page looks at, however few of them are asked for: so no statement takes long, and no page is large.
const PAGE: i64 = 5000;

/// Which rows are asked for.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of this user.
    pub user: Option<Uuid>,
    /// What this client did, or what was done to it.
    pub client: Option<ClientId>,
    /// Those of this act.
    pub act: Option<Act>,
    /// Only what was refused.
    pub refused: bool,
}

/// The rows between two ids, without these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// They come after this one.
    pub after: Uuid,
    /// They come before this one.
    pub before: Uuid,
}

/// In which order rows are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    OldestFirst,
    /// Newest first.
    NewestFirst,
}

/// What was found in the first part of a range.
#[derive(Debug)]
pub struct Page {
    /// The rows that were asked for, in the order that was asked for.
    pub entries: Vec<Entry>,
    /// What has not been looked at; none when all has.
    pub rest: Option<Range>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
struct Row {
    id: Id,
    at: At,
    act: String,
    refusal: Option<String>,
    client_id: Option<String>,
    subject_client: Option<String>,
    subject_user: Option<Id>,
    request_id: Option<String>,
    address: Option<String>,
}

impl TryFrom<Row> for Entry {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        let odd = |_| StorageError::Internal("audit.act cannot be read".to_owned());
        Ok(Self {
            id: row.id.0,
            at: row.at.0,
            act: row.act.parse().map_err(odd)?,
            refusal: row.refusal,
            client_id: row.client_id.map(ClientId::new),
            subject_client: row.subject_client.map(ClientId::new),
            subject_user: row.subject_user.map(Uuid::from),
            origin: Origin {
                request_id: row.request_id,
                address: row.address,
            },
        })
    }
}

/// Reads the first part of a range.
pub fn page(c: &mut AnyConnection, range: Range, filter: &Filter, order: Order) -> Result<Page> {
    let Range { after, before } = range;
    let end = end(c, range, filter, order)?;
    let mut query = audit::table.select(Row::as_select()).into_boxed();
    query = match (order, end) {
        (Order::OldestFirst, Some(end)) => query.filter(audit::id.le(end)),
        _ => query.filter(audit::id.lt(Id(before))),
    };
    query = match (order, end) {
        (Order::NewestFirst, Some(end)) => query.filter(audit::id.ge(end)),
        _ => query.filter(audit::id.gt(Id(after))),
    };
    query = match order {
        Order::OldestFirst => query.order(audit::id.asc()),
        Order::NewestFirst => query.order(audit::id.desc()),
    };
    if let Some(user) = filter.user {
        query = query.filter(audit::subject_user.eq(Id(user)));
    }
    if let Some(client) = &filter.client {
        let actor = audit::client_id.eq(client.as_str().to_owned());
        query = query.filter(actor.or(audit::subject_client.eq(client.as_str().to_owned())));
    }
    if let Some(act) = filter.act {
        query = query.filter(audit::act.eq(act.name()));
    }
    if filter.refused {
        query = query.filter(audit::refusal.is_not_null());
    }
    let rows: Vec<Row> = query.load(c)?;
    let rest = end.map(|end| match order {
        Order::OldestFirst => Range {
            after: end.0,
            before,
        },
        Order::NewestFirst => Range {
            after,
            before: end.0,
        },
    });
    let entries = rows
        .into_iter()
        .map(Entry::try_from)
        .collect::<Result<_>>()?;
    Ok(Page { entries, rest })
}

/// The last id of the first page of a range; none when the range is shorter than that. Of a user's rows only these are counted, for
/// they have an index of their own.
fn end(c: &mut AnyConnection, range: Range, filter: &Filter, order: Order) -> Result<Option<Id>> {
    let mut query = audit::table
        .select(audit::id)
        .filter(audit::id.gt(Id(range.after)))
        .filter(audit::id.lt(Id(range.before)))
        .limit(1)
        .offset(PAGE - 1)
        .into_boxed();
    if let Some(user) = filter.user {
        query = query.filter(audit::subject_user.eq(Id(user)));
    }
    query = match order {
        Order::OldestFirst => query.order(audit::id.asc()),
        Order::NewestFirst => query.order(audit::id.desc()),
    };
    Ok(query.get_result(c).optional()?)
}

/// Deletes up to `limit` rows that were written before `before`.
pub fn purge(c: &mut AnyConnection, before: Instant, limit: i64) -> Result<usize> {
    let old: Vec<Id> = audit::table
        .filter(audit::id.lt(Id(first_id(before))))
        .order(audit::id)
        .select(audit::id)
        .limit(limit)
        .load(c)?;
    let Some(last) = old.last() else {
        return Ok(0);
    };
    Ok(diesel::delete(audit::table.filter(audit::id.le(last))).execute(c)?)
}
