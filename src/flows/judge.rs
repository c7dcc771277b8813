//! What every new password is judged by, whichever way it comes in: the policy, and the list of breached ones.

use std::sync::Arc;

use super::Flows;
use super::password::Chosen;
use crate::domain::Refusal;
use crate::hasher::HashError;
use crate::telemetry;

impl Flows {
    /// Every reason to refuse a new password (bar P09, P10). `about` is what is known of the account, its address; the service's own
    /// names are added. A password that cannot be judged is not taken.
    pub async fn judge(
        &self,
        chosen: &Chosen,
        about: Option<&str>,
    ) -> Result<Vec<Refusal>, HashError> {
        let context = [about.unwrap_or_default(), &self.public_url, "unforget"];
        let mut reasons = self.policy.check(&chosen.password, &context);
        if let Some(breaches) = &self.breaches {
            let (breaches, digest) = (Arc::clone(breaches), chosen.password.sha1());
            let unjudged = |error: &dyn std::fmt::Display| HashError::Unjudged(error.to_string());
            let found = telemetry::blocking(move || breaches.hold(&digest)).await;
            if found.map_err(|e| unjudged(&e))?.map_err(|e| unjudged(&e))? {
                reasons.push(Refusal::Breached);
            }
        }
        if chosen.mismatch {
            reasons.push(Refusal::Mismatch);
        }
        Ok(reasons)
    }
}
