//! What a token stands for, for whoever may know (RFC 7662).

use std::sync::Arc;

use super::{Known, KnownToken};
use crate::domain::{AccessToken, ClientId, Instant, PlainToken};
use crate::storage::StorageError;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Introspector {
    /// The client.
    pub client_id: ClientId,
    /// Whether it may know about the tokens of others (`tokens:introspect`).
    pub sees_all: bool,
}

/// The token, if it lives and the caller may know. Garbage needs no query.
pub async fn introspect(
    known: &Known,
    caller: &Introspector,
    token: &str,
    now: Instant,
) -> Result<Option<Arc<KnownToken>>, StorageError> {
    let Some(token) = PlainToken::<AccessToken>::parse(token) else {
        return Ok(None);
    };
    let live = known.token(token.hashed(), now).await?;
    Ok(live.filter(|known| caller.sees_all || known.live.client_id == caller.client_id))
}
