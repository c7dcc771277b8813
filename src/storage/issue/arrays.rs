//! On PostgreSQL, tokens and their entries in the audit go in as columns, each an array: one statement for any number of them, prepared
//! once.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Binary, Nullable, Text};

use crate::domain::ClientId;
use crate::domain::audit::Entry;
use crate::storage::access_tokens::NewAccessToken;
use crate::storage::columns::{At, Id, InstantSql, UuidSql};

/// The columns of both tables.
#[derive(Debug, Default)]
pub(super) struct Arrays<'a> {
    digests: Vec<&'a [u8]>,
    token_clients: Vec<&'a str>,
    token_subjects: Vec<Option<Id>>,
    scopes: Vec<String>,
    created_at: Vec<At>,
    expires_at: Vec<At>,
    jkts: Vec<Option<&'a [u8]>>,
    ids: Vec<Id>,
    at: Vec<At>,
    acts: Vec<&'static str>,
    refusals: Vec<Option<&'a str>>,
    clients: Vec<Option<&'a str>>,
    subject_clients: Vec<Option<&'a str>>,
    subject_users: Vec<Option<Id>>,
    request_ids: Vec<Option<&'a str>>,
    addresses: Vec<Option<&'a str>>,
}

impl<'a> Arrays<'a> {
    pub(super) fn of(rows: &'a [(NewAccessToken, Entry)]) -> Self {
        let mut arrays = Self::default();
        for (token, entry) in rows {
            arrays.digests.push(token.digest.as_bytes());
            arrays.token_clients.push(token.client_id.as_str());
            arrays.token_subjects.push(token.subject.map(Id));
            arrays.scopes.push(token.scopes.to_string());
            arrays.created_at.push(At(token.created_at));
            arrays.expires_at.push(At(token.expires_at));
            arrays
                .jkts
                .push(token.jkt.as_ref().map(<[u8; 32]>::as_slice));
            arrays.ids.push(Id(entry.id));
            arrays.at.push(At(entry.at));
            arrays.acts.push(entry.act.name());
            arrays.refusals.push(entry.refusal.as_deref());
            let (client, subject) = (&entry.client_id, &entry.subject_client);
            arrays.clients.push(client.as_ref().map(ClientId::as_str));
            let subject = subject.as_ref().map(ClientId::as_str);
            arrays.subject_clients.push(subject);
            arrays.subject_users.push(entry.subject_user.map(Id));
            let origin = &entry.origin;
            arrays.request_ids.push(origin.request_id.as_deref());
            arrays.addresses.push(origin.address.as_deref());
        }
        arrays
    }
}

type Texts = Array<Text>;
type Words = Array<Nullable<Text>>;
type Instants = Array<InstantSql>;

impl QueryFragment<Pg> for Arrays<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "WITH issued AS (INSERT INTO access_tokens (digest, client_id, subject, scopes, created_at, expires_at, jkt) \
             SELECT * FROM unnest(",
        );
        out.push_bind_param::<Array<Binary>, _>(&self.digests)?;
        out.push_sql(", ");
        out.push_bind_param::<Texts, _>(&self.token_clients)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<UuidSql>>, _>(&self.token_subjects)?;
        out.push_sql(", ");
        out.push_bind_param::<Texts, _>(&self.scopes)?;
        for instants in [&self.created_at, &self.expires_at] {
            out.push_sql(", ");
            out.push_bind_param::<Instants, _>(instants)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Binary>>, _>(&self.jkts)?;
        out.push_sql(
            ")) INSERT INTO audit (id, at, act, refusal, client_id, subject_client, subject_user, request_id, address) \
             SELECT * FROM unnest(",
        );
        out.push_bind_param::<Array<UuidSql>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Instants, _>(&self.at)?;
        out.push_sql(", ");
        out.push_bind_param::<Texts, _>(&self.acts)?;
        for words in [&self.refusals, &self.clients, &self.subject_clients] {
            out.push_sql(", ");
            out.push_bind_param::<Words, _>(words)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<UuidSql>>, _>(&self.subject_users)?;
        for words in [&self.request_ids, &self.addresses] {
            out.push_sql(", ");
            out.push_bind_param::<Words, _>(words)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

/// The text is always the same.
impl QueryId for Arrays<'_> {
    type QueryId = Arrays<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Arrays<'_> {}
