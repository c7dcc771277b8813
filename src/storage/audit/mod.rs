//! The audit's rows: written with the act that they tell of, and never changed.

mod batch;
mod read;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::query_dsl::methods::ExecuteDsl;
use diesel::sql_types::{Nullable, Text};
use diesel::{pg::Pg, sqlite::Sqlite};

use super::AnyConnection;
use super::columns::{At, Id, InstantSql, UuidSql};
use super::error::Result;
use super::schema::audit;
use crate::domain::ClientId;
use crate::domain::audit::Entry;

pub(super) use batch::Batch;
pub use read::{Filter, Order, Page, Range, page, purge};

/// A row on its way in.
#[derive(Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
struct NewRow {
    id: Id,
    at: At,
    act: &'static str,
    refusal: Option<String>,
    client_id: Option<String>,
    subject_client: Option<String>,
    subject_user: Option<Id>,
    request_id: Option<String>,
    address: Option<String>,
}

impl From<&Entry> for NewRow {
    fn from(entry: &Entry) -> Self {
        Self {
            id: Id(entry.id),
            at: At(entry.at),
            act: entry.act.name(),
            refusal: entry.refusal.clone(),
            client_id: entry.client_id.as_ref().map(ClientId::to_string),
            subject_client: entry.subject_client.as_ref().map(ClientId::to_string),
            subject_user: entry.subject_user.map(Id),
            request_id: entry.origin.request_id.clone(),
            address: entry.origin.address.clone(),
        }
    }
}

/// Writes an entry. It is kept if the transaction is, and not to be read before that ends.
pub fn record(c: &mut AnyConnection, entry: &Entry) -> Result<()> {
    match c {
        AnyConnection::Sqlite(c) => batch::add(c, entry),
        AnyConnection::Postgres(c) => {
            let insert = diesel::insert_into(audit::table).values(NewRow::from(entry));
            insert.execute(c)?;
            Ok(())
        }
    }
}

/// Writes entries by the hundred, for import.
pub fn record_all(c: &mut AnyConnection, entries: &[Entry]) -> Result<()> {
    match c {
        AnyConnection::Sqlite(c) => entries.iter().try_for_each(|entry| batch::add(c, entry)),
        AnyConnection::Postgres(_) if entries.is_empty() => Ok(()),
        AnyConnection::Postgres(c) => {
            let rows: Vec<_> = entries.iter().map(NewRow::from).collect();
            diesel::insert_into(audit::table).values(rows).execute(c)?;
            Ok(())
        }
    }
}

/// Runs an insert of one row at most, and writes an entry if there was one: says whether. On PostgreSQL both are one statement, for
/// each costs a round trip.
pub(super) fn insert_and_record<Q>(c: &mut AnyConnection, insert: Q, entry: &Entry) -> Result<bool>
where
    Q: QueryFragment<Pg> + QueryId + ExecuteDsl<SqliteConnection, Sqlite>,
{
    match c {
        AnyConnection::Postgres(c) => {
            let row = NewRow::from(entry);
            Ok(Recorded { insert, row }.execute(c)? == 1)
        }
        AnyConnection::Sqlite(c) => {
            let inserted = ExecuteDsl::execute(insert, c)? == 1;
            if inserted {
                batch::add(c, entry)?;
            }
            Ok(inserted)
        }
    }
}

/// An insert with its entry.
struct Recorded<Q> {
    insert: Q,
    row: NewRow,
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Recorded<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let row = &self.row;
        out.push_sql("WITH done AS (");
        self.insert.walk_ast(out.reborrow())?;
        out.push_sql(
            " RETURNING 1) INSERT INTO audit (id, at, act, refusal, client_id, subject_client, subject_user, request_id, address) \
             SELECT ",
        );
        out.push_bind_param::<UuidSql, _>(&row.id)?;
        out.push_sql(", ");
        out.push_bind_param::<InstantSql, _>(&row.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&row.act)?;
        for text in [&row.refusal, &row.client_id, &row.subject_client] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(text)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Nullable<UuidSql>, _>(&row.subject_user)?;
        for text in [&row.request_id, &row.address] {
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(text)?;
        }
        out.push_sql(" FROM done");
        Ok(())
    }
}

/// The text depends on that of the insert alone, so it is prepared once for each connection.
impl<Q: QueryId> QueryId for Recorded<Q> {
    type QueryId = Recorded<Q::QueryId>;
    const HAS_STATIC_QUERY_ID: bool = Q::HAS_STATIC_QUERY_ID;
}

impl<Q> RunQueryDsl<PgConnection> for Recorded<Q> {}
