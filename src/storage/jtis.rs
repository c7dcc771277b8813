//! Ids of signed messages that were used (RFC 7519 section 4.1.7): each works once, on every node and across restarts.

use diesel::prelude::*;

use super::AnyConnection;
use super::columns::At;
use super::error::{Result, StorageError};
use super::schema::jtis;
use crate::domain::Instant;

/// Uses an id up. Says whether it was the first time: the write itself decides (bar X06).
pub fn spend(c: &mut AnyConnection, digest: [u8; 32], expires_at: Instant) -> Result<bool> {
    let row = (
        jtis::digest.eq(digest.as_slice()),
        jtis::expires_at.eq(At(expires_at)),
    );
    // On PostgreSQL a refused statement would end the transaction.
    let inserted = match c {
        AnyConnection::Postgres(c) => diesel::insert_into(jtis::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c),
        AnyConnection::Sqlite(c) => diesel::insert_into(jtis::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c),
    };
    inserted.map(|rows| rows == 1).map_err(StorageError::from)
}

/// Deletes up to `limit` ids that would be refused for their age by now.
pub fn purge(c: &mut AnyConnection, now: Instant, limit: i64) -> Result<usize> {
    let ended: Vec<Vec<u8>> = jtis::table
        .filter(jtis::expires_at.le(At(now)))
        .order(jtis::expires_at)
        .select(jtis::digest)
        .limit(limit)
        .load(c)?;
    Ok(diesel::delete(jtis::table.filter(jtis::digest.eq_any(ended))).execute(c)?)
}
