//! Apps that are registered, and look after their registration, over HTTP (RFC 7591, RFC 7592).

use super::change::{ClientChange, differences, store};
use super::{ClientError, NewClient, check};
use crate::domain::audit::{Act, Origin};
use crate::domain::{
    Client, ClientId, ClientSecret, HashedToken, PlainToken, RegistrationToken, Scopes,
};
use crate::entropy;
use crate::flows::audit::stranger;
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
    /// A client that may register others, with the scopes that its own token carries: it manages what it has registered, as long as
    /// that has no more than itself, for whoever manages a client can act as it.
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
                Self::Client(actor, held) => {
                    client.registered_by.as_ref() == Some(&actor.client_id)
                        && client.scopes.is_within(*held)
                }
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
    /// Registers a client on behalf of another one, whose token carries the scopes `held`: it can give no others (bar X11). `new` has
    /// the digest of the token that manages the registration.
    pub async fn register_client(
        &self,
        actor: Actor,
        held: Scopes,
        new: NewClient,
    ) -> Result<Registered, ClientError> {
        let ended = match new.scopes.is_within(held) {
            true => self.add_client(By::Client(actor.clone()), new).await,
            false => Err(ClientError::TooManyScopes),
        };
        let did = |now| actor.did(Act::ClientAdd, now);
        let (client, secret) = self.audited(ended, did).await?;
        Ok(Registered { client, secret })
    }

    /// A client whose registration this one may manage. Nobody learns whether there is another one. `act` is what it is wanted for, if
    /// that would change something.
    pub async fn registration(
        &self,
        registrar: Registrar,
        id: ClientId,
        act: Option<Act>,
    ) -> Result<Option<Client>, StorageError> {
        let sought = id.clone();
        let found = self
            .storage
            .read(move |c| clients::find(c, &sought))
            .await?;
        let exists = found.is_some();
        let managed = found.filter(|client| registrar.may_manage(client));
        if let Some(act) = act.filter(|_| managed.is_none()) {
            let now = self.clock.now();
            let entry = match &registrar {
                Registrar::Client(actor, _) => actor.did(act, now),
                Registrar::Token(_, origin) => stranger(origin.clone(), act, now),
            };
            let entry = if exists { entry.to_client(&id) } else { entry };
            self.record(entry.refused("invalid_token")).await?;
        }
        Ok(managed)
    }

    /// Replaces a registration, as a whole (RFC 7592 section 2.2). It is judged by what the client is at that moment, so that nothing that
    /// an operator takes away comes back.
    pub async fn replace_registration(
        &self,
        registrar: Registrar,
        id: ClientId,
        replacement: Replacement,
    ) -> Result<Option<Registered>, ClientError> {
        let (by, subject) = (registrar.by(&id), id.clone());
        let now = self.clock.now();
        let entry = by.did(Act::ClientChange, now).to_client(&id);
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
            let new = match registrar {
                Registrar::Token(..) => as_strict(&old, new),
                Registrar::Client(..) => new,
            };
            check(&new)?;
            if differences(&old, &new).is_empty() {
                let (client, secret) = (new, None);
                return Ok(Some(Registered { client, secret }));
            }
            store(c, &old, &new, now)?;
            let secret = (old.signs() && !new.signs()).then_some(secret);
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
            audit::record(c, &entry)?;
            let client = new;
            Ok(Some(Registered { client, secret }))
        });
        let did = |now| by.did(Act::ClientChange, now).to_client(&subject);
        self.audited(replaced.await, did).await
    }

    /// Deletes a client, with its tokens (RFC 7592 section 2.3), if it is this one's to delete by then. Says whether it was.
    pub async fn delete_registration(
        &self,
        registrar: Registrar,
        id: ClientId,
    ) -> Result<bool, StorageError> {
        let act = Some(Act::ClientDelete);
        let managed = self.registration(registrar.clone(), id.clone(), act);
        if managed.await?.is_none() {
            return Ok(false);
        }
        let by = registrar.by(&id);
        self.delete_client_if(by, id, move |client| registrar.may_manage(client))
            .await
    }
}

/// An app cannot lift what was imposed on it: it goes on signing, binding its tokens to a key, and having short-lived ones.
fn as_strict(old: &Client, new: Client) -> Client {
    Client {
        auth_method: match old.signs() {
            true => old.auth_method,
            false => new.auth_method,
        },
        require_dpop: old.require_dpop || new.require_dpop,
        token_lifetime: old
            .token_lifetime
            .map(|most| new.token_lifetime.map_or(most, |wanted| wanted.min(most))),
        ..new
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
