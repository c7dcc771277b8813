//! Operators, and clients that may, register apps and look after them.

pub mod apply;
mod change;
mod ending;
mod registration;
mod secrets;

pub use change::{ClientChange, Difference};
pub use registration::{Registered, Registrar, Replacement};
pub use secrets::{RotateError, Rotated, Rotation, SecretRef};

use chrono::TimeDelta;

use super::audit::Refuses;
use super::{By, Flows};
use crate::domain::audit::Act;
use crate::domain::client::ClientName;
use crate::domain::client_secret::{SecretInfo, SecretLabel};
use crate::domain::{
    AuthMethod, Client, ClientId, ClientSecret, HashedToken, Instant, JwkSet, Locale, PlainToken,
    RegistrationToken, ResetUrl, Scopes,
};
use crate::entropy;
use crate::storage::client_secrets::{self, NewSecret};
use crate::storage::{StorageError, audit, clients};

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
    /// The id that it has elsewhere already; a new one is made when absent.
    pub id: Option<ClientId>,
    /// What people call its first secret.
    pub secret_label: Option<SecretLabel>,
    /// The secret that it has elsewhere already; a new one is made when absent.
    pub secret: Option<HashedToken<ClientSecret>>,
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
            id: None,
            secret_label: None,
            secret: None,
            registration: None,
        }
    }

    /// The client that it will be.
    fn client(self, by: &By, now: Instant) -> Client {
        let made = || ClientId::from_random(entropy::bytes());
        Client {
            reset_url: self.reset_url,
            locale: self.locale,
            token_lifetime: self.token_lifetime,
            auth_method: self.auth_method,
            jwks: self.jwks,
            require_dpop: self.require_dpop,
            registration: self.registration,
            registered_by: by.client_id().cloned(),
            ..Client::new(self.id.unwrap_or_else(made), self.name, self.scopes, now)
        }
    }
}

/// Why something cannot be done about a client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It could do nothing.
    #[error("an app without a scope could do nothing")]
    NoScope,
    /// It could not authenticate.
    #[error("an app with private_key_jwt needs its public keys (jwks)")]
    NoKeys,
    /// A secret would be a second way in.
    #[error("an app with private_key_jwt has keys and no secret")]
    HasKeys,
    /// Its registrar has no such scope to give.
    #[error("an app cannot get a scope that its registrar does not hold")]
    TooManyScopes,
    /// The id is taken.
    #[error("there is a client with this id already")]
    Exists,
    /// The client has no such secret.
    #[error("the client has no such secret: `client show` lists their ids and labels")]
    NoSuchSecret,
    /// Several secrets have the label.
    #[error("several secrets have this label: give an id, which `client show` lists")]
    AmbiguousLabel,
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What is true of every client.
fn check(client: &Client) -> Result<(), ClientError> {
    if client.scopes.is_empty() {
        return Err(ClientError::NoScope);
    }
    if client.signs() && client.jwks.is_none() {
        return Err(ClientError::NoKeys);
    }
    Ok(())
}

impl Flows {
    /// Registers a client. Its first secret, if one is made, is in clear here and nowhere else.
    pub async fn add_client(
        &self,
        by: By,
        new: NewClient,
    ) -> Result<(Client, Option<PlainToken<ClientSecret>>), ClientError> {
        let now = self.clock.now();
        let (label, brought) = (new.secret_label.clone(), new.secret.clone());
        let client = new.client(&by, now);
        check(&client)?;
        let has_keys = client.signs();
        if has_keys && (label.is_some() || brought.is_some()) {
            return Err(ClientError::HasKeys);
        }
        let makes_one = !has_keys && brought.is_none();
        let made = makes_one.then(|| PlainToken::<ClientSecret>::from_random(entropy::bytes()));
        let secret = brought
            .or(made.as_ref().map(PlainToken::hashed))
            .map(|digest| NewSecret {
                id: entropy::id(now),
                label,
                digest,
                created_at: now,
                not_before: None,
                expires_at: None,
            });
        let (stored, entry) = (
            client.clone(),
            by.did(Act::ClientAdd, now).to_client(&client.id),
        );
        self.storage
            .write(move |c| {
                clients::lock(c)?;
                if clients::find(c, &stored.id)?.is_some() {
                    return Err(ClientError::Exists);
                }
                if let By::Client(registrar) = &by {
                    let standing = clients::find(c, &registrar.client_id)?
                        .filter(|r| r.disabled_at.is_none() && stored.scopes.is_within(r.scopes));
                    standing.ok_or(ClientError::TooManyScopes)?;
                }
                clients::insert(c, &stored)?;
                if let Some(secret) = secret {
                    client_secrets::insert(c, &stored.id, &secret)?;
                }
                Ok(audit::record(c, &entry)?)
            })
            .await?;
        Ok((client, made))
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
                let secrets = client_secrets::list(c, &id)?.into_iter();
                Ok(Some((client, secrets.map(|(info, _)| info).collect())))
            })
            .await
    }

    /// A client that exists and is not switched off.
    pub async fn enabled_client(&self, id: ClientId) -> Result<Option<Client>, StorageError> {
        let found = self.storage.read(move |c| clients::find(c, &id)).await?;
        Ok(found.filter(|client| client.disabled_at.is_none()))
    }
}

impl Refuses for ClientError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::TooManyScopes => Some("invalid_scope"),
            Self::NoSuchSecret => Some("wrong_secret"),
            Self::NoScope | Self::NoKeys | Self::HasKeys | Self::Exists | Self::AmbiguousLabel => {
                Some("invalid_client_metadata")
            }
            Self::Storage(_) => None,
        }
    }
}
