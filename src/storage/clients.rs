//! OAuth2 clients.

use chrono::TimeDelta;
use diesel::prelude::*;

use super::AnyConnection;
use super::columns::At;
use super::connection::directly;
use super::error::{Result, StorageError};
use super::remembered::{self, Kind};
use super::schema::{client_secrets, clients};
use crate::domain::{
    AuthMethod, Client, ClientId, ClientSecret, HashedToken, Instant, JwkSet, ResetUrl, Scopes,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = clients)]
struct Row {
    id: String,
    name: String,
    scopes: String,
    reset_url: Option<String>,
    locale: Option<String>,
    token_lifetime: Option<i64>,
    created_at: At,
    disabled_at: Option<At>,
    auth_method: String,
    jwks: Option<String>,
    require_dpop: bool,
    registration_digest: Option<Vec<u8>>,
    registered_by: Option<String>,
}

impl From<&Client> for Row {
    fn from(client: &Client) -> Self {
        Self {
            id: client.id.as_str().to_owned(),
            name: client.name.as_str().to_owned(),
            scopes: client.scopes.to_string(),
            reset_url: client.reset_url.as_ref().map(|u| u.as_str().to_owned()),
            locale: client.locale.as_ref().map(|l| l.as_str().to_owned()),
            token_lifetime: client.token_lifetime.map(|t| t.num_seconds()),
            created_at: At(client.created_at),
            disabled_at: client.disabled_at.map(At),
            auth_method: client.auth_method.name().to_owned(),
            jwks: client.jwks.as_ref().map(|jwks| jwks.as_str().to_owned()),
            require_dpop: client.require_dpop,
            registration_digest: client.registration.as_ref().map(|d| d.as_bytes().to_vec()),
            registered_by: client.registered_by.as_ref().map(ClientId::to_string),
        }
    }
}

impl TryFrom<Row> for Client {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            name: row.name.parse().map_err(|_| odd("name"))?,
            scopes: scopes(&row.scopes)?,
            reset_url: row.reset_url.map(ResetUrl::from_stored),
            locale: row
                .locale
                .map(|l| l.parse().map_err(|_| odd("locale")))
                .transpose()?,
            token_lifetime: row.token_lifetime.map(TimeDelta::seconds),
            created_at: row.created_at.0,
            disabled_at: row.disabled_at.map(Instant::from),
            auth_method: row.auth_method.parse().map_err(|_| odd("auth_method"))?,
            jwks: row.jwks.map(JwkSet::from_stored),
            require_dpop: row.require_dpop,
            registration: row.registration_digest.map(digest).transpose()?,
            registered_by: row.registered_by.map(ClientId::new),
            id: ClientId::new(row.id),
        })
    }
}

fn odd(column: &str) -> StorageError {
    StorageError::Internal(format!("clients.{column} cannot be read"))
}

fn digest<K>(bytes: Vec<u8>) -> Result<HashedToken<K>> {
    let digest = bytes.try_into().map_err(|_| odd("registration_digest"))?;
    Ok(HashedToken::from_digest(digest))
}

/// Reads a column of scopes.
pub(super) fn scopes(text: &str) -> Result<Scopes> {
    text.parse().map_err(|_| odd("scopes"))
}

/// Stores a new client.
pub fn insert(c: &mut AnyConnection, client: &Client) -> Result<()> {
    diesel::insert_into(clients::table)
        .values(Row::from(client))
        .execute(c)?;
    Ok(())
}

/// Lets nobody else add or change a client until this transaction ends: what is true of all of them stays true. Tokens are
/// issued meanwhile.
pub fn lock(c: &mut AnyConnection) -> Result<()> {
    c.serialise_on("clients")
}

/// Sets what is stated about a client.
pub fn update(c: &mut AnyConnection, client: &Client) -> Result<()> {
    remembered::change(Kind::Access);
    let row = Row::from(client);
    diesel::update(clients::table.find(client.id.as_str()))
        .set((
            clients::name.eq(row.name),
            clients::scopes.eq(row.scopes),
            clients::reset_url.eq(row.reset_url),
            clients::locale.eq(row.locale),
            clients::token_lifetime.eq(row.token_lifetime),
            clients::auth_method.eq(row.auth_method),
            clients::jwks.eq(row.jwks),
            clients::require_dpop.eq(row.require_dpop),
        ))
        .execute(c)?;
    Ok(())
}

/// Finds a client by its id. Nobody's holds U+0000, which PostgreSQL cannot even ask for (bar P05).
pub fn find(c: &mut AnyConnection, id: &ClientId) -> Result<Option<Client>> {
    if id.as_str().contains('\0') {
        return Ok(None);
    }
    let row: Option<Row> = clients::table
        .find(id.as_str())
        .select(Row::as_select())
        .get_result(c)
        .optional()?;
    row.map(Client::try_from).transpose()
}

/// A client that showed a live secret.
#[derive(Debug)]
pub struct Authentic {
    /// The client.
    pub client: Client,
    /// When that secret ends, if it does.
    pub until: Option<Instant>,
}

/// Finds an enabled client by its id and one of its live secrets: one look-up, whatever the number of secrets, and the same
/// for an unknown client as for a wrong secret (bar O09). One that signs has no use for a secret that it had before.
pub fn authenticate(
    c: &mut AnyConnection,
    id: &ClientId,
    secret: &HashedToken<ClientSecret>,
    now: Instant,
) -> Result<Option<Authentic>> {
    let query = client_secrets::table
        .inner_join(clients::table)
        .filter(client_secrets::client_id.eq(id.as_str()))
        .filter(client_secrets::digest.eq(secret.as_bytes()))
        .filter(
            client_secrets::expires_at
                .is_null()
                .or(client_secrets::expires_at.gt(At(now))),
        )
        .filter(
            client_secrets::not_before
                .is_null()
                .or(client_secrets::not_before.le(At(now))),
        )
        .filter(clients::disabled_at.is_null())
        .filter(clients::auth_method.ne(AuthMethod::PrivateKeyJwt.name()));
    let found: Option<(Row, Option<At>)> = directly!(c, {
        let query = query.select((Row::as_select(), client_secrets::expires_at));
        query.get_result(c)
    })
    .optional()?;
    let authentic = |(row, until): (Row, Option<At>)| {
        Ok(Authentic {
            client: Client::try_from(row)?,
            until: until.map(Instant::from),
        })
    };
    found.map(authentic).transpose()
}

/// Every client, oldest first.
pub fn list(c: &mut AnyConnection) -> Result<Vec<Client>> {
    let rows: Vec<Row> = clients::table
        .order((clients::created_at, clients::id))
        .select(Row::as_select())
        .load(c)?;
    rows.into_iter().map(Client::try_from).collect()
}

/// Switches a client off or on: either way every token that it has by then is ended for good, also the one that manages its registration.
/// Another node may have issued one after the client was switched off there, before it knew. Says whether there is such a client.
pub fn set_disabled(
    c: &mut AnyConnection,
    id: &ClientId,
    disabled: bool,
    now: Instant,
) -> Result<bool> {
    remembered::change(Kind::Access);
    let changed = diesel::update(clients::table.find(id.as_str()))
        .set((
            clients::disabled_at.eq(disabled.then_some(At(now))),
            clients::tokens_from.eq(At(now)),
            clients::registration_digest.eq(None::<Vec<u8>>),
        ))
        .execute(c)?;
    Ok(changed == 1)
}

/// Ends the client's own tokens that it has by now: they may carry what it has lost. Those that speak for users carry no scope.
pub fn end_own_tokens(c: &mut AnyConnection, id: &ClientId, now: Instant) -> Result<()> {
    remembered::change(Kind::Access);
    diesel::update(clients::table.find(id.as_str()))
        .set(clients::scopes_from.eq(At(now)))
        .execute(c)?;
    Ok(())
}

/// Ends every token of every client that there is by now, and every token that manages a registration: says how many of these.
pub fn end_all_tokens(c: &mut AnyConnection, now: Instant) -> Result<usize> {
    remembered::change(Kind::Access);
    diesel::update(clients::table)
        .set(clients::tokens_from.eq(At(now)))
        .execute(c)?;
    Ok(diesel::update(clients::table)
        .filter(clients::registration_digest.is_not_null())
        .set(clients::registration_digest.eq(None::<Vec<u8>>))
        .execute(c)?)
}

/// From now on only operators manage this client: it has scopes that nobody gave it over HTTP.
pub fn take_over(c: &mut AnyConnection, id: &ClientId) -> Result<()> {
    remembered::change(Kind::Access);
    diesel::update(clients::table.find(id.as_str()))
        .set((
            clients::registration_digest.eq(None::<Vec<u8>>),
            clients::registered_by.eq(None::<String>),
        ))
        .execute(c)?;
    Ok(())
}

/// Deletes a client with its secrets and tokens. Says whether there was such a client. Those that it has registered are an
/// operator's from now on: another client may get the same id one day.
pub fn delete(c: &mut AnyConnection, id: &ClientId) -> Result<bool> {
    remembered::change(Kind::Access);
    diesel::update(clients::table.filter(clients::registered_by.eq(id.as_str())))
        .set(clients::registered_by.eq(None::<String>))
        .execute(c)?;
    Ok(diesel::delete(clients::table.find(id.as_str())).execute(c)? == 1)
}
