//! Nonces for proofs (RFC 9449 section 8): each says when it was made, sealed with a key that all nodes share. Nothing is kept of
//! them, and none is for one client only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::OnceCell;

use crate::domain::Instant;
use crate::entropy;
use crate::storage::{Storage, StorageError, own_keys};

/// How long a nonce is good.
pub(super) const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How far the clocks of nodes may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);
/// What the key is called in the database.
const KEY: &str = "dpop_nonce";
/// How many octets of the seal are sent.
const SEAL: usize = 16;

/// Makes nonces and reads them.
#[derive(Default)]
pub(super) struct Nonces(OnceCell<[u8; 32]>);

impl Nonces {
    /// A new one.
    pub(super) async fn make(
        &self,
        storage: &Storage,
        now: Instant,
    ) -> Result<String, StorageError> {
        let time = now.timestamp().to_be_bytes();
        let seal = self.seal(storage, time).await?.finalize().into_bytes();
        Ok(URL_SAFE_NO_PAD.encode([&time[..], &seal[..SEAL]].concat()))
    }

    /// When it was made, if it is one of ours and still good.
    pub(super) async fn read(
        &self,
        storage: &Storage,
        nonce: &str,
        now: Instant,
    ) -> Result<Option<Instant>, StorageError> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).unwrap_or_default();
        let Some((time, seal)) = bytes.split_first_chunk::<8>() else {
            return Ok(None);
        };
        let expected = self.seal(storage, *time).await?;
        if seal.len() != SEAL || expected.verify_truncated_left(seal).is_err() {
            return Ok(None);
        }
        let made = DateTime::from_timestamp(i64::from_be_bytes(*time), 0);
        Ok(made.filter(|made| now < *made + LIFETIME && *made <= now + LEEWAY))
    }

    async fn seal(&self, storage: &Storage, time: [u8; 8]) -> Result<Hmac<Sha256>, StorageError> {
        let key = self.0.get_or_try_init(|| shared_key(storage)).await?;
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut seal = Hmac::<Sha256>::new_from_slice(key).expect("any length is fine");
        seal.update(&time);
        Ok(seal)
    }
}

async fn shared_key(storage: &Storage) -> Result<[u8; 32], StorageError> {
    if let Some(key) = storage.read(|c| own_keys::find(c, KEY)).await? {
        return Ok(key);
    }
    let fresh = entropy::bytes();
    storage
        .write(move |c| own_keys::settle(c, KEY, fresh))
        .await
}
