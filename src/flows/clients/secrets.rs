//! A client's secrets come and go one by one, so that an app can change over while it runs (bar O18).

use chrono::TimeDelta;
use uuid::Uuid;

use super::ClientError;
use crate::domain::audit::Act;
use crate::domain::client_secret::{SecretInfo, SecretLabel, SecretState};
use crate::domain::{ClientId, ClientSecret, Instant, PlainToken};
use crate::entropy;
use crate::flows::{By, Flows};
use crate::storage::client_secrets::{self, NewSecret};
use crate::storage::{StorageError, audit, clients};

/// How a client changes over to a new secret.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// How long the other secrets go on, from when the new one works.
    pub overlap: TimeDelta,
    /// What people call the new one.
    pub label: Option<SecretLabel>,
    /// When the new one begins to work; at once when absent, or past.
    pub not_before: Option<Instant>,
}

impl From<TimeDelta> for Rotation {
    fn from(overlap: TimeDelta) -> Self {
        Self {
            overlap,
            label: None,
            not_before: None,
        }
    }
}

/// Why a client gets no further secret.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Nobody could point at one of the two by its label.
    #[error(
        "another secret of the client has this label and has not ended: choose a new one, or end that one first"
    )]
    LabelTaken,
    /// Something that is true of the client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A new secret, in clear here and nowhere else.
#[derive(Debug)]
pub struct Rotated {
    /// Its id, for people to point at.
    pub id: Uuid,
    /// The secret.
    pub secret: PlainToken<ClientSecret>,
    /// When it begins to work, if not at once.
    pub not_before: Option<Instant>,
    /// When the other secrets end at the latest.
    pub old_until: Instant,
}

/// How people point at a secret.
#[derive(Debug, Clone)]
pub enum SecretRef {
    /// By its id.
    Id(Uuid),
    /// By its label, which must be that of one secret that has not ended.
    Label(SecretLabel),
}

impl Flows {
    /// Gives a client a further secret and lets the others end after the overlap, which begins when the new one works: at no
    /// time is there none. None when there is no such client.
    pub async fn rotate_client(
        &self,
        by: By,
        id: ClientId,
        rotation: impl Into<Rotation>,
    ) -> Result<Option<Rotated>, RotateError> {
        let now = self.clock.now();
        let rotation = rotation.into();
        let not_before = rotation.not_before.filter(|start| *start > now);
        let old_until = not_before.unwrap_or(now) + rotation.overlap;
        let secret = PlainToken::<ClientSecret>::from_random(entropy::bytes());
        let new = NewSecret {
            id: entropy::id(now),
            label: rotation.label,
            digest: secret.hashed(),
            created_at: now,
            not_before,
            expires_at: None,
        };
        let secret_id = new.id;
        let known = self.storage.write(move |c| {
            clients::lock(c)?;
            let Some(client) = clients::find(c, &id)? else {
                return Ok::<_, RotateError>(false);
            };
            if client.signs() {
                return Err(ClientError::HasKeys.into());
            }
            if let Some(label) = &new.label
                && client_secrets::list(c, &id)?
                    .iter()
                    .any(|(info, _)| is_called(info, label, now))
            {
                return Err(RotateError::LabelTaken);
            }
            client_secrets::end_all(c, &id, old_until)?;
            client_secrets::insert(c, &id, &new)?;
            audit::record(c, &by.did(Act::ClientRotate, now).to_client(&id))?;
            Ok(true)
        });
        Ok(known.await?.then_some(Rotated {
            id: secret_id,
            secret,
            not_before,
            old_until,
        }))
    }

    /// Ends one secret now: it has leaked. Tokens that it has fetched live on. None when there is no such client.
    pub async fn end_secret(
        &self,
        by: By,
        id: ClientId,
        which: SecretRef,
    ) -> Result<Option<SecretInfo>, ClientError> {
        let now = self.clock.now();
        self.storage
            .write(move |c| {
                clients::lock(c)?;
                if clients::find(c, &id)?.is_none() {
                    return Ok(None);
                }
                let secrets = client_secrets::list(c, &id)?;
                let mut secret = find(secrets.into_iter().map(|(info, _)| info), &which, now)?;
                if secret.state(now) != SecretState::Ended {
                    secret.expires_at = Some(now);
                    client_secrets::update(c, &secret)?;
                    audit::record(c, &by.did(Act::ClientRotate, now).to_client(&id))?;
                }
                Ok(Some(secret))
            })
            .await
    }
}

/// A label means one secret, until that has ended.
pub(super) fn is_called(secret: &SecretInfo, label: &SecretLabel, now: Instant) -> bool {
    secret.label.as_deref() == Some(label.as_str()) && secret.state(now) != SecretState::Ended
}

fn find(
    secrets: impl Iterator<Item = SecretInfo>,
    which: &SecretRef,
    now: Instant,
) -> Result<SecretInfo, ClientError> {
    let is_meant = |secret: &SecretInfo| match which {
        SecretRef::Id(id) => secret.id == *id,
        SecretRef::Label(label) => is_called(secret, label, now),
    };
    let mut meant = secrets.filter(is_meant);
    let first = meant.next().ok_or(ClientError::NoSuchSecret)?;
    match meant.next() {
        None => Ok(first),
        Some(_) => Err(ClientError::AmbiguousLabel),
    }
}
