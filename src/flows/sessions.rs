//! A user signs in: the app gets an access token that speaks for the user.

use chrono::TimeDelta;
use uuid::Uuid;

use super::prove::{self, ProveError};
use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{AccessToken, EmailAddress, Instant, Password, PlainToken, Scopes, User};
use crate::entropy;
use crate::storage::access_tokens::{self, NewAccessToken};
use crate::storage::{AnyConnection, Result as StorageResult, audit};

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
    /// Signs a user in by password. No credentials: what was sent cannot be anybody's.
    pub async fn create_session(
        &self,
        actor: Actor,
        credentials: Option<(EmailAddress, Password)>,
    ) -> Result<(Session, User), ProveError> {
        let ended = prove::anew(|| async {
            let proven = self.prove_any(credentials.clone()).await?;
            let (session, actor) = (self.new_session(), actor.clone());
            let now = self.clock.now();
            // A password change at the same time ends every token, so this one must not come after it unseen.
            let kept = self.storage.write(move |c| {
                proven.still_holds(c)?;
                session.store(c, &actor, proven.user.id, now)?;
                Ok::<_, ProveError>((session, proven.user))
            });
            kept.await
        });
        let did = |now| actor.did(Act::SessionCreate, now);
        let ended = self.audited(ended.await, did).await;
        ended.inspect(|_| self.metrics.tokens.count("user"))
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
    /// Stores it, and writes that into the audit.
    pub(super) fn store(
        &self,
        c: &mut AnyConnection,
        actor: &Actor,
        user_id: Uuid,
        now: Instant,
    ) -> StorageResult<()> {
        let token = NewAccessToken {
            digest: self.token.hashed(),
            client_id: actor.client_id.clone(),
            subject: Some(user_id),
            scopes: Scopes::default(),
            created_at: now,
            expires_at: now + self.lifetime,
            jkt: actor.jkt,
        };
        access_tokens::insert(c, &token)?;
        audit::record(c, &actor.did(Act::SessionCreate, now).to_user(user_id))
    }
}
