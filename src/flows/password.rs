//! What every way of setting a password has in common: what is chosen, and what ends with the old one.

use crate::domain::mail::{Mail, MailKind, NOTICE_LIFETIME};
use crate::domain::{ClientId, Instant, Password, Refusal, User};
use crate::entropy;
use crate::storage::{
    AnyConnection, Result as StorageResult, access_tokens, guesses, mails, reset_tokens,
};

/// A password that was sent twice, so that a typing error does not become the new one.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The new password.
    pub password: Password,
    /// Whether a confirmation was sent that differs.
    pub mismatch: bool,
}

/// A new password as it was sent, or why it cannot be one.
pub type NewPassword = Result<Chosen, Refusal>;

impl From<Password> for Chosen {
    fn from(password: Password) -> Self {
        let mismatch = false; // it was sent once
        Self { password, mismatch }
    }
}

/// Ends all that came with an account's old standing: links, reset mails that wait, and user tokens (bar F14). A link that was
/// used stays as a record until it expires. Links before mails: the worker that takes a link back goes the same way, and would
/// else be met halfway (bar D05).
pub(super) fn end_access(c: &mut AnyConnection, user: &User, now: Instant) -> StorageResult<()> {
    reset_tokens::delete_unused(c, user.id)?;
    access_tokens::delete_of_user(c, user.id)?;
    mails::cancel_resets(c, user.email.key().as_str(), now)
}

/// After a new password was set: ends all that came with the old one, forgets wrong guesses, and tells the user by mail
/// (bar F14, F21).
pub(super) fn finish(
    c: &mut AnyConnection,
    user: &User,
    client_id: ClientId,
    now: Instant,
) -> StorageResult<()> {
    end_access(c, user, now)?;
    guesses::forget(c, user.email.key().as_str())?;
    let changed = MailKind::PasswordChanged {
        user_id: user.id,
        recipient: Some(user.email.clone()),
    };
    mails::insert(c, &notice(changed, Some(client_id), now))
}

/// A mail that tells a user what has happened.
pub(super) fn notice(kind: MailKind, client_id: Option<ClientId>, now: Instant) -> Mail {
    Mail {
        id: entropy::id(now),
        kind,
        client_id,
        locale: None,
        created_at: now,
        expires_at: now + NOTICE_LIFETIME,
        attempts: 0,
    }
}
