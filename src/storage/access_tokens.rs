//! Access tokens, of applications and of users (RFC 6749 section 1.4).

use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, Text};
use uuid::Uuid;

use super::AnyConnection;
use super::audit;
use super::columns::{At, Id, InstantSql};
use super::connection::directly;
use super::error::{Result, StorageError};
use super::issue::Issue;
use super::remembered::{Kind, changed};
use super::schema::{access_tokens, client_secrets, clients};
use crate::domain::{AccessToken, AuthMethod, ClientId, HashedToken, Instant, Scopes};

/// A token that is about to be handed out.
#[derive(Debug, Clone)]
pub struct NewAccessToken {
    /// Its digest.
    pub digest: HashedToken<AccessToken>,
    /// The client that it is issued to.
    pub client_id: ClientId,
    /// The user that it speaks for; none for a token of the application itself.
    pub subject: Option<Uuid>,
    /// What it carries.
    pub scopes: Scopes,
    /// When it is issued.
    pub created_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// The SHA-256 thumbprint of the key that it is bound to (RFC 9449 section 6); none for a bearer token.
    pub jkt: Option<[u8; 32]>,
}

/// What a live token stands for.
#[derive(Debug, Clone)]
pub struct LiveToken {
    /// Its digest.
    pub digest: HashedToken<AccessToken>,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// The user that it speaks for.
    pub subject: Option<Uuid>,
    /// What it carries, as far as its client may still carry it.
    pub scopes: Scopes,
    /// When it was issued.
    pub created_at: Instant,
    /// When it ends.
    pub expires_at: Instant,
    /// The thumbprint of the key that it is bound to.
    pub jkt: Option<[u8; 32]>,
}

/// Stores a token.
pub fn insert(c: &mut AnyConnection, token: &NewAccessToken) -> Result<()> {
    let insert = diesel::insert_into(access_tokens::table).values((
        access_tokens::digest.eq(token.digest.as_bytes()),
        access_tokens::client_id.eq(token.client_id.as_str()),
        access_tokens::subject.eq(token.subject.map(Id)),
        access_tokens::scopes.eq(token.scopes.to_string()),
        access_tokens::created_at.eq(At(token.created_at)),
        access_tokens::expires_at.eq(At(token.expires_at)),
        access_tokens::jkt.eq(token.jkt.as_ref().map(<[u8; 32]>::as_slice)),
    ));
    directly!(c, insert.execute(c))?;
    Ok(())
}

/// Stores a token of an application if its client is just as it is remembered and the secret is still a live one of its own, with the
/// audit's entry: the check and the write are one statement. Says whether it was stored.
pub fn insert_if_authentic(c: &mut AnyConnection, issue: &Issue) -> Result<bool> {
    let Issue {
        token,
        client,
        secret,
        entry,
    } = issue;
    let lifetime = client.token_lifetime.map(|lifetime| lifetime.num_seconds());
    let insert = client_secrets::table
        .inner_join(clients::table)
        .filter(client_secrets::client_id.eq(client.id.as_str()))
        .filter(client_secrets::digest.eq(secret.as_bytes()))
        .filter(
            client_secrets::expires_at
                .is_null()
                .or(client_secrets::expires_at.gt(At(token.created_at))),
        )
        .filter(
            client_secrets::not_before
                .is_null()
                .or(client_secrets::not_before.le(At(token.created_at))),
        )
        .filter(clients::disabled_at.is_null())
        .filter(clients::scopes.eq(client.scopes.to_string()))
        .filter(clients::auth_method.ne(AuthMethod::PrivateKeyJwt.name()))
        .filter(clients::require_dpop.eq(client.require_dpop))
        .filter(
            clients::token_lifetime
                .eq(lifetime)
                .or(clients::token_lifetime
                    .is_null()
                    .and(lifetime.is_none().into_sql::<Bool>())),
        )
        .select((
            token.digest.as_bytes().into_sql::<Binary>(),
            token.client_id.as_str().into_sql::<Text>(),
            token.scopes.to_string().into_sql::<Text>(),
            At(token.created_at).into_sql::<InstantSql>(),
            At(token.expires_at).into_sql::<InstantSql>(),
            token
                .jkt
                .as_ref()
                .map(<[u8; 32]>::as_slice)
                .into_sql::<Nullable<Binary>>(),
        ))
        .insert_into(access_tokens::table)
        .into_columns((
            access_tokens::digest,
            access_tokens::client_id,
            access_tokens::scopes,
            access_tokens::created_at,
            access_tokens::expires_at,
            access_tokens::jkt,
        ));
    audit::insert_and_record(c, insert, entry)
}

/// Finds a token that may be used now: not expired, and not issued before its client was switched off or, if it is the client's own,
/// lost a scope (bar O19). Tokens that are bound to no key are left out when the client has to have bound ones.
pub fn find_live(
    c: &mut AnyConnection,
    digest: &HashedToken<AccessToken>,
    now: Instant,
) -> Result<Option<LiveToken>> {
    let query = access_tokens::table
        .inner_join(clients::table)
        .filter(access_tokens::digest.eq(digest.as_bytes()))
        .filter(access_tokens::expires_at.gt(At(now)))
        .filter(clients::disabled_at.is_null())
        .filter(
            clients::tokens_from
                .is_null()
                .or(clients::tokens_from.lt(access_tokens::created_at.nullable())),
        )
        .filter(
            clients::scopes_from
                .is_null()
                .or(access_tokens::subject.is_not_null())
                .or(clients::scopes_from.lt(access_tokens::created_at.nullable())),
        )
        .filter(
            clients::require_dpop
                .eq(false)
                .or(access_tokens::jkt.is_not_null()),
        )
        .select((
            access_tokens::client_id,
            access_tokens::subject,
            access_tokens::scopes,
            access_tokens::created_at,
            access_tokens::expires_at,
            access_tokens::jkt,
            clients::scopes,
        ));
    type Found = (String, Option<Id>, String, At, At, Option<Vec<u8>>, String);
    let found = directly!(c, query.get_result::<Found>(c)).optional()?;
    let live = |(client_id, subject, scopes, created_at, expires_at, jkt, client_scopes): Found| {
        let scopes = super::clients::scopes(&scopes)?;
        Ok(LiveToken {
            digest: digest.clone(),
            client_id: ClientId::new(client_id),
            subject: subject.map(Uuid::from),
            scopes: scopes.intersection(super::clients::scopes(&client_scopes)?),
            created_at: created_at.0,
            expires_at: expires_at.0,
            jkt: jkt.map(thumbprint).transpose()?,
        })
    };
    found.map(live).transpose()
}

fn thumbprint(bytes: Vec<u8>) -> Result<[u8; 32]> {
    let odd = |_| StorageError::Internal("access_tokens.jkt cannot be read".to_owned());
    bytes.try_into().map_err(odd)
}

/// Ends every token that speaks for this user.
pub fn delete_of_user(c: &mut AnyConnection, user: Uuid) -> Result<usize> {
    let theirs = access_tokens::table.filter(access_tokens::subject.eq(Id(user)));
    Ok(changed(Kind::Access, diesel::delete(theirs).execute(c))?)
}

/// Ends a token if it was issued to this client. Says whom it spoke for, if it was ended: a user, or nobody.
pub fn delete_own(
    c: &mut AnyConnection,
    digest: &HashedToken<AccessToken>,
    client: &ClientId,
) -> Result<Option<Option<Uuid>>> {
    let own = access_tokens::table
        .filter(access_tokens::digest.eq(digest.as_bytes()))
        .filter(access_tokens::client_id.eq(client.as_str()));
    let ended: Option<Option<Id>> = diesel::delete(own)
        .returning(access_tokens::subject)
        .get_result(c)
        .optional()?;
    changed(Kind::Access, Ok(usize::from(ended.is_some())))?;
    Ok(ended.map(|subject| subject.map(Uuid::from)))
}

/// Deletes up to `limit` tokens of a client that were issued until then, live or not.
pub fn delete_of_client(
    c: &mut AnyConnection,
    client: &ClientId,
    until: Instant,
    limit: i64,
) -> Result<usize> {
    let tokens: Vec<Vec<u8>> = access_tokens::table
        .filter(access_tokens::client_id.eq(client.as_str()))
        .filter(access_tokens::created_at.le(At(until)))
        .order(access_tokens::expires_at) // by the index, however many others' tokens there are
        .select(access_tokens::digest)
        .limit(limit)
        .load(c)?;
    let ended = access_tokens::table.filter(access_tokens::digest.eq_any(tokens));
    Ok(changed(Kind::Access, diesel::delete(ended).execute(c))?)
}

/// Deletes up to `limit` tokens that were issued until then, whoever has them.
pub fn delete_all(c: &mut AnyConnection, until: Instant, limit: i64) -> Result<usize> {
    let tokens = access_tokens::table
        .filter(access_tokens::created_at.le(At(until)))
        .select(access_tokens::digest)
        .limit(limit);
    // One that somebody else deletes now is not counted: the rest would be taken for the last.
    let tokens: Vec<Vec<u8>> = match c {
        AnyConnection::Postgres(postgres) => tokens.for_update().load(postgres)?,
        AnyConnection::Sqlite(sqlite) => tokens.load(sqlite)?, // the only writer
    };
    let ended = access_tokens::table.filter(access_tokens::digest.eq_any(tokens));
    Ok(changed(Kind::Access, diesel::delete(ended).execute(c))?)
}

/// Deletes up to `limit` expired tokens of these clients. Their index leads to them: one on the end alone would have to be written with
/// every token that is issued.
pub fn purge(
    c: &mut AnyConnection,
    clients: &[ClientId],
    now: Instant,
    limit: usize,
) -> Result<usize> {
    let mut expired: Vec<Vec<u8>> = Vec::new();
    for client in clients {
        let left = i64::try_from(limit - expired.len()).unwrap_or(i64::MAX);
        let next = access_tokens::table
            .filter(access_tokens::client_id.eq(client.as_str()))
            .filter(access_tokens::expires_at.le(At(now)))
            .order(access_tokens::expires_at)
            .select(access_tokens::digest)
            .limit(left)
            .load::<Vec<u8>>(c)?;
        expired.extend(next);
        if expired.len() == limit {
            break;
        }
    }
    Ok(
        diesel::delete(access_tokens::table.filter(access_tokens::digest.eq_any(expired)))
            .execute(c)?,
    )
}
