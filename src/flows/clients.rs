//! An operator registers apps and looks after them.

use chrono::TimeDelta;

use super::Flows;
use super::purge::BATCH;
use crate::domain::client::{ClientName, SecretInfo};
use crate::domain::{
    Client, ClientId, ClientSecret, Instant, Locale, PlainToken, ResetUrl, Scopes,
};
use crate::entropy;
use crate::storage::{StorageError, access_tokens, clients};

/// What an operator states about a new client.
#[derive(Debug, Clone)]
pub struct NewClient {
    /// What people call it.
    pub name: ClientName,
    /// The most that its tokens may carry.
    pub scopes: Scopes,
    /// Where its reset links lead.
    pub reset_url: Option<ResetUrl>,
    /// The default language of its mails.
    pub locale: Option<Locale>,
    /// How long its tokens live.
    pub token_lifetime: Option<TimeDelta>,
}

impl Flows {
    /// Registers a client. Its first secret is in clear here and nowhere else.
    pub async fn add_client(
        &self,
        new: NewClient,
    ) -> Result<(Client, PlainToken<ClientSecret>), StorageError> {
        let now = self.clock.now();
        let client = Client {
            id: ClientId::from_random(entropy::bytes()),
            name: new.name,
            scopes: new.scopes,
            reset_url: new.reset_url,
            locale: new.locale,
            token_lifetime: new.token_lifetime,
            created_at: now,
            disabled_at: None,
        };
        let secret = PlainToken::<ClientSecret>::from_random(entropy::bytes());
        let (stored, digest) = (client.clone(), secret.hashed());
        self.storage
            .write(move |c| {
                clients::insert(c, &stored)?;
                clients::add_secret(c, entropy::id(now), &stored.id, &digest, now)
            })
            .await?;
        Ok((client, secret))
    }

    /// Every client, oldest first.
    pub async fn list_clients(&self) -> Result<Vec<Client>, StorageError> {
        self.storage.read(clients::list).await
    }

    /// A client with its secrets, as far as they may be shown.
    pub async fn show_client(
        &self,
        id: ClientId,
    ) -> Result<Option<(Client, Vec<SecretInfo>)>, StorageError> {
        self.storage
            .read(move |c| {
                let Some(client) = clients::find(c, &id)? else {
                    return Ok(None);
                };
                let secrets = clients::secrets(c, &id)?;
                Ok(Some((client, secrets)))
            })
            .await
    }

    /// A client that exists and is not switched off.
    pub async fn enabled_client(&self, id: ClientId) -> Result<Option<Client>, StorageError> {
        let found = self.storage.read(move |c| clients::find(c, &id)).await?;
        Ok(found.filter(|client| client.disabled_at.is_none()))
    }

    /// Gives a client a further secret and lets the others end after `overlap`, so that nothing stops meanwhile (bar O18).
    pub async fn rotate_client(
        &self,
        id: ClientId,
        overlap: TimeDelta,
    ) -> Result<Option<(PlainToken<ClientSecret>, Instant)>, StorageError> {
        let now = self.clock.now();
        let until = now + overlap;
        let secret = PlainToken::<ClientSecret>::from_random(entropy::bytes());
        let digest = secret.hashed();
        let known = self.storage.write(move |c| {
            if clients::find(c, &id)?.is_none() {
                return Ok::<_, StorageError>(false);
            }
            clients::expire_secrets(c, &id, until)?;
            clients::add_secret(c, entropy::id(now), &id, &digest, now)?;
            Ok(true)
        });
        Ok(known.await?.then_some((secret, until)))
    }

    /// Switches a client off, with all its live tokens, or on again. Says whether there is such a client.
    pub async fn disable_client(&self, id: ClientId, disabled: bool) -> Result<bool, StorageError> {
        let at = disabled.then(|| self.clock.now());
        self.storage
            .write(move |c| clients::set_disabled(c, &id, at))
            .await
    }

    /// Deletes a client with its secrets and tokens. Says whether there was such a client.
    pub async fn delete_client(&self, id: ClientId) -> Result<bool, StorageError> {
        let ended = self.clock.now();
        let (off, tokens) = (id.clone(), id.clone());
        self.storage
            .write(move |c| clients::set_disabled(c, &off, Some(ended)))
            .await?;
        // In batches: there may be a million, and all writers would wait.
        self.in_batches(move |c| access_tokens::delete_of_client(c, &tokens, BATCH))
            .await?;
        self.storage.write(move |c| clients::delete(c, &id)).await
    }
}
