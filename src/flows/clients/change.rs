//! What is registered about a client is changed, as a whole or not at all.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ClientError, check};
use crate::domain::audit::Act;
use crate::domain::client::ClientName;
use crate::domain::{AuthMethod, Client, ClientId, Instant, JwkSet, Locale, ResetUrl, Scopes};
use crate::flows::{By, Flows};
use crate::storage::{AnyConnection, StorageError, audit, client_secrets, clients};

/// What is to be different about a client; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct ClientChange {
    /// What people call it.
    pub name: Option<ClientName>,
    /// The most that its tokens may carry. When it loses one, its live tokens end at once; those of users, which carry none, stay
    /// (bar O19).
    pub scopes: Option<Scopes>,
    /// Where its reset links lead; `Some(None)`: the built-in page.
    pub reset_url: Option<Option<ResetUrl>>,
    /// The default language of its mails.
    pub locale: Option<Option<Locale>>,
    /// How long its tokens live; `Some(None)`: as configured.
    pub token_lifetime: Option<Option<TimeDelta>>,
    /// How it authenticates. Who changes to `private_key_jwt` loses all secrets at once; who changes back has none until a
    /// rotation.
    pub auth_method: Option<AuthMethod>,
    /// Its public keys.
    pub jwks: Option<Option<JwkSet>>,
    /// Whether it gets only tokens that are bound to a key.
    pub require_dpop: Option<bool>,
}

impl ClientChange {
    /// The client as it will be.
    pub(super) fn of(self, old: &Client) -> Client {
        let old = old.clone();
        Client {
            name: self.name.unwrap_or(old.name),
            scopes: self.scopes.unwrap_or(old.scopes),
            reset_url: self.reset_url.unwrap_or(old.reset_url),
            locale: self.locale.unwrap_or(old.locale),
            token_lifetime: self.token_lifetime.unwrap_or(old.token_lifetime),
            auth_method: self.auth_method.unwrap_or(old.auth_method),
            jwks: self.jwks.unwrap_or(old.jwks),
            require_dpop: self.require_dpop.unwrap_or(old.require_dpop),
            ..old
        }
    }
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name, as in a file of clients.
    pub field: &'static str,
    /// What it was.
    pub old: Value,
    /// What it is, or would be.
    pub new: Value,
}

/// What is stated about a client, by name; keys in any order are the same keys.
fn stated(client: &Client) -> [(&'static str, Value); 8] {
    let keys = |jwks: &JwkSet| serde_json::from_str::<Value>(jwks.as_str()).unwrap_or_default();
    [
        ("name", json!(client.name.as_str())),
        ("scopes", json!(client.scopes.names())),
        (
            "reset_url",
            json!(client.reset_url.as_ref().map(ResetUrl::as_str)),
        ),
        ("locale", json!(client.locale.as_ref().map(Locale::as_str))),
        (
            "token_lifetime",
            json!(client.token_lifetime.map(|t| t.num_seconds())),
        ),
        ("auth_method", json!(client.auth_method.name())),
        ("jwks", json!(client.jwks.as_ref().map(keys))),
        ("require_dpop", json!(client.require_dpop)),
    ]
}

/// What differs between a client as it is and as it is to be.
pub(super) fn differences(old: &Client, new: &Client) -> Vec<Difference> {
    let both = stated(old).into_iter().zip(stated(new));
    both.filter(|((_, old), (_, new))| old != new)
        .map(|((field, old), (_, new))| Difference { field, old, new })
        .collect()
}

/// Stores a client that differs from what it was.
pub(super) fn store(
    c: &mut AnyConnection,
    old: &Client,
    new: &Client,
    now: Instant,
) -> Result<(), StorageError> {
    clients::update(c, new)?;
    if !old.scopes.is_within(new.scopes) {
        clients::end_own_tokens(c, &new.id, now)?;
    }
    if new.signs() && !old.signs() {
        client_secrets::end_all(c, &new.id, now)?;
    }
    Ok(())
}

impl Flows {
    /// Changes what is registered about a client and returns it as it is then; none when there is no such client. A change that
    /// changes nothing leaves no trace.
    pub async fn change_client(
        &self,
        by: By,
        id: ClientId,
        change: ClientChange,
    ) -> Result<Option<Client>, ClientError> {
        let now = self.clock.now();
        let entry = by.did(Act::ClientChange, now).to_client(&id);
        self.storage
            .write(move |c| {
                clients::lock(c)?;
                let Some(old) = clients::find(c, &id)? else {
                    return Ok(None);
                };
                let new = change.of(&old);
                check(&new)?;
                if !differences(&old, &new).is_empty() {
                    store(c, &old, &new, now)?;
                    if !new.scopes.is_within(old.scopes) {
                        clients::take_over(c, &id)?;
                    }
                    audit::record(c, &entry)?;
                }
                Ok(Some(new))
            })
            .await
    }
}
