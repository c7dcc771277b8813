//! The built-in page: its visitors carry no application token. A live link is their authority, and what they do is done on
//! behalf of the client whose mail carried it.

use super::password::Chosen;
use super::remind::Reminded;
use super::reset::{Reset, ResetError};
use super::{Actor, Flows};
use crate::domain::audit::Origin;
use crate::domain::{ClientId, EmailAddress, Instant, Locale, PlainToken, ResetToken, User};
use crate::storage::{StorageError, clients, reset_tokens};

/// What a live link allows on the page.
#[derive(Debug)]
pub struct PageLink {
    /// On whose behalf: the client whose mail carried the link. It may not learn who has an account.
    pub actor: Actor,
    /// When the link ends.
    pub expires_at: Instant,
}

impl Flows {
    /// What a token allows on the page; nothing when it is dead, and nothing when its client is gone or switched off. Uses
    /// nothing up (bar F17).
    pub async fn page_link(
        &self,
        token: &PlainToken<ResetToken>,
        origin: Origin,
    ) -> Result<Option<PageLink>, StorageError> {
        let (digest, now) = (token.hashed(), self.clock.now());
        let found = self
            .storage
            .read(move |c| reset_tokens::find_live_client(c, &digest, now))
            .await?;
        Ok(found.map(|(client_id, expires_at)| PageLink {
            actor: for_client(client_id, origin),
            expires_at,
        }))
    }

    /// Sets the password of the account that the token is for. A dead link is told before the password is judged: its holder
    /// is to ask for a new one, not to think of a better password.
    pub async fn page_reset(
        &self,
        token: PlainToken<ResetToken>,
        new: Chosen,
        origin: Origin,
    ) -> Result<User, ResetError> {
        let link = self.page_link(&token, origin).await?;
        let actor = link.ok_or(ResetError::WrongToken)?.actor;
        let reset = Reset {
            email: None,
            token: Some(token),
            new,
        };
        self.reset(actor, reset).await
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
                tracing::warn!(client = %client_id, "page.client is unknown or disabled: no mail is sent");
                Ok(Reminded::Accepted)
            }
        }
    }
}

fn for_client(client_id: ClientId, origin: Origin) -> Actor {
    Actor {
        client_id,
        may_know_users: false,
        origin,
    }
}
