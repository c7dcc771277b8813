//! An operator does for a user on the phone what an app would do: has a link mailed, or is shown it. Operators may know who has an
//! account, so every refusal says why.

use chrono::TimeDelta;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::audit::Refuses;
use super::deliver::make_link;
use super::{By, Flows};
use crate::domain::audit::Act;
use crate::domain::mail::{Mail, MailKind};
use crate::domain::recovery::Ruling;
use crate::domain::{Client, ClientId, EmailAddress, EmailKey, Instant, User};
use crate::storage::{AnyConnection, StorageError, audit, clients, mails, users};

/// A link that is shown once. Whoever has it can set the password, so it is never logged.
pub struct ShownLink {
    /// The link, with the secret in it.
    pub text: Zeroizing<String>,
    /// When it ends.
    pub expires_at: Instant,
}

/// Why there is no mail and no link.
#[derive(Debug, thiserror::Error)]
pub enum OnBehalfError {
    /// No such client.
    #[error("there is no such client")]
    UnknownClient,
    /// The client is switched off.
    #[error("the client is disabled")]
    DisabledClient,
    /// No such user.
    #[error("there is no such user")]
    UnknownUser,
    /// This user is switched off.
    #[error("the account is disabled")]
    DisabledUser(Uuid),
    /// This user was sent a mail just now.
    #[error("a link was asked for just now: nothing is sent again so soon")]
    CoolDown(Uuid),
    /// This user was sent too many within the hour: come back after this time.
    #[error("too many mails for this address within an hour; the next one may be sent in {} s", .1.num_seconds() + 1)]
    TooMany(Uuid, TimeDelta),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refuses for OnBehalfError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::UnknownClient | Self::DisabledClient => Some("wrong_client"),
            Self::UnknownUser | Self::DisabledUser(_) => Some("wrong_user"),
            Self::CoolDown(_) => Some("cool_down"),
            Self::TooMany(..) => Some("throttled"),
            Self::Storage(_) => None,
        }
    }

    fn user(&self) -> Option<Uuid> {
        match self {
            Self::DisabledUser(id) | Self::CoolDown(id) | Self::TooMany(id, _) => Some(*id),
            _ => None,
        }
    }
}

impl Flows {
    /// Queues the mail that the client would have had queued, by the same rules; returns its id.
    pub async fn remind_on_behalf(
        &self,
        client_id: ClientId,
        email: &EmailAddress,
    ) -> Result<Uuid, OnBehalfError> {
        let now = self.clock.now();
        let (rules, key) = (self.recovery.clone(), email.key());
        let entry = By::Operator.did(Act::PasswordRemind, now);
        let mail = reset_mail(entry.id, &client_id, &key, now, rules.lifetime);
        let id = client_id.clone();
        let queued = self.storage.write(move |c| {
            c.serialise_on(key.as_str())?;
            let (client, user) = both(c, &id, &key)?;
            let before = mails::queued_since(c, &key, rules.window_start(now))?;
            match rules.rule(now, &before) {
                Ruling::Send => {}
                Ruling::Quiet => return Err(OnBehalfError::CoolDown(user.id)),
                Ruling::Refuse(wait) => return Err(OnBehalfError::TooMany(user.id, wait)),
            }
            let entry = entry.to_client(&client.id).to_user(user.id);
            mails::insert_and_record(c, &mail, &entry)?;
            Ok(mail.id)
        });
        let queued = queued.await;
        if queued.is_ok() {
            self.mail_queued.notify_one();
        }
        self.told(queued, Act::PasswordRemind, &client_id).await
    }

    /// Makes a link as the worker does, and shows it instead of mailing it. No cool-down stands in its way, for nobody's mailbox is
    /// filled; the mails that are asked for afterwards count it.
    pub async fn link_on_behalf(
        &self,
        client_id: ClientId,
        email: &EmailAddress,
    ) -> Result<ShownLink, OnBehalfError> {
        let now = self.clock.now();
        let (key, public_url) = (email.key(), self.public_url.clone());
        let entry = By::Operator.did(Act::PasswordLink, now);
        let mail = reset_mail(entry.id, &client_id, &key, now, self.recovery.lifetime);
        let id = client_id.clone();
        let made = self.storage.write(move |c| {
            c.serialise_on(key.as_str())?;
            let (client, user) = both(c, &id, &key)?;
            mails::insert_printed(c, &mail, now)?;
            let (link, _digest) = make_link(c, &mail, &user, &client, &public_url)?;
            audit::record(c, &entry.to_client(&client.id).to_user(user.id))?;
            Ok(ShownLink {
                text: Zeroizing::new(link),
                expires_at: mail.expires_at,
            })
        });
        let made = made.await;
        self.told(made, Act::PasswordLink, &client_id).await
    }

    async fn told<T>(
        &self,
        ended: Result<T, OnBehalfError>,
        act: Act,
        client_id: &ClientId,
    ) -> Result<T, OnBehalfError> {
        // A name that no client has is only what somebody typed.
        let is_client = !matches!(ended, Err(OnBehalfError::UnknownClient));
        let did = |now| {
            let entry = By::Operator.did(act, now);
            match is_client {
                true => entry.to_client(client_id),
                false => entry,
            }
        };
        self.audited(ended, did).await
    }
}

/// The client and the user, both enabled.
fn both(
    c: &mut AnyConnection,
    client_id: &ClientId,
    key: &EmailKey,
) -> Result<(Client, User), OnBehalfError> {
    let client = clients::find(c, client_id)?.ok_or(OnBehalfError::UnknownClient)?;
    if client.disabled_at.is_some() {
        return Err(OnBehalfError::DisabledClient);
    }
    let user = users::find_by_email(c, key)?.ok_or(OnBehalfError::UnknownUser)?;
    match user.disabled_at {
        Some(_) => Err(OnBehalfError::DisabledUser(user.id)),
        None => Ok((client, user)),
    }
}

fn reset_mail(
    id: Uuid,
    client_id: &ClientId,
    key: &EmailKey,
    now: Instant,
    lifetime: TimeDelta,
) -> Mail {
    Mail {
        id,
        kind: MailKind::Reset {
            address_key: key.as_str().to_owned(),
        },
        client_id: Some(client_id.clone()),
        locale: None,
        created_at: now,
        expires_at: now + lifetime,
        attempts: 0,
    }
}
