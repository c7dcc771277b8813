//! argon2id and argon2i (RFC 9106), in the PHC string format: PHP, Laravel, argon2-cffi, Django.

use argon2::{Algorithm, Argon2, MIN_SALT_LEN, Params, Version};
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::{UnusableHash, decoded, named, parts, same};

/// The most memory for one hash, in KiB: 256 MiB.
const MAX_MEMORY: u32 = 256 * 1024;
/// The most work for one hash: memory times passes. PHP's and Laravel's defaults are a quarter of it.
const MAX_WORK: u64 = 1024 * 1024;

/// The most lanes: their number costs memory and work of its own. The most in use is one for each core.
const MAX_LANES: u32 = 64;

/// A hash of this kind, read.
pub(super) struct Argon2Hash {
    algorithm: Algorithm,
    version: Version,
    parameters: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Argon2Hash {
    /// Reads what follows `$argon2id$`.
    pub(super) fn read_id(rest: &str) -> Result<Self, UnusableHash> {
        Self::read(Algorithm::Argon2id, rest)
    }

    /// Reads what follows `$argon2i$`.
    pub(super) fn read_i(rest: &str) -> Result<Self, UnusableHash> {
        Self::read(Algorithm::Argon2i, rest)
    }

    fn read(algorithm: Algorithm, rest: &str) -> Result<Self, UnusableHash> {
        let (version, rest) = if let Some(rest) = rest.strip_prefix("v=19$") {
            (Version::V0x13, rest)
        } else {
            // The version was not written at first.
            let rest = rest.strip_prefix("v=16$").unwrap_or(rest);
            (Version::V0x10, rest)
        };
        let [parameters, salt, digest] = parts(rest, '$')?;
        let [memory, passes, lanes] = parts(parameters, ',')?;
        let memory: u32 = named(memory, "m=")?;
        let (passes, lanes): (u32, u32) = (named(passes, "t=")?, named(lanes, "p=")?);
        let work = u64::from(memory) * u64::from(passes);
        if memory > MAX_MEMORY || work > MAX_WORK || lanes > MAX_LANES {
            return Err(UnusableHash::TooCostly);
        }
        let salt = decoded(salt, &STANDARD_NO_PAD)?;
        let digest = decoded(digest, &STANDARD_NO_PAD)?;
        if salt.len() < MIN_SALT_LEN {
            return Err(UnusableHash::Malformed);
        }
        match Params::new(memory, passes, lanes, Some(digest.len())) {
            Ok(parameters) if is_length(digest.len()) => Ok(Self {
                algorithm,
                version,
                parameters,
                salt,
                digest,
            }),
            _ => Err(UnusableHash::Malformed),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let argon2 = Argon2::new(self.algorithm, self.version, self.parameters.clone());
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        let computed = argon2.hash_password_into(password, &self.salt, &mut digest);
        computed.is_ok() && same(&digest, &self.digest)
    }
}

/// Digests have 32 bytes nearly everywhere, 16 of old. A length that nobody chooses is that of a text that was cut.
fn is_length(bytes: usize) -> bool {
    (16..=64).contains(&bytes) && bytes.is_multiple_of(8)
}
