//! The link's token sets the new password, once.

use super::{Actor, Flows};
use crate::domain::mail::{Mail, MailKind, NOTICE_LIFETIME};
use crate::domain::{EmailAddress, Instant, Password, PlainToken, Refusal, ResetToken};
use crate::entropy;
use crate::hasher::HashError;
use crate::storage::{StorageError, access_tokens, mails, reset_tokens, users};

/// What a caller asks for.
#[derive(Debug)]
pub struct Reset {
    /// The address of the account; none when the token alone says whose it is.
    pub email: Option<EmailAddress>,
    /// The token from the mail; none when the text cannot be one of our tokens.
    pub token: Option<PlainToken<ResetToken>>,
    /// The new password.
    pub password: Password,
    /// Whether a confirmation was sent that differs.
    pub mismatch: bool,
}

/// Why the password was not set. Nothing was changed, and the token still works if it worked before.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The policy refuses the password (bar F13: the token is not used up).
    #[error("the password is refused")]
    WrongPassword(Vec<Refusal>),
    /// Unknown, used, expired, or of another account: one answer for all (bar F15).
    #[error("the token is refused")]
    WrongToken,
    /// There is no such account: said to disclosing clients only.
    #[error("there is no such account")]
    WrongUser,
    /// No hash.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Flows {
    /// Validates, then hashes with no connection held, then consumes the token, sets the password, ends every other link and
    /// token of the user and queues the notice, in one transaction (bar F11, F12, F14, F21).
    pub async fn reset(&self, actor: Actor, reset: Reset) -> Result<(), ResetError> {
        if let Some(email) = &reset.email {
            self.judge(&reset, &email.to_text())?;
        }

        let key = reset.email.as_ref().map(EmailAddress::key);
        let digest = reset.token.as_ref().map(PlainToken::hashed);
        let (sought, now) = (digest.clone(), self.clock.now());
        let found = self.storage.read(move |c| {
            if let Some(key) = key.as_ref().filter(|_| actor.may_know_users)
                && users::find_by_email(c, key)?.is_none()
            {
                return Err(ResetError::WrongUser);
            }
            let live = sought
                .map(|digest| reset_tokens::find_live(c, &digest, now))
                .transpose()?
                .flatten();
            let same = |live_key: &str| key.as_ref().is_none_or(|key| key.as_str() == live_key);
            live.filter(|live| same(&live.email_key))
                .ok_or(ResetError::WrongToken)
        });
        let (live, digest) = found
            .await
            .and_then(|live| Ok((live, digest.ok_or(ResetError::WrongToken)?)))?;

        if reset.email.is_none() {
            self.judge(&reset, &live.email_key)?;
        }

        let turn = self.hasher.turn().await?;
        // Of many callers with one link, those who had to wait learn here that it is used, and cost no hash.
        let (sought, now) = (digest.clone(), self.clock.now());
        let still = self
            .storage
            .read(move |c| reset_tokens::find_live(c, &sought, now))
            .await?;
        still.ok_or(ResetError::WrongToken)?;
        let hash = turn.hash(reset.password).await?;

        let now = self.clock.now();
        let notice = notice(live.user_id, actor.client_id, now);
        let ended = self.storage.write(move |c| {
            // Two links of one user at once would each hold its own row and wait for the other's.
            c.serialise_on(&live.email_key)?;
            let claimed = reset_tokens::consume(c, &digest, now)?
                && users::set_password(c, live.user_id, &hash, now)?;
            if !claimed {
                return Err(ResetError::WrongToken);
            }
            reset_tokens::delete_others(c, live.user_id, &digest)?;
            mails::cancel_resets(c, &live.email_key, now)?;
            access_tokens::delete_of_user(c, live.user_id)?;
            Ok(mails::insert(c, &notice)?)
        });
        ended.await?;
        self.mail_queued.notify_one();
        Ok(())
    }

    fn judge(&self, reset: &Reset, address: &str) -> Result<(), ResetError> {
        let context = [address, &self.public_url, "unforget"];
        let mut reasons = self.policy.check(&reset.password, &context);
        if reset.mismatch {
            reasons.push(Refusal::Mismatch);
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(ResetError::WrongPassword(reasons))
        }
    }
}

fn notice(user_id: uuid::Uuid, client_id: crate::domain::ClientId, now: Instant) -> Mail {
    Mail {
        id: entropy::id(now),
        kind: MailKind::PasswordChanged { user_id },
        client_id: Some(client_id),
        locale: None,
        created_at: now,
        expires_at: now + NOTICE_LIFETIME,
        attempts: 0,
    }
}
