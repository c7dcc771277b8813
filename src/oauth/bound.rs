//! A token that is bound to a key, presented as `DPoP` with a proof (RFC 9449 section 7.1).

use super::Known;
use super::dpop::{Dpop, Presented, Unproven};
use super::guard::{Denied, Standing};
use crate::domain::{AccessToken, Instant, PlainToken};
use crate::storage::{Storage, StorageError};

impl Standing {
    /// Looks a token up and checks the proof beside it. Also gives a nonce for the caller's next proof, if it is to have one. `presented`
    /// does not say yet which token came along.
    pub async fn of_bound(
        token: &PlainToken<AccessToken>,
        mut presented: Presented<'_>,
        dpop: &Dpop,
        known: &Known,
        storage: &Storage,
        now: Instant,
    ) -> Result<(Self, Option<String>), StorageError> {
        let digest = token.hashed();
        presented.token = Some(digest.digest());
        let live = known.token(digest, now).await?;
        // One that is not bound to a key is to be sent as what it is (section 7.1).
        let Some((live, jkt)) = live.and_then(|known| known.live.jkt.map(|jkt| (known, jkt)))
        else {
            return Ok((Self::refused(Denied::InvalidToken), None));
        };
        let checked = dpop.check(storage, &presented, now).await?;
        let standing = match checked.outcome {
            // Used up last: what is refused for another reason must not burn it.
            Ok(proof) if proof.jkt == jkt => {
                match storage.write_last(move |c| proof.redeem(c)).await? {
                    true => Self::proven(live),
                    false => Self::refused(Denied::InvalidProof),
                }
            }
            Ok(_) => Self::refused(Denied::Misused),
            Err(Unproven::Invalid) => Self::refused(Denied::InvalidProof),
            Err(Unproven::NonceNeeded) => Self::refused(Denied::NonceNeeded),
        };
        Ok((standing, checked.nonce))
    }
}
