//! The only maker of random bytes and ids.

use chrono::{DateTime, Utc};
use rand::Rng;
use uuid::Uuid;

/// Random bytes from a CSPRNG: ChaCha12, seeded and reseeded by the operating system (bar F08, O17).
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// A new UUIDv7 (RFC 9562 section 5.7): ids made later sort later, which keeps indexes compact.
pub fn id(now: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid()
}

/// A number between 0 and 1, for spreading retries.
pub fn fraction() -> f64 {
    f64::from(u32::from_le_bytes(bytes())) / f64::from(u32::MAX)
}
