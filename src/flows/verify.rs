//! An app asks whether this is its user's password.

use super::prove::{self, ProveError};
use super::{Actor, Flows};
use crate::domain::audit::Act;
use crate::domain::{EmailAddress, Password, User};
use crate::storage::audit;

impl Flows {
    /// The user whose password this is. Wrong ones are counted and slowed down (bar F24, F25). No credentials: what was sent cannot
    /// be anybody's.
    pub async fn verify(
        &self,
        actor: Actor,
        credentials: Option<(EmailAddress, Password)>,
    ) -> Result<User, ProveError> {
        let ended = prove::anew(|| async {
            let proven = self.prove_any(credentials.clone()).await?;
            let entry = actor.did(Act::PasswordVerify, self.clock.now());
            let kept = self.storage.write(move |c| {
                proven.still_holds(c)?;
                audit::record(c, &entry.to_user(proven.user.id))?;
                Ok::<_, ProveError>(proven.user)
            });
            kept.await
        });
        let did = |now| actor.did(Act::PasswordVerify, now);
        self.audited(ended.await, did).await
    }
}
