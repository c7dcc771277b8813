//! An app asks whether this is its user's password.

use super::Flows;
use super::prove::{self, ProveError};
use crate::domain::{EmailAddress, Password, User};

impl Flows {
    /// The user whose password this is. Wrong ones are counted and slowed down (bar F24, F25).
    pub async fn verify(
        &self,
        email: &EmailAddress,
        password: Password,
    ) -> Result<User, ProveError> {
        prove::anew(|| async {
            let proven = self.prove(email.key(), password.clone()).await?;
            let kept = self.storage.write(move |c| {
                proven.still_holds(c)?;
                Ok::<_, ProveError>(proven.user)
            });
            kept.await
        })
        .await
    }
}
