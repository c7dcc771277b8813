//! Who was not let in, or did not get what was asked for, stands in the audit.

use super::assertion::ClientAssertion;
use super::jose::Signed;
use super::{Authentication, TokenError};
use crate::domain::audit::{Act, Entry, Origin};
use crate::domain::{ClientId, Instant};
use crate::entropy;
use crate::storage::{Storage, StorageError, audit, clients};

/// Which clients a call claims to come from.
#[derive(Debug, Clone, Default)]
pub struct Claimed(Vec<ClientId>);

impl From<&Authentication> for Claimed {
    fn from(authentication: &Authentication) -> Self {
        let claimed = match authentication {
            Authentication::None => Vec::new(),
            Authentication::Secret(readings) => {
                let ids = readings.iter().map(|reading| reading.id.as_str());
                ids.map(ClientId::new).collect()
            }
            Authentication::Assertion(assertion) => Vec::from_iter(subject(assertion)),
        };
        Self(claimed)
    }
}

fn subject(assertion: &ClientAssertion) -> Option<ClientId> {
    let signed = Signed::read(&assertion.text)?;
    signed.text("sub").map(ClientId::new)
}

impl TokenError {
    /// The word for a refusal (RFC 6749 section 5.2); none for a fault of ours.
    pub fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest(_) => Some("invalid_request"),
            Self::InvalidClient | Self::InvalidAssertion(_) => Some("invalid_client"),
            Self::InvalidScope => Some("invalid_scope"),
            Self::UnsupportedGrantType => Some("unsupported_grant_type"),
            Self::InvalidProof => Some("invalid_dpop_proof"),
            // A question to a client that is about to answer it.
            Self::NonceNeeded | Self::Storage(_) => None,
        }
    }
}

/// Passes on how a call ended. A refusal is written first.
///
/// What is claimed is not believed: the client stands in the entry as the one that somebody tried to be, unless what was refused is
/// only said to who has shown to be it. What was sent is never written, only the id of a client that there is; each id that is
/// claimed is looked up, whether one before it was known or not, so that it costs the same for all (bar O09).
pub async fn audited<T>(
    storage: &Storage,
    ended: Result<T, TokenError>,
    act: Act,
    claimed: Claimed,
    origin: Origin,
    now: Instant,
) -> Result<T, TokenError> {
    let Some((error, word)) = ended
        .as_ref()
        .err()
        .and_then(|error| Some((error, error.refusal()?)))
    else {
        return ended;
    };
    let known = matches!(error, TokenError::InvalidScope);
    let mut entry = Entry::new(entropy::id(now), now, act, origin).refused(word);
    let written = storage.write_one(move |c| {
        let mut found = None;
        for id in &claimed.0 {
            let exists = clients::find(c, id)?.is_some();
            found = found.or(exists.then_some(id));
        }
        if let Some(id) = found {
            entry = match known {
                true => entry.by_client(id),
                false => entry.to_client(id),
            };
        }
        audit::record(c, &entry)?;
        Ok::<_, StorageError>(())
    });
    written.await?;
    ended
}
