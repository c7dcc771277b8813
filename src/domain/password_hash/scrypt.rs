//! scrypt (RFC 7914), as passlib and Django write it.

use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use scrypt::Params;
use zeroize::Zeroizing;

use super::{UnusableHash, decoded, named, number, parts, same};

/// The most work for one hash: N times r times p. It bounds the memory too: 128 bytes for each, 256 MiB in all.
const MAX_WORK: u64 = 1 << 21;

/// A hash of this kind, read.
pub(super) struct ScryptHash {
    parameters: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl ScryptHash {
    /// Reads what follows `$scrypt$`: `ln=16,r=8,p=1$salt$digest`.
    pub(super) fn read_passlib(rest: &str) -> Result<Self, UnusableHash> {
        let [parameters, salt, digest] = parts(rest, '$')?;
        let [log_n, r, p] = parts(parameters, ',')?;
        Ok(Self {
            parameters: bounded(named(log_n, "ln=")?, named(r, "r=")?, named(p, "p=")?)?,
            salt: decoded(salt, &STANDARD_NO_PAD)?,
            digest: of_length(32, decoded(digest, &STANDARD_NO_PAD)?)?,
        })
    }

    /// Reads what follows `scrypt$`: `N$salt$r$p$digest`.
    pub(super) fn read_django(rest: &str) -> Result<Self, UnusableHash> {
        let [n, salt, r, p, digest] = parts(rest, '$')?;
        let n: u64 = number(n)?;
        if !n.is_power_of_two() || salt.is_empty() {
            return Err(UnusableHash::Malformed);
        }
        Ok(Self {
            parameters: bounded(n.ilog2(), number(r)?, number(p)?)?,
            salt: salt.as_bytes().to_owned(),
            digest: of_length(64, decoded(digest, &STANDARD)?)?,
        })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut digest = Zeroizing::new(vec![0; self.digest.len()]);
        let computed = scrypt::scrypt(password, &self.salt, &self.parameters, &mut digest);
        computed.is_ok() && same(&digest, &self.digest)
    }
}

fn bounded(log_n: u32, r: u32, p: u32) -> Result<Params, UnusableHash> {
    if log_n == 0 || r == 0 || p == 0 {
        return Err(UnusableHash::Malformed);
    }
    let work = 1_u64
        .checked_shl(log_n)
        .and_then(|n| n.checked_mul(u64::from(r)));
    let work = work.and_then(|work| work.checked_mul(u64::from(p)));
    if work.is_none_or(|work| work > MAX_WORK) {
        return Err(UnusableHash::TooCostly);
    }
    let log_n = u8::try_from(log_n).map_err(|_| UnusableHash::TooCostly)?;
    Params::new(log_n, r, p).map_err(|_| UnusableHash::Malformed)
}

fn of_length(length: usize, bytes: Vec<u8>) -> Result<Vec<u8>, UnusableHash> {
    (bytes.len() == length)
        .then_some(bytes)
        .ok_or(UnusableHash::Malformed)
}
