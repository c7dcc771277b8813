//! The built-in page: its visitors carry no application token. A live link is their authority, and what they do is done on
//! behalf of the client whose mail carried it.

use super::audit::stranger;
use super::password::NewPassword;
use super::remind::Reminded;
use super::reset::{Reset, ResetError};
use super::{Actor, Flows};
use crate::domain::audit::{Act, Origin};
use crate::domain::{ClientId, EmailAddress, Instant, Locale, PlainToken, ResetToken, User};
use crate::storage::{StorageError, clients, reset_tokens};

impl Flows {
    /// When a live token ends; nothing for any other. Uses nothing up (bar F17).
    pub async fn page_check(
        &self,
        token: Option<&PlainToken<ResetToken>>,
        origin: Origin,
    ) -> Result<Option<Instant>, StorageError> {
        let link = self.page_link(token, Act::PasswordCheck, &origin).await?;
        Ok(link.map(|(_, expires_at)| expires_at))
    }

    /// The client whose mail carried a token, on whose behalf the page acts, and when the token ends; nothing when it is dead, and
    /// nothing when its client is gone or switched off: then that is why the act was refused.
    async fn page_link(
        &self,
        token: Option<&PlainToken<ResetToken>>,
        act: Act,
        origin: &Origin,
    ) -> Result<Option<(ClientId, Instant)>, StorageError> {
        let now = self.clock.now();
        let link = match token.map(PlainToken::hashed) {
            Some(digest) => {
                self.storage
                    .read(move |c| reset_tokens::find_live_client(c, &digest, now))
                    .await?
            }
            None => None,
        };
        if link.is_none() {
            let entry = stranger(origin.clone(), act, now);
            self.record(entry.refused("wrong_token")).await?;
        }
        Ok(link)
    }

    /// Sets the password of the account that the token is for. A dead link is told before the password is judged: its holder
    /// is to ask for a new one, not to think of a better password.
    pub async fn page_reset(
        &self,
        token: Option<PlainToken<ResetToken>>,
        new: NewPassword,
        origin: Origin,
    ) -> Result<User, ResetError> {
        let act = Act::PasswordReset;
        let link = self.page_link(token.as_ref(), act, &origin).await?;
        let (client_id, _) = link.ok_or(ResetError::WrongToken)?;
        let reset = Reset {
            email: None,
            token,
            new,
        };
        self.reset(for_client(client_id, origin), reset).await
    }

    /// Queues a reset mail on behalf of the configured client. When it is gone or switched off, a visitor is told the same, for
    /// there is nothing that a visitor could do about it; the operator finds it in the log.
    pub async fn page_remind(
        &self,
        client_id: &ClientId,
        email: &EmailAddress,
        locale: Option<Locale>,
        origin: Origin,
    ) -> Result<Reminded, StorageError> {
        let sought = client_id.clone();
        let client = self
            .storage
            .read(move |c| clients::find(c, &sought))
            .await?;
        match client.filter(|client| client.disabled_at.is_none()) {
            Some(client) => {
                self.remind(for_client(client.id, origin), email, locale)
                    .await
            }
            None => {
                let entry = stranger(origin, Act::PasswordRemind, self.clock.now());
                self.record(entry.refused("wrong_client")).await?;
                tracing::warn!(client = %client_id, "page.client is unknown or disabled: no mail is sent");
                Ok(Reminded::Accepted)
            }
        }
    }
}

/// The client whose mail carried the link, or that the operator named. It does not learn who has an account.
fn for_client(client_id: ClientId, origin: Origin) -> Actor {
    Actor {
        client_id,
        may_know_users: false,
        jkt: None,
        origin,
    }
}
