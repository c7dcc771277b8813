//! A user forgot: queue a mail with a link.

use std::sync::atomic::Ordering;

use chrono::TimeDelta;

use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::mail::{Mail, MailKind};
use crate::domain::recovery::Ruling;
use crate::domain::{EmailAddress, Locale};
use crate::storage::{StorageError, audit, mails, users};

/// What a caller learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reminded {
    /// A mail is on its way if there is such a user, unless one was sent just now.
    Accepted,
    /// There is no such user: said to disclosing clients only.
    UnknownUser,
    /// Too many for this address: come back after this time.
    TooMany(TimeDelta),
}

impl Flows {
    /// Queues a reset mail. The same is written whether or not anybody has the address; who gets the mail, and the secret in
    /// it, is decided by the worker, so known and unknown addresses cost the same (bar F01, F02, F03). The entry in the audit names
    /// no user either; it has the id of the mail, which stands in the mail's Message-ID too.
    pub async fn remind(
        &self,
        actor: Actor,
        email: &EmailAddress,
        locale: Option<Locale>,
    ) -> Result<Reminded, StorageError> {
        if self.mails_waiting.load(Ordering::Relaxed) >= self.max_mails {
            self.metrics.reminds.count("busy");
            return Err(StorageError::Busy("too many mails are waiting".to_owned()));
        }
        let now = self.clock.now();
        let rules = self.recovery.clone();
        let key = email.key();
        let entry = actor.did(Act::PasswordRemind, now);
        let mail = Mail {
            id: entry.id,
            kind: MailKind::Reset {
                address_key: key.as_str().to_owned(),
            },
            client_id: Some(actor.client_id),
            locale,
            created_at: now,
            expires_at: now + rules.lifetime,
            attempts: 0,
        };
        let ended = self.storage.write_last(move |c| {
            if actor.may_know_users && users::find_by_email(c, &key)?.is_none() {
                audit::record(c, &entry.refused("wrong_user"))?;
                return Ok::<_, StorageError>((Reminded::UnknownUser, false));
            }
            c.serialise_on(key.as_str())?;
            let queued = mails::queued_since(c, &key, rules.window_start(now))?;
            match rules.rule(now, &queued) {
                Ruling::Send => {
                    mails::insert_and_record(c, &mail, &entry)?;
                    Ok((Reminded::Accepted, true))
                }
                Ruling::Quiet => {
                    audit::record(c, &entry.refused("cool_down"))?;
                    Ok((Reminded::Accepted, false))
                }
                Ruling::Refuse(wait) => {
                    audit::record(c, &entry.refused("throttled"))?;
                    Ok((Reminded::TooMany(wait), false))
                }
            }
        });
        let (reminded, queued) = ended.await?;
        self.metrics.reminds.count(match (reminded, queued) {
            (Reminded::Accepted, true) => "accepted",
            (Reminded::Accepted, false) => "cool_down",
            (Reminded::UnknownUser, _) => "wrong_user",
            (Reminded::TooMany(_), _) => "throttled",
        });
        if queued {
            self.mail_queued.notify_one();
        }
        Ok(reminded)
    }
}
