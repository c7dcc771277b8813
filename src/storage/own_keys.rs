//! Keys of this installation, which all of its nodes share. Made by whoever needs one first.

use diesel::prelude::*;

use super::AnyConnection;
use super::error::{Result, StorageError};
use super::schema::own_keys;

/// Finds a key.
pub fn find(c: &mut AnyConnection, name: &str) -> Result<Option<[u8; 32]>> {
    let key: Option<Vec<u8>> = own_keys::table
        .find(name)
        .select(own_keys::key)
        .get_result(c)
        .optional()?;
    let odd = |_| StorageError::Internal("own_keys.key cannot be read".to_owned());
    key.map(|key| key.try_into().map_err(odd)).transpose()
}

/// Stores a key unless somebody else was first, and gives back the one that counts.
pub fn settle(c: &mut AnyConnection, name: &str, key: [u8; 32]) -> Result<[u8; 32]> {
    let row = (own_keys::name.eq(name), own_keys::key.eq(key.as_slice()));
    // On PostgreSQL a refused statement would end the transaction.
    match c {
        AnyConnection::Postgres(c) => diesel::insert_into(own_keys::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c),
        AnyConnection::Sqlite(c) => diesel::insert_into(own_keys::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c),
    }?;
    Ok(find(c, name)?.unwrap_or(key))
}
