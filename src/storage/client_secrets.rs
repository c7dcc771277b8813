//! Secrets of clients: any number each, found by client and digest in one look-up.

use diesel::prelude::*;
use uuid::Uuid;

use super::AnyConnection;
use super::columns::{At, Id};
use super::connection::directly;
use super::error::{Result, StorageError};
use super::remembered::{self, Kind};
use super::schema::client_secrets;
use crate::domain::client_secret::{SecretInfo, SecretLabel};
use crate::domain::{ClientId, ClientSecret, HashedToken, Instant};

/// A secret that is about to be stored.
#[derive(Debug, Clone)]
pub struct NewSecret {
    /// Its id, for people to point at.
    pub id: Uuid,
    /// What people call it.
    pub label: Option<SecretLabel>,
    /// Its digest.
    pub digest: HashedToken<ClientSecret>,
    /// When it was made.
    pub created_at: Instant,
    /// When it begins to work; at once when absent.
    pub not_before: Option<Instant>,
    /// When it stops working; never when absent.
    pub expires_at: Option<Instant>,
}

/// Stores a further secret of a client.
pub fn insert(c: &mut AnyConnection, client: &ClientId, secret: &NewSecret) -> Result<()> {
    diesel::insert_into(client_secrets::table)
        .values((
            client_secrets::id.eq(Id(secret.id)),
            client_secrets::client_id.eq(client.as_str()),
            client_secrets::digest.eq(secret.digest.as_bytes()),
            client_secrets::label.eq(secret.label.as_ref().map(SecretLabel::as_str)),
            client_secrets::created_at.eq(At(secret.created_at)),
            client_secrets::not_before.eq(secret.not_before.map(At)),
            client_secrets::expires_at.eq(secret.expires_at.map(At)),
        ))
        .execute(c)?;
    Ok(())
}

/// Lets the secrets that have no earlier end, end at `at`.
pub fn end_all(c: &mut AnyConnection, client: &ClientId, at: Instant) -> Result<()> {
    remembered::change(Kind::Access);
    diesel::update(client_secrets::table)
        .filter(client_secrets::client_id.eq(client.as_str()))
        .filter(
            client_secrets::expires_at
                .is_null()
                .or(client_secrets::expires_at.gt(At(at))),
        )
        .set(client_secrets::expires_at.eq(At(at)))
        .execute(c)?;
    Ok(())
}

/// Sets what people call a secret, and from when to when it works.
pub fn update(c: &mut AnyConnection, secret: &SecretInfo) -> Result<()> {
    remembered::change(Kind::Access);
    diesel::update(client_secrets::table.find(Id(secret.id)))
        .set((
            client_secrets::label.eq(secret.label.as_deref()),
            client_secrets::not_before.eq(secret.not_before.map(At)),
            client_secrets::expires_at.eq(secret.expires_at.map(At)),
        ))
        .execute(c)?;
    Ok(())
}

/// Notes when a secret was used, unless a later use is noted already.
pub fn note_use(
    c: &mut AnyConnection,
    client: &ClientId,
    digest: &HashedToken<ClientSecret>,
    at: Instant,
) -> Result<()> {
    let update = diesel::update(client_secrets::table)
        .filter(client_secrets::client_id.eq(client.as_str()))
        .filter(client_secrets::digest.eq(digest.as_bytes()))
        .filter(
            client_secrets::last_used_at
                .is_null()
                .or(client_secrets::last_used_at.lt(At(at))),
        )
        .set(client_secrets::last_used_at.eq(At(at)));
    directly!(c, update.execute(c))?;
    Ok(())
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = client_secrets)]
struct Row {
    id: Id,
    label: Option<String>,
    digest: Vec<u8>,
    created_at: At,
    not_before: Option<At>,
    last_used_at: Option<At>,
    expires_at: Option<At>,
}

/// A client's secrets with their digests, newest first.
pub fn list(
    c: &mut AnyConnection,
    client: &ClientId,
) -> Result<Vec<(SecretInfo, HashedToken<ClientSecret>)>> {
    let rows: Vec<Row> = client_secrets::table
        .filter(client_secrets::client_id.eq(client.as_str()))
        .order((client_secrets::created_at.desc(), client_secrets::id.desc()))
        .select(Row::as_select())
        .load(c)?;
    let odd = |_| StorageError::Internal("client_secrets.digest cannot be read".to_owned());
    let read = |row: Row| {
        let digest = HashedToken::from_digest(row.digest.try_into().map_err(odd)?);
        let info = SecretInfo {
            id: row.id.0,
            label: row.label,
            created_at: row.created_at.0,
            not_before: row.not_before.map(Instant::from),
            last_used_at: row.last_used_at.map(Instant::from),
            expires_at: row.expires_at.map(Instant::from),
        };
        Ok((info, digest))
    };
    rows.into_iter().map(read).collect()
}

/// Deletes the secrets that ended before a time.
pub fn purge(c: &mut AnyConnection, ended_before: Instant) -> Result<usize> {
    let ended = client_secrets::table.filter(client_secrets::expires_at.le(At(ended_before)));
    Ok(diesel::delete(ended).execute(c)?)
}
