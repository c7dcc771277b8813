//! What every new password is judged by, whichever way it comes in: the policy, and the list of breached ones.

use std::sync::Arc;

use super::Flows;
use crate::domain::{Password, Refusal};
use crate::hasher::HashError;
use crate::telemetry;

impl Flows {
    /// Every reason to refuse a new password (bar P09, P10). `context` is what is known of the account, such as its address; the
    /// service's own names are added. A password that cannot be judged is not taken.
    pub async fn judge_password(
        &self,
        password: &Password,
        context: &[&str],
    ) -> Result<Vec<Refusal>, HashError> {
        let context = [context, &[&self.public_url, "unforget"]].concat();
        let mut reasons = self.policy.check(password, &context);
        if let Some(breaches) = &self.breaches {
            let (breaches, digest) = (Arc::clone(breaches), password.sha1());
            let unjudged = |error: &dyn std::fmt::Display| HashError::Unjudged(error.to_string());
            let found = telemetry::blocking(move || breaches.hold(&digest)).await;
            if found.map_err(|e| unjudged(&e))?.map_err(|e| unjudged(&e))? {
                reasons.push(Refusal::Breached);
            }
        }
        Ok(reasons)
    }
}
