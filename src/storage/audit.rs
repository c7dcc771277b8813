//! The audit's rows: written with the act that they tell of, and never changed.

use diesel::prelude::*;

use super::AnyConnection;
use super::columns::{At, Id};
use super::error::Result;
use super::schema::audit;
use crate::domain::ClientId;
use crate::domain::audit::Entry;

/// Writes an entry. It is kept if the transaction is.
pub fn record(c: &mut AnyConnection, entry: &Entry) -> Result<()> {
    diesel::insert_into(audit::table)
        .values((
            audit::id.eq(Id(entry.id)),
            audit::at.eq(At(entry.at)),
            audit::act.eq(entry.act.name()),
            audit::refusal.eq(entry.refusal.as_deref()),
            audit::client_id.eq(entry.client_id.as_ref().map(ClientId::as_str)),
            audit::subject_client.eq(entry.subject_client.as_ref().map(ClientId::as_str)),
            audit::subject_user.eq(entry.subject_user.map(Id)),
            audit::request_id.eq(entry.origin.request_id.as_deref()),
            audit::address.eq(entry.origin.address.as_deref()),
        ))
        .execute(c)?;
    Ok(())
}
