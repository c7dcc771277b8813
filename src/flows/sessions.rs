//! A user signs in: the app gets an access token that speaks for the user.

use chrono::TimeDelta;
use uuid::Uuid;

use super::prove::{self, ProveError};
use super::{Actor, Flows};
use crate::domain::{
    AccessToken, ClientId, EmailAddress, Instant, Password, PlainToken, Scopes, User,
};
use crate::entropy;
use crate::storage::access_tokens::{self, NewAccessToken};
use crate::storage::{AnyConnection, Result as StorageResult};

/// A user token. It carries no scope of an application: it lets its bearer change the password of its subject, who has to
/// know the old one.
#[derive(Debug)]
pub struct Session {
    /// The token, in clear here and nowhere else.
    pub token: PlainToken<AccessToken>,
    /// How long it lives.
    pub lifetime: TimeDelta,
}

impl Flows {
    /// Signs a user in by password.
    pub async fn create_session(
        &self,
        actor: Actor,
        email: &EmailAddress,
        password: Password,
    ) -> Result<(Session, User), ProveError> {
        prove::anew(|| async {
            let proven = self.prove(email.key(), password.clone()).await?;
            let (session, client_id) = (self.new_session(), actor.client_id.clone());
            let now = self.clock.now();
            // A password change at the same time ends every token, so this one must not come after it unseen.
            let kept = self.storage.write(move |c| {
                proven.still_holds(c)?;
                session.store(c, &client_id, proven.user.id, now)?;
                Ok::<_, ProveError>((session, proven.user))
            });
            kept.await
        })
        .await
    }

    /// A session that is not stored yet.
    pub(super) fn new_session(&self) -> Session {
        Session {
            token: PlainToken::from_random(entropy::bytes()),
            lifetime: self.session_lifetime,
        }
    }
}

impl Session {
    pub(super) fn store(
        &self,
        c: &mut AnyConnection,
        client_id: &ClientId,
        user_id: Uuid,
        now: Instant,
    ) -> StorageResult<()> {
        let token = NewAccessToken {
            digest: self.token.hashed(),
            client_id,
            subject: Some(user_id),
            scopes: Scopes::default(),
            created_at: now,
            expires_at: now + self.lifetime,
            jkt: None,
        };
        access_tokens::insert(c, &token)
    }
}
