//! Users by the hundred, for import.

use std::collections::HashSet;

use diesel::prelude::*;
use uuid::Uuid;

use super::AnyConnection;
use super::columns::Id;
use super::error::Result;
use super::schema::users;
use super::users::Row;
use crate::domain::User;

/// Stores those users whose address and id are both free. Says of each whether it was stored.
pub fn insert_new(c: &mut AnyConnection, new: &[User]) -> Result<Vec<bool>> {
    let rows: Vec<_> = new.iter().map(Row::from).collect();
    match c {
        // One statement for all: each has a price of its own on the way to the server.
        AnyConnection::Postgres(c) => {
            let stored: HashSet<Id> = diesel::insert_into(users::table)
                .values(rows)
                .on_conflict_do_nothing()
                .returning(users::id)
                .load(c)?
                .into_iter()
                .collect();
            Ok(new
                .iter()
                .map(|user| stored.contains(&Id(user.id)))
                .collect())
        }
        AnyConnection::Sqlite(c) => {
            let insert = |row: Row| {
                let insert = diesel::insert_into(users::table).values(row);
                Ok(insert.on_conflict_do_nothing().execute(c)? == 1)
            };
            rows.into_iter().map(insert).collect()
        }
    }
}

/// The users with these address keys, in no order.
pub fn find_by_keys(c: &mut AnyConnection, keys: &[String]) -> Result<Vec<User>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = users::table
        .filter(users::email_key.eq_any(keys))
        .select(Row::as_select())
        .load(c)?;
    rows.into_iter().map(User::try_from).collect()
}

/// Which of these ids are taken.
pub fn existing_ids(c: &mut AnyConnection, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = ids.iter().copied().map(Id).collect();
    let query = users::table.filter(users::id.eq_any(ids)).select(users::id);
    let found: Vec<Id> = query.load(c)?;
    Ok(found.into_iter().map(Uuid::from).collect())
}

/// Stores all of a user anew, but for the id.
pub fn overwrite(c: &mut AnyConnection, user: &User) -> Result<()> {
    let row = Row::from(user);
    diesel::update(users::table.find(row.id))
        .set((
            users::email.eq(row.email),
            users::email_key.eq(row.email_key),
            users::password_hash.eq(row.password_hash),
            users::locale.eq(row.locale),
            users::profile.eq(row.profile),
            users::created_at.eq(row.created_at),
            users::password_changed_at.eq(row.password_changed_at),
            users::disabled_at.eq(row.disabled_at),
            users::password_must_change.eq(row.password_must_change),
        ))
        .execute(c)?;
    Ok(())
}
