//! How often a password was guessed wrong in a row, by address key. In the database, so that a restart forgets nothing and
//! every process counts the same (bar F25).

use diesel::prelude::*;

use super::AnyConnection;
use super::columns::At;
use super::error::Result;
use super::schema::guesses;
use crate::domain::Instant;
use crate::domain::guessing::Guesses;

/// What is known about an address. The caller has serialised on it.
pub fn find(c: &mut AnyConnection, address_key: &str) -> Result<Option<Guesses>> {
    let found: Option<(i64, At)> = guesses::table
        .find(address_key)
        .select((guesses::failures, guesses::free_at))
        .get_result(c)
        .optional()?;
    Ok(found.map(|(failures, free_at)| Guesses {
        failures,
        free_at: free_at.0,
    }))
}

/// Stores what is known about an address now. The caller has serialised on it.
pub fn store(
    c: &mut AnyConnection,
    address_key: &str,
    now: Instant,
    guessed: &Guesses,
) -> Result<()> {
    let values = (
        guesses::failures.eq(guessed.failures),
        guesses::last_at.eq(At(now)),
        guesses::free_at.eq(At(guessed.free_at)),
    );
    let known = diesel::update(guesses::table.find(address_key))
        .set(values)
        .execute(c)?;
    if known == 0 {
        diesel::insert_into(guesses::table)
            .values((guesses::address_key.eq(address_key), values))
            .execute(c)?;
    }
    Ok(())
}

/// Forgets an address: the right password was given, or a new one was set.
pub fn forget(c: &mut AnyConnection, address_key: &str) -> Result<()> {
    diesel::delete(guesses::table.find(address_key)).execute(c)?;
    Ok(())
}

/// Lets an account's guesses follow it to another address. What was guessed there before is forgotten.
pub fn rename(c: &mut AnyConnection, from: &str, to: &str, now: Instant) -> Result<()> {
    forget(c, to)?;
    if let Some(guessed) = find(c, from)? {
        store(c, to, now, &guessed)?;
        forget(c, from)?;
    }
    Ok(())
}

/// Forgets addresses that have just been given to somebody.
pub fn forget_all(c: &mut AnyConnection, address_keys: &[String]) -> Result<()> {
    diesel::delete(guesses::table.filter(guesses::address_key.eq_any(address_keys))).execute(c)?;
    Ok(())
}

/// Forgets up to `limit` addresses that were last guessed at before `before`.
pub fn purge(c: &mut AnyConnection, before: Instant, limit: i64) -> Result<usize> {
    let old: Vec<String> = guesses::table
        .filter(guesses::last_at.lt(At(before)))
        .order(guesses::last_at)
        .select(guesses::address_key)
        .limit(limit)
        .load(c)?;
    // Somebody may have guessed again meanwhile.
    let old = guesses::table
        .filter(guesses::address_key.eq_any(old))
        .filter(guesses::last_at.lt(At(before)));
    Ok(diesel::delete(old).execute(c)?)
}
