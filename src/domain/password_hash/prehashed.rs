//! bcrypt over a digest of the password, so that it does not matter how long the password is: ours and passlib's, Django's, and
//! WordPress's (since 6.8).

use base64::engine::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha384};
use zeroize::Zeroizing;

use super::bcrypt::{self, BcryptHash};
use super::{HashFailed, UnusableHash, named, number, parts};

/// A hash of this kind, read.
pub(super) struct PrehashedBcrypt {
    digest: Digested,
    inner: BcryptHash,
}

/// What bcrypt gets to see.
enum Digested {
    /// Ours, and passlib's since 1.7.3: base64 of HMAC-SHA-256, with the text of bcrypt's salt as the key.
    Keyed(String),
    /// passlib's before: base64 of SHA-256.
    Plain,
    /// Django's: hexadecimal SHA-256.
    Hexadecimal,
    /// WordPress's: base64 of HMAC-SHA-384, with a constant as the key.
    WordPress,
}

/// Hashes a password of any length, in passlib's format.
pub(super) fn make(password: &[u8], cost: u32, salt: [u8; 16]) -> Result<String, HashFailed> {
    let salt_text = bcrypt::BASE64.encode(salt);
    let key = keyed::<Hmac<Sha256>>(salt_text.as_bytes(), password);
    let inner = bcrypt::make(key.as_bytes(), cost, salt)?;
    let digest = inner.get(29..).unwrap_or_default();
    Ok(format!(
        "$bcrypt-sha256$v=2,t=2b,r={cost}${salt_text}${digest}"
    ))
}

impl PrehashedBcrypt {
    /// Reads what follows `$bcrypt-sha256$v=2,`.
    pub(super) fn read_ours(rest: &str) -> Result<Self, UnusableHash> {
        let [parameters, salt, digest] = parts(rest, '$')?;
        let ["t=2b", cost] = parts(parameters, ',')? else {
            return Err(UnusableHash::Malformed);
        };
        Ok(Self {
            digest: Digested::Keyed(salt.to_owned()),
            inner: inner("b", named(cost, "r=")?, salt, digest)?,
        })
    }

    /// Reads what follows `$bcrypt-sha256$` in the format before: `2b,12$..`.
    pub(super) fn read_first(rest: &str) -> Result<Self, UnusableHash> {
        let [parameters, salt, digest] = parts(rest, '$')?;
        let [version @ ("2a" | "2b"), cost] = parts(parameters, ',')? else {
            return Err(UnusableHash::Malformed);
        };
        Ok(Self {
            digest: Digested::Plain,
            inner: inner(&version[1..], number(cost)?, salt, digest)?,
        })
    }

    /// Reads what follows `bcrypt_sha256$$2`.
    pub(super) fn read_django(rest: &str) -> Result<Self, UnusableHash> {
        Ok(Self {
            digest: Digested::Hexadecimal,
            inner: BcryptHash::read(rest)?,
        })
    }

    /// Reads what follows `$wp$2`.
    pub(super) fn read_wordpress(rest: &str) -> Result<Self, UnusableHash> {
        Ok(Self {
            digest: Digested::WordPress,
            inner: BcryptHash::read(rest)?,
        })
    }

    pub(super) fn cost(&self) -> u32 {
        self.inner.cost()
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let key = match &self.digest {
            Digested::Keyed(salt) => keyed::<Hmac<Sha256>>(salt.as_bytes(), password),
            Digested::WordPress => keyed::<Hmac<Sha384>>(b"wp-sha384", password),
            Digested::Plain => Zeroizing::new(STANDARD.encode(Sha256::digest(password))),
            Digested::Hexadecimal => {
                let digest = Sha256::digest(password);
                Zeroizing::new(digest.iter().map(|byte| format!("{byte:02x}")).collect())
            }
        };
        self.inner.matches(key.as_bytes())
    }
}

/// The bcrypt hash that passlib has taken apart.
fn inner(version: &str, cost: u8, salt: &str, digest: &str) -> Result<BcryptHash, UnusableHash> {
    if salt.len() != 22 {
        return Err(UnusableHash::Malformed);
    }
    BcryptHash::read(&format!("{version}${cost:02}${salt}{digest}"))
}

fn keyed<M: Mac + KeyInit>(key: &[u8], password: &[u8]) -> Zeroizing<String> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(password);
    Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
}
