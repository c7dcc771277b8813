//! PBKDF2 (RFC 8018 section 5.2) with HMAC-SHA-256 or HMAC-SHA-1, as Django writes it: `pbkdf2_sha256$rounds$salt$digest`.

use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{UnusableHash, decoded, number, parts, same};

/// The most rounds. Django's default grows every year: 1,000,000 in 5.2.
const MAX_ROUNDS: u32 = 4_000_000;

/// A hash of this kind, read.
pub(super) struct Pbkdf2Hash {
    derive: fn(&[u8], &[u8], u32, &mut [u8]),
    rounds: u32,
    salt: String,
    digest: Vec<u8>,
}

impl Pbkdf2Hash {
    /// Reads what follows `pbkdf2_sha256$`.
    pub(super) fn read_sha256(rest: &str) -> Result<Self, UnusableHash> {
        Self::read(pbkdf2_hmac::<Sha256>, 32, rest)
    }

    /// Reads what follows `pbkdf2_sha1$`.
    pub(super) fn read_sha1(rest: &str) -> Result<Self, UnusableHash> {
        Self::read(pbkdf2_hmac::<Sha1>, 20, rest)
    }

    fn read(
        derive: fn(&[u8], &[u8], u32, &mut [u8]),
        length: usize,
        rest: &str,
    ) -> Result<Self, UnusableHash> {
        let [rounds, salt, digest] = parts(rest, '$')?;
        let hash = Self {
            derive,
            rounds: number(rounds)?,
            salt: salt.to_owned(),
            digest: decoded(digest, &STANDARD)?,
        };
        match hash.rounds {
            0 => Err(UnusableHash::Malformed),
            1..=MAX_ROUNDS if hash.digest.len() == length && !salt.is_empty() => Ok(hash),
            1..=MAX_ROUNDS => Err(UnusableHash::Malformed),
            _ => Err(UnusableHash::TooCostly),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        (self.derive)(password, self.salt.as_bytes(), self.rounds, &mut digest);
        same(&digest, &self.digest)
    }
}
