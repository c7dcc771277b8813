//! Reset tokens: only their digests, and used at most once.

use diesel::prelude::*;
use uuid::Uuid;

use super::AnyConnection;
use super::columns::{At, Id};
use super::connection::directly;
use super::error::Result;
use super::remembered::{Kind, changed};
use super::schema::{clients, mails, reset_tokens, users};
use crate::domain::{ClientId, HashedToken, Instant, ResetToken};

/// A token that is about to be mailed.
#[derive(Debug)]
pub struct NewResetToken {
    /// Its digest.
    pub digest: HashedToken<ResetToken>,
    /// Whose password it may set.
    pub user_id: Uuid,
    /// The mail that carries it.
    pub mail_id: Uuid,
    /// When that mail was asked for.
    pub requested_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
}

/// What a live token stands for.
#[derive(Debug, Clone)]
pub struct LiveResetToken {
    /// Whose password it may set.
    pub user_id: Uuid,
    /// The key of that user's address.
    pub email_key: String,
    /// When it ends.
    pub expires_at: Instant,
}

/// Stores a token.
pub fn insert(c: &mut AnyConnection, token: &NewResetToken) -> Result<()> {
    diesel::insert_into(reset_tokens::table)
        .values((
            reset_tokens::digest.eq(token.digest.as_bytes()),
            reset_tokens::user_id.eq(Id(token.user_id)),
            reset_tokens::mail_id.eq(Id(token.mail_id)),
            reset_tokens::requested_at.eq(At(token.requested_at)),
            reset_tokens::expires_at.eq(At(token.expires_at)),
        ))
        .execute(c)?;
    Ok(())
}

/// Finds a token that could be used now. Changes nothing (bar F17).
pub fn find_live(
    c: &mut AnyConnection,
    digest: &HashedToken<ResetToken>,
    now: Instant,
) -> Result<Option<LiveResetToken>> {
    let query = reset_tokens::table
        .inner_join(users::table)
        .filter(reset_tokens::digest.eq(digest.as_bytes()))
        .filter(reset_tokens::used_at.is_null())
        .filter(reset_tokens::expires_at.gt(At(now)))
        .filter(users::disabled_at.is_null())
        .select((
            reset_tokens::user_id,
            users::email_key,
            reset_tokens::expires_at,
        ));
    let found = directly!(c, query.get_result::<(Id, String, At)>(c)).optional()?;
    Ok(
        found.map(|(user_id, email_key, expires_at)| LiveResetToken {
            user_id: user_id.0,
            email_key,
            expires_at: expires_at.0,
        }),
    )
}

/// Finds the enabled client whose mail carried a token that could be used now, and when the token ends. Changes nothing.
pub fn find_live_client(
    c: &mut AnyConnection,
    digest: &HashedToken<ResetToken>,
    now: Instant,
) -> Result<Option<(ClientId, Instant)>> {
    let query = reset_tokens::table
        .inner_join(users::table)
        .inner_join(mails::table.on(mails::id.eq(reset_tokens::mail_id)))
        .inner_join(clients::table.on(mails::client_id.eq(clients::id.nullable())))
        .filter(reset_tokens::digest.eq(digest.as_bytes()))
        .filter(reset_tokens::used_at.is_null())
        .filter(reset_tokens::expires_at.gt(At(now)))
        .filter(users::disabled_at.is_null())
        .filter(clients::disabled_at.is_null())
        .select((clients::id, reset_tokens::expires_at));
    let found = directly!(c, query.get_result::<(String, At)>(c)).optional()?;
    Ok(found.map(|(client_id, expires_at)| (ClientId::new(client_id), expires_at.0)))
}

/// Uses a token up. Of any number of callers at once, one is told `true` (bar F11).
pub fn consume(
    c: &mut AnyConnection,
    digest: &HashedToken<ResetToken>,
    now: Instant,
) -> Result<bool> {
    let claim = diesel::update(reset_tokens::table)
        .filter(reset_tokens::digest.eq(digest.as_bytes()))
        .filter(reset_tokens::used_at.is_null())
        .filter(reset_tokens::expires_at.gt(At(now)))
        .set(reset_tokens::used_at.eq(At(now)))
        .execute(c);
    Ok(changed(Kind::Links, claim)? == 1)
}

/// Ends a user's links but those of the `keep` mails that were asked for last. Several tokens can belong to one mail: an
/// attempt whose outcome is unknown keeps its token.
pub fn keep_newest(c: &mut AnyConnection, user: Uuid, keep: usize) -> Result<()> {
    let mut mails: Vec<Id> = reset_tokens::table
        .filter(reset_tokens::user_id.eq(Id(user)))
        .order((
            reset_tokens::requested_at.desc(),
            reset_tokens::mail_id.desc(),
        ))
        .select(reset_tokens::mail_id)
        .load(c)?;
    mails.dedup();
    let old = mails.split_off(keep.min(mails.len()));
    if old.is_empty() {
        return Ok(());
    }
    let old = reset_tokens::table.filter(reset_tokens::mail_id.eq_any(old));
    changed(Kind::Links, diesel::delete(old).execute(c))?;
    Ok(())
}

/// Takes a token back whose mail was refused.
pub fn delete(c: &mut AnyConnection, digest: &HashedToken<ResetToken>) -> Result<()> {
    let taken_back = diesel::delete(reset_tokens::table.find(digest.as_bytes()));
    changed(Kind::Links, taken_back.execute(c))?;
    Ok(())
}

/// Ends all of a user's links. One that was used stays as a record until it expires.
pub fn delete_unused(c: &mut AnyConnection, user: Uuid) -> Result<()> {
    let unused = reset_tokens::table
        .filter(reset_tokens::user_id.eq(Id(user)))
        .filter(reset_tokens::used_at.is_null());
    changed(Kind::Links, diesel::delete(unused).execute(c))?;
    Ok(())
}

/// Ends up to `limit` links that were asked for until then, whoever they belong to.
pub fn delete_all_unused(c: &mut AnyConnection, until: Instant, limit: i64) -> Result<usize> {
    let unused = reset_tokens::table
        .filter(reset_tokens::used_at.is_null())
        .filter(reset_tokens::requested_at.le(At(until)))
        .select(reset_tokens::digest)
        .limit(limit);
    // One that is being used now is waited for, and stays as a record then.
    let unused: Vec<Vec<u8>> = match c {
        AnyConnection::Postgres(postgres) => unused.for_update().load(postgres)?,
        AnyConnection::Sqlite(sqlite) => unused.load(sqlite)?, // the only writer
    };
    let unused = reset_tokens::table.filter(reset_tokens::digest.eq_any(unused));
    Ok(changed(Kind::Links, diesel::delete(unused).execute(c))?)
}

/// Deletes up to `limit` tokens that have expired.
pub fn purge(c: &mut AnyConnection, now: Instant, limit: i64) -> Result<usize> {
    let expired: Vec<Vec<u8>> = reset_tokens::table
        .filter(reset_tokens::expires_at.le(At(now)))
        .order(reset_tokens::expires_at)
        .select(reset_tokens::digest)
        .limit(limit)
        .load(c)?;
    Ok(
        diesel::delete(reset_tokens::table.filter(reset_tokens::digest.eq_any(expired)))
            .execute(c)?,
    )
}
