//! A client ends one of its tokens (RFC 7009).

use crate::domain::audit::{Act, Entry, Origin};
use crate::domain::{AccessToken, ClientId, Instant, PlainToken};
use crate::entropy;
use crate::storage::{Storage, StorageError, access_tokens, audit};

/// Ends the token if it is this client's. Whether it was, nobody learns (RFC 7009 section 2.2).
pub async fn revoke(
    storage: &Storage,
    client_id: ClientId,
    token: &str,
    now: Instant,
    origin: Origin,
) -> Result<(), StorageError> {
    let Some(token) = PlainToken::<AccessToken>::parse(token) else {
        return Ok(());
    };
    let digest = token.hashed();
    let revoked = storage.write(move |c| {
        if let Some(subject) = access_tokens::delete_own(c, &digest, &client_id)? {
            let entry = Entry::new(entropy::id(now), now, Act::TokenRevoke, origin);
            let mut entry = entry.by_client(&client_id);
            entry.subject_user = subject;
            audit::record(c, &entry)?;
        }
        Ok(())
    });
    revoked.await
}
