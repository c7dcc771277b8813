//! The link's token sets the new password, once.

use super::audit::Refuses;
use super::password::{self, NewPassword};
use super::sessions::Session;
use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{EmailAddress, PlainToken, Refusal, ResetToken, User};
use crate::hasher::HashError;
use crate::storage::reset_tokens::{self, LiveResetToken};
use crate::storage::{StorageError, audit, users};

/// What a caller asks for.
#[derive(Debug)]
pub struct Reset {
    /// The address of the account; none where the token alone says whose it is.
    pub email: Option<EmailAddress>,
    /// The token from the mail; none when the text cannot be one of our tokens.
    pub token: Option<PlainToken<ResetToken>>,
    /// The new password.
    pub new: NewPassword,
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

/// No refusal says whose token it was, or whether anybody has the address: the look-ups that would tell are not made for all.
impl Refuses for ResetError {
    fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::WrongPassword(_) => Some("wrong_password"),
            Self::WrongToken => Some("wrong_token"),
            Self::WrongUser => Some("wrong_user"),
            Self::Hash(_) | Self::Storage(_) => None,
        }
    }
}

impl Flows {
    /// Sets the password; returns the user whose it is.
    pub async fn reset(&self, actor: Actor, reset: Reset) -> Result<User, ResetError> {
        let ended = self.counted(self.consume(actor.clone(), reset, None).await);
        let did = |now| actor.did(Act::PasswordReset, now);
        Ok(self.audited(ended, did).await?.0)
    }

    /// Sets the password and signs the user in, in one step.
    pub async fn reset_and_sign_in(
        &self,
        actor: Actor,
        reset: Reset,
    ) -> Result<(User, Session), ResetError> {
        let session = self.new_session();
        let ended = self.counted(self.consume(actor.clone(), reset, Some(session)).await);
        let did = |now| actor.did(Act::PasswordReset, now);
        let (user, session) = self.audited(ended, did).await?;
        session
            .map(|session| (user, session))
            .ok_or(ResetError::WrongToken)
            .inspect(|_| self.metrics.tokens.count("user"))
    }

    fn counted<T>(&self, ended: Result<T, ResetError>) -> Result<T, ResetError> {
        let refused = |error: &ResetError| error.refusal().unwrap_or("failed");
        let word = ended.as_ref().err().map_or("accepted", refused);
        self.metrics.resets.count(word);
        ended
    }

    /// Validates, then hashes with no connection held, then consumes the token, sets the password, ends every other link and
    /// token of the user and queues the notice, in one transaction (bar F11, F12, F14, F21).
    async fn consume(
        &self,
        actor: Actor,
        reset: Reset,
        session: Option<Session>,
    ) -> Result<(User, Option<Session>), ResetError> {
        let Reset { email, token, new } = reset;
        let refuse = |reasons: Vec<Refusal>| match reasons.is_empty() {
            true => Ok(()),
            false => Err(ResetError::WrongPassword(reasons)),
        };
        let new = new.map_err(|refusal| ResetError::WrongPassword(vec![refusal]))?;
        let typed = email.as_ref().map(EmailAddress::to_text);
        refuse(self.judge(&new, typed.as_deref()).await?)?;

        let key = email.as_ref().map(EmailAddress::key);
        let digest = token.as_ref().map(PlainToken::hashed);
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
            let is_the_accounts = |live: &LiveResetToken| {
                key.as_ref()
                    .is_none_or(|key| live.email_key == key.as_str())
            };
            live.filter(is_the_accounts).ok_or(ResetError::WrongToken)
        });
        let (live, digest) = found
            .await
            .and_then(|live| Ok((live, digest.ok_or(ResetError::WrongToken)?)))?;
        if email.is_none() {
            refuse(self.judge(&new, Some(&live.email_key)).await?)?;
        }

        let turn = self.hasher.turn().await?;
        // Of many callers with one link, those who had to wait learn here that it is used, and cost no hash.
        let (sought, now) = (digest.clone(), self.clock.now());
        let still = self
            .storage
            .read(move |c| reset_tokens::find_live(c, &sought, now))
            .await?;
        still.ok_or(ResetError::WrongToken)?;
        let hash = turn.hash(new.password).await?;

        let now = self.clock.now();
        let ended = self.storage.write(move |c| {
            // Two links of one user at once would each hold its own row and wait for the other's.
            let user = users::lock(c, live.user_id)?.ok_or(ResetError::WrongToken)?;
            let claimed = reset_tokens::consume(c, &digest, now)?
                && users::set_password(c, user.id, &hash, false, now)?;
            if !claimed {
                return Err(ResetError::WrongToken);
            }
            password::finish(c, &user, actor.client_id.clone(), now)?;
            audit::record(c, &actor.did(Act::PasswordReset, now).to_user(user.id))?;
            if let Some(session) = &session {
                session.store(c, &actor, user.id, now)?;
            }
            Ok((user, session))
        });
        let ended = ended.await?;
        self.mail_queued.notify_one();
        Ok(ended)
    }
}
