//! On PostgreSQL, tokens and their entries in the audit go in as columns, each an array: one statement for any number of them, prepared
//! once.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text};

use super::Issue;
use crate::domain::ClientId;
use crate::storage::columns::{At, Id, InstantSql, UuidSql};

/// The columns of both tables, and what has to hold of each token's client.
#[derive(Debug, Default)]
pub(super) struct Arrays<'a> {
    digests: Vec<&'a [u8]>,
    token_clients: Vec<&'a str>,
    scopes: Vec<String>,
    created_at: Vec<At>,
    expires_at: Vec<At>,
    jkts: Vec<Option<&'a [u8]>>,
    secrets: Vec<&'a [u8]>,
    client_scopes: Vec<String>,
    client_lifetimes: Vec<Option<i64>>,
    must_prove: Vec<bool>,
    ids: Vec<Id>,
    at: Vec<At>,
    acts: Vec<&'static str>,
    clients: Vec<Option<&'a str>>,
    request_ids: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
}

impl<'a> Arrays<'a> {
    pub(super) fn of(issues: &'a [Issue]) -> Self {
        let mut arrays = Self::default();
        for Issue {
            token,
            client,
            secret,
            entry,
        } in issues
        {
            arrays.digests.push(token.digest.as_bytes());
            arrays.token_clients.push(token.client_id.as_str());
            arrays.scopes.push(token.scopes.to_string());
            arrays.created_at.push(At(token.created_at));
            arrays.expires_at.push(At(token.expires_at));
            arrays
                .jkts
                .push(token.jkt.as_ref().map(<[u8; 32]>::as_slice));
            arrays.secrets.push(secret.as_bytes());
            arrays.client_scopes.push(client.scopes.to_string());
            let lifetime = client.token_lifetime.map(|lifetime| lifetime.num_seconds());
            arrays.client_lifetimes.push(lifetime);
            arrays.must_prove.push(client.require_dpop);
            arrays.ids.push(Id(entry.id));
            arrays.at.push(At(entry.at));
            arrays.acts.push(entry.act.name());
            let by = entry.client_id.as_ref().map(ClientId::as_str);
            arrays.clients.push(by);
            arrays.request_ids.push(entry.origin.request_id.as_deref());
            arrays.addresses.push(entry.origin.address.as_deref());
        }
        arrays
    }
}

impl QueryFragment<Pg> for Arrays<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH asked AS (SELECT * FROM unnest(");
        out.push_bind_param::<Array<Binary>, _>(&self.digests)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.token_clients)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.scopes)?;
        for instants in [&self.created_at, &self.expires_at] {
            out.push_sql(", ");
            out.push_bind_param::<Array<InstantSql>, _>(instants)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.jkts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.secrets)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.client_scopes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.client_lifetimes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Bool>, _>(&self.must_prove)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<UuidSql>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<InstantSql>, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.acts)?;
        for words in [&self.clients, &self.request_ids, &self.addresses] {
            out.push_sql(", ");
            out.push_bind_param::<Array<Nullable<Text>>, _>(words)?;
        }
        out.push_sql(
            ") AS asked (digest, client_id, scopes, created_at, expires_at, jkt, secret, client_scopes, lifetime, must_prove, id, at, act, \
             actor, request_id, address)), \
             issued AS (INSERT INTO access_tokens (digest, client_id, scopes, created_at, expires_at, jkt) \
             SELECT asked.digest, asked.client_id, asked.scopes, asked.created_at, asked.expires_at, asked.jkt FROM asked \
             JOIN client_secrets AS secrets ON secrets.client_id = asked.client_id AND secrets.digest = asked.secret \
             JOIN clients ON clients.id = asked.client_id \
             WHERE (secrets.expires_at IS NULL OR secrets.expires_at > asked.created_at) \
             AND (secrets.not_before IS NULL OR secrets.not_before <= asked.created_at) \
             AND clients.disabled_at IS NULL AND clients.auth_method <> 'private_key_jwt' AND clients.scopes = asked.client_scopes \
             AND clients.require_dpop = asked.must_prove AND clients.token_lifetime IS NOT DISTINCT FROM asked.lifetime \
             RETURNING digest) \
             INSERT INTO audit (id, at, act, client_id, request_id, address) \
             SELECT asked.id, asked.at, asked.act, asked.actor, asked.request_id, asked.address FROM asked \
             JOIN issued ON issued.digest = asked.digest RETURNING id",
        );
        Ok(())
    }
}

/// The ids of the entries whose tokens were stored.
impl Query for Arrays<'_> {
    type SqlType = UuidSql;
}

/// The text is always the same.
impl QueryId for Arrays<'_> {
    type QueryId = Arrays<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Arrays<'_> {}
