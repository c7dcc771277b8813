//! Clients are switched off, with all their tokens, and deleted.

use super::{By, Flows};
use crate::domain::audit::Act;
use crate::domain::{Client, ClientId};
use crate::flows::purge::BATCH;
use crate::storage::{StorageError, access_tokens, audit, clients};

impl Flows {
    /// Switches a client off, which ends all its tokens for good, or on again. Says whether there is such a client.
    pub async fn disable_client(
        &self,
        by: By,
        id: ClientId,
        disabled: bool,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let act = match disabled {
            true => Act::ClientDisable,
            false => Act::ClientEnable,
        };
        let entry = by.did(act, now).to_client(&id);
        let tokens = id.clone();
        let known = self.storage.write(move |c| {
            clients::lock(c)?;
            let known = clients::set_disabled(c, &id, disabled, now)?;
            if known {
                audit::record(c, &entry)?;
            }
            Ok::<_, StorageError>(known)
        });
        let known = known.await?;
        if known && disabled {
            self.delete_tokens(tokens).await?;
        }
        Ok(known)
    }

    /// Deletes the tokens that a client has by now. They are dead already; in batches, for there may be a million, and all writers
    /// would wait.
    pub(super) async fn delete_tokens(&self, id: ClientId) -> Result<usize, StorageError> {
        let now = self.clock.now();
        self.in_batches(move |c| access_tokens::delete_of_client(c, &id, now, BATCH))
            .await
    }

    /// Deletes a client with its secrets and tokens. Says whether there was such a client.
    pub async fn delete_client(&self, by: By, id: ClientId) -> Result<bool, StorageError> {
        self.delete_client_if(by, id, |_| true).await
    }

    /// Deletes a client that is still as the caller would have it. One with many tokens is switched off first, and deleted when
    /// they are gone; whoever is interrupted in between finds it so, and both acts in the audit.
    pub(super) async fn delete_client_if(
        &self,
        by: By,
        id: ClientId,
        may: impl FnOnce(&Client) -> bool + Send + 'static,
    ) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let (tokens, deleted) = (id.clone(), by.did(Act::ClientDelete, now).to_client(&id));
        let disabled = by.did(Act::ClientDisable, now).to_client(&id);
        let (known, over) = self
            .storage
            .write({
                let (id, deleted) = (id.clone(), deleted.clone());
                move |c| {
                    clients::lock(c)?;
                    let found = clients::find(c, &id)?.filter(may);
                    let Some(client) = found else {
                        return Ok::<_, StorageError>((false, true));
                    };
                    let few = access_tokens::delete_of_client(c, &id, now, BATCH)?;
                    if few < usize::try_from(BATCH).unwrap_or(usize::MAX) {
                        clients::delete(c, &id)?;
                        audit::record(c, &deleted)?;
                        return Ok((true, true));
                    }
                    clients::set_disabled(c, &id, true, now)?;
                    if client.disabled_at.is_none() {
                        audit::record(c, &disabled)?;
                    }
                    Ok((true, false))
                }
            })
            .await?;
        if over {
            return Ok(known);
        }
        self.delete_tokens(tokens).await?;
        self.storage
            .write(move |c| {
                clients::lock(c)?;
                // Somebody else may have been faster.
                if clients::delete(c, &id)? {
                    audit::record(c, &deleted)?;
                }
                Ok(true)
            })
            .await
    }
}
