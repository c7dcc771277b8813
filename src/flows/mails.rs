//! An operator looks at the queue of mails, and has one tried again.

use uuid::Uuid;

use super::Flows;
use super::users::UserRef;
use crate::domain::mail::{MailKind, MailState};
use crate::domain::{Instant, User};
use crate::storage::mails::{MailReport, Whose};
use crate::storage::{AnyConnection, StorageError, mails, users};

/// What becomes of an operator's wish to try a mail again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It is tried as soon as possible.
    Queued,
    /// There is no such mail.
    Unknown,
    /// A server has it already.
    Sent,
    /// There was nobody to send it to.
    Skipped,
    /// It was never to be sent: an operator was shown its link.
    Printed,
    /// It would be of no use since then: the link is dead, the notice is old.
    Expired(Instant),
    /// The password was changed at that time, after the link was asked for, and a change ends all links.
    Overtaken(Instant),
    /// It is being sent just now.
    Running,
}

impl Flows {
    /// The newest mails, in the given state or in any.
    pub async fn list_mails(
        &self,
        state: Option<MailState>,
        limit: i64,
    ) -> Result<Vec<MailReport>, StorageError> {
        self.storage
            .read(move |c| mails::list(c, state, limit))
            .await
    }

    /// The same of one user, or to one address: then also what was asked for it while nobody had it.
    pub async fn list_mails_of(
        &self,
        user: UserRef,
        state: Option<MailState>,
        limit: i64,
    ) -> Result<Vec<MailReport>, StorageError> {
        let list = move |c: &mut AnyConnection| {
            let key = |user: &User| user.email.key().as_str().to_owned();
            let (found, asked) = match user {
                UserRef::Id(id) => (users::find(c, id)?, None),
                UserRef::Email(asked) => (users::find_by_email(c, &asked)?, Some(asked)),
                UserRef::Nobody => (None, None),
            };
            let whose = Whose {
                address_key: match asked {
                    Some(asked) => Some(asked.as_str().to_owned()),
                    None => found.as_ref().map(key),
                },
                user_id: found.map(|user| user.id),
            };
            mails::list_of(c, &whose, state, limit)
        };
        self.storage.read(list).await
    }

    /// Queues a failed or waiting mail for an immediate try, or says why not.
    pub async fn retry_mail(&self, id: Uuid) -> Result<Retry, StorageError> {
        let now = self.clock.now();
        self.storage.write(move |c| retry(c, id, now)).await
    }
}

fn retry(c: &mut AnyConnection, id: Uuid, now: Instant) -> Result<Retry, StorageError> {
    let Some(report) = mails::find(c, id)? else {
        return Ok(Retry::Unknown);
    };
    if let MailKind::Reset { address_key } = &report.mail.kind {
        // A link that was asked for before the password was changed must not work after it, sent late or not.
        let user = users::find_by_key(c, address_key)?;
        let changed_at = user.and_then(|user| user.password_changed_at);
        if let Some(at) = changed_at.filter(|at| *at >= report.mail.created_at) {
            return Ok(Retry::Overtaken(at));
        }
    }
    if mails::retry(c, id, now)? {
        return Ok(Retry::Queued);
    }
    let is = |state: MailState| report.state == state.name();
    Ok(match report.mail.expires_at {
        _ if is(MailState::Sent) => Retry::Sent,
        _ if is(MailState::Skipped) => Retry::Skipped,
        _ if is(MailState::Printed) => Retry::Printed,
        at if at <= now => Retry::Expired(at),
        _ => Retry::Running,
    })
}
