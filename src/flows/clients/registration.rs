//! Apps that are registered, and look after their registration, over HTTP (RFC 7591, RFC 7592).

use super::change::{ClientChange, store};
use super::{ClientError, NewClient, check};
use crate::domain::audit::{Act, Origin};
use crate::domain::{
    AuthMethod, Client, ClientId, ClientSecret, HashedToken, PlainToken, RegistrationToken, Scopes,
};
use crate::entropy;
use crate::flows::{Actor, By, Flows};
use crate::storage::client_secrets::{self, NewSecret};
use crate::storage::{StorageError, audit, clients};

/// A client that was just registered, or changed.
#[derive(Debug)]
pub struct Registered {
    /// The client.
    pub client: Client,
    /// A new secret, in clear here and nowhere else; none when it has one, or signs instead.
    pub secret: Option<PlainToken<ClientSecret>>,
}

/// Who manages a registration.
#[derive(Debug, Clone)]
pub enum Registrar {
    /// Whoever has the registration access token (RFC 7592 section 1.2).
    Token(HashedToken<RegistrationToken>, Origin),
    /// A client that may register others, with the scopes that its own token carries: it manages what it has registered.
    Client(Actor, Scopes),
}

impl Registrar {
    /// Whether this client's registration is this one's to manage. That of a client that is switched off is nobody's.
    fn may_manage(&self, client: &Client) -> bool {
        client.disabled_at.is_none()
            && match self {
                Self::Token(digest, _) => {
                    let own = client.registration.as_ref();
                    own.is_some_and(|own| own.as_bytes() == digest.as_bytes())
                }
                Self::Client(actor, _) => client.registered_by.as_ref() == Some(&actor.client_id),
            }
    }

    /// Whether the client may have these scopes from now on: some of those that it has, or of those that its registrar holds.
    fn may_give(&self, scopes: Scopes, client: &Client) -> bool {
        scopes.is_within(client.scopes)
            || matches!(self, Self::Client(_, held) if scopes.is_within(*held))
    }

    fn by(&self, client: &ClientId) -> By {
        By::Client(match self {
            Self::Client(actor, _) => actor.clone(),
            Self::Token(_, origin) => Actor {
                client_id: client.clone(),
                may_know_users: false,
                jkt: None,
                origin: origin.clone(),
            },
        })
    }
}

/// What a registration is to be from now on: what is not stated is as by default.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Everything but the scopes.
    pub client: NewClient,
    /// Its scopes; those that it has when absent.
    pub scopes: Option<Scopes>,
    /// The secret that the client believes to have, if it says so (RFC 7592 section 2.2).
    pub secret: Option<HashedToken<ClientSecret>>,
}

impl Flows {
    /// Registers a client on behalf of another one, with the digest of the token that manages the registration in `new`.
    pub async fn register_client(
        &self,
        actor: Actor,
        new: NewClient,
    ) -> Result<Registered, ClientError> {
        let (client, secret) = self.add_client(By::Client(actor), new).await?;
        Ok(Registered { client, secret })
    }

    /// A client whose registration this one may manage. Nobody learns whether there is another one.
    pub async fn registration(
        &self,
        registrar: Registrar,
        id: ClientId,
    ) -> Result<Option<Client>, StorageError> {
        let found = self.storage.read(move |c| clients::find(c, &id)).await?;
        Ok(found.filter(|client| registrar.may_manage(client)))
    }

    /// Replaces a registration, as a whole (RFC 7592 section 2.2). Scopes are judged by what the client has at that moment, so that
    /// nothing that an operator takes away comes back.
    pub async fn replace_registration(
        &self,
        registrar: Registrar,
        id: ClientId,
        replacement: Replacement,
    ) -> Result<Option<Registered>, ClientError> {
        let now = self.clock.now();
        let secret = PlainToken::<ClientSecret>::from_random(entropy::bytes());
        let replaced = self.storage.write(move |c| {
            clients::lock(c)?;
            let found = clients::find(c, &id)?.filter(|client| registrar.may_manage(client));
            let Some(old) = found else {
                return Ok::<_, ClientError>(None);
            };
            let scopes = replacement.scopes.unwrap_or(old.scopes);
            if !registrar.may_give(scopes, &old) {
                return Err(ClientError::TooManyScopes);
            }
            if let Some(stated) = &replacement.secret
                && clients::authenticate(c, &id, stated, now)?.is_none()
            {
                return Err(ClientError::NoSuchSecret);
            }
            let new = ClientChange::to(replacement.client, scopes).of(&old);
            check(&new)?;
            store(c, &old, &new, now)?;
            let signs = |client: &Client| client.auth_method == AuthMethod::PrivateKeyJwt;
            let secret = (signs(&old) && !signs(&new)).then_some(secret);
            if let Some(secret) = &secret {
                let first = NewSecret {
                    id: entropy::id(now),
                    label: None,
                    digest: secret.hashed(),
                    created_at: now,
                    not_before: None,
                    expires_at: None,
                };
                client_secrets::insert(c, &id, &first)?;
            }
            let entry = registrar.by(&id).did(Act::ClientChange, now);
            audit::record(c, &entry.to_client(&id))?;
            Ok(Some(Registered {
                client: new,
                secret,
            }))
        });
        replaced.await
    }

    /// Deletes a client, with its tokens (RFC 7592 section 2.3). Says whether it was this one's to delete.
    pub async fn delete_registration(
        &self,
        registrar: Registrar,
        id: ClientId,
    ) -> Result<bool, StorageError> {
        let by = registrar.by(&id);
        match self.registration(registrar, id.clone()).await? {
            Some(_) => self.delete_client(by, id).await,
            None => Ok(false),
        }
    }
}

impl ClientChange {
    /// The change that makes a client what `new` says, with these scopes.
    fn to(new: NewClient, scopes: Scopes) -> Self {
        Self {
            name: Some(new.name),
            scopes: Some(scopes),
            reset_url: Some(new.reset_url),
            locale: Some(new.locale),
            token_lifetime: Some(new.token_lifetime),
            auth_method: Some(new.auth_method),
            jwks: Some(new.jwks),
            require_dpop: Some(new.require_dpop),
        }
    }
}
