//! An operator registers apps and looks after them.

use chrono::TimeDelta;

use super::purge::BATCH;
use super::{By, Flows};
use crate::domain::audit::Act;
use crate::domain::client::{ClientName, SecretInfo};
use crate::domain::{
    AuthMethod, Client, ClientId, ClientSecret, HashedToken, Instant, JwkSet, Locale, PlainToken,
    RegistrationToken, ResetUrl, Scopes,
};
use crate::entropy;
use crate::storage::{StorageError, access_tokens, audit, clients};

/// What is stated about a new client.
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
    /// How it will authenticate. With `private_key_jwt` it gets no secret.
    pub auth_method: AuthMethod,
    /// Its public keys.
    pub jwks: Option<JwkSet>,
    /// Whether it gets only tokens that are bound to a key.
    pub require_dpop: bool,
    /// The digest of the token that manages its registration; none when an operator does.
    pub registration: Option<HashedToken<RegistrationToken>>,
}

impl NewClient {
    /// A client with everything else as by default.
    pub fn new(name: ClientName, scopes: Scopes) -> Self {
        Self {
            name,
            scopes,
            reset_url: None,
            locale: None,
            token_lifetime: None,
            auth_method: AuthMethod::default(),
            jwks: None,
            require_dpop: false,
            registration: None,
        }
    }
}

impl Flows {
    /// Registers a client. Its first secret, if it gets one, is in clear here and nowhere else.
    pub async fn add_client(
        &self,
        by: By,
        new: NewClient,
    ) -> Result<(Client, Option<PlainToken<ClientSecret>>), StorageError> {
        let now = self.clock.now();
        let id = ClientId::from_random(entropy::bytes());
        let client = Client {
            reset_url: new.reset_url,
            locale: new.locale,
            token_lifetime: new.token_lifetime,
            auth_method: new.auth_method,
            jwks: new.jwks,
            require_dpop: new.require_dpop,
            registration: new.registration,
            registered_by: by.client_id().cloned(),
            ..Client::new(id, new.name, new.scopes, now)
        };
        let secret = (client.auth_method != AuthMethod::PrivateKeyJwt)
            .then(|| PlainToken::<ClientSecret>::from_random(entropy::bytes()));
        let (stored, digest) = (client.clone(), secret.as_ref().map(PlainToken::hashed));
        let entry = by.did(Act::ClientAdd, now).to_client(&client.id);
        self.storage
            .write(move |c| {
                clients::insert(c, &stored)?;
                if let Some(digest) = digest {
                    clients::add_secret(c, entropy::id(now), &stored.id, &digest, now)?;
                }
                audit::record(c, &entry)
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
        by: By,
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
            audit::record(c, &by.did(Act::ClientRotate, now).to_client(&id))?;
            Ok(true)
        });
        Ok(known.await?.then_some((secret, until)))
    }

    /// Switches a client off, with all its live tokens, or on again. Says whether there is such a client.
    pub async fn disable_client(
        &self,
        by: By,
        id: ClientId,
        disabled: bool,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let act = match disabled {
            true => Act::ClientDisable,
            false => Act::ClientEnable,
        };
        let entry = by.did(act, now).to_client(&id);
        self.storage
            .write(move |c| {
                let known = clients::set_disabled(c, &id, disabled.then_some(now))?;
                if known {
                    audit::record(c, &entry)?;
                }
                Ok(known)
            })
            .await
    }

    /// Deletes a client with its secrets and tokens. Says whether there was such a client.
    pub async fn delete_client(&self, by: By, id: ClientId) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let entry = by.did(Act::ClientDelete, now).to_client(&id);
        let (off, tokens) = (id.clone(), id.clone());
        self.storage
            .write(move |c| clients::set_disabled(c, &off, Some(now)))
            .await?;
        // In batches: there may be a million, and all writers would wait.
        self.in_batches(move |c| access_tokens::delete_of_client(c, &tokens, BATCH))
            .await?;
        self.storage
            .write(move |c| {
                let known = clients::delete(c, &id)?;
                if known {
                    audit::record(c, &entry)?;
                }
                Ok(known)
            })
            .await
    }
}
