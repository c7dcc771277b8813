//! Stored passwords: how ours are made, and how those that come from elsewhere are verified until the next success replaces
//! them by one of ours (bar P11). One file for each family of schemes; each has its ceiling on cost, so that no hash that is
//! brought along can stall the service: it takes at most about as long as four bcrypts of cost 12, and 256 MiB.

mod argon2;
mod bcrypt;
#[cfg(test)]
mod own_tests;
mod pbkdf2;
mod phpass;
mod prehashed;
mod scrypt;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use base64::engine::{Engine, GeneralPurpose};
use subtle::ConstantTimeEq;

use self::argon2::Argon2Hash;
use self::bcrypt::BcryptHash;
use self::pbkdf2::Pbkdf2Hash;
use self::phpass::PhpassHash;
use self::prehashed::PrehashedBcrypt;
use self::scrypt::ScryptHash;
use super::Password;

/// Longer than any text of a known scheme with a salt of sensible length.
const MAX_BYTES: usize = 512;

/// A stored password: bcrypt `$2b$`, or `$bcrypt-sha256$` (the passlib format, version 2) for what bcrypt would cut; or what
/// another system made.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// The hash could not be computed: a cost outside of bcrypt's range.
#[derive(Debug, thiserror::Error)]
#[error("bcrypt failed: {0}")]
pub struct HashFailed(#[from] ::bcrypt::BcryptError);

/// Why a hash from elsewhere cannot be taken over. The texts never repeat the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// It does not begin as any scheme does that we know.
    #[error("the password hash is of no known scheme")]
    Unknown,
    /// It begins as one of a known scheme and cannot be read.
    #[error("the password hash is damaged")]
    Malformed,
    /// Verifying it would take too long, or too much memory.
    #[error("the password hash is too costly to verify")]
    TooCostly,
}

impl UnusableHash {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_hash",
            Self::Malformed => "malformed_hash",
            Self::TooCostly => "too_costly_hash",
        }
    }
}

impl PasswordHash {
    /// Hashes with the given cost (binary logarithm of rounds) and salt. Takes a quarter of a second at cost 12: call it
    /// through `Hasher` only.
    pub fn compute(password: &Password, cost: u32, salt: [u8; 16]) -> Result<Self, HashFailed> {
        let bytes = password.as_bytes();
        if bytes.len() <= bcrypt::MAX_WHOLE {
            bcrypt::make(bytes, cost, salt).map(Self)
        } else {
            prehashed::make(bytes, cost, salt).map(Self)
        }
    }

    /// Reads a hash that comes from elsewhere: well-formed, of a known scheme, and not too costly.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        let scheme = Scheme::read(text)?;
        if scheme
            .bcrypt_cost()
            .is_some_and(|cost| cost > bcrypt::MAX_FOREIGN_COST)
        {
            return Err(UnusableHash::TooCostly);
        }
        Ok(Self(text.to_owned()))
    }

    /// A hash that storage gives back.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text for storage.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is of this password, by the rules of its scheme: bcrypt's own hashes are of the first 72 bytes, and so they
    /// verify. No password fits a text that cannot be read. Call it through `Hasher` only.
    pub fn verify(&self, password: &Password) -> bool {
        Scheme::read(&self.0).is_ok_and(|scheme| scheme.matches(password.as_bytes()))
    }

    /// Whether it is of the kind and cost that `compute` would make. Another one is replaced at the next success (bar P11).
    pub fn is_current(&self, cost: u32) -> bool {
        let is_ours = self.0.starts_with("$2b$") || self.0.starts_with("$bcrypt-sha256$v=2,");
        let cost_of = |scheme: Scheme| scheme.bcrypt_cost();
        is_ours && Scheme::read(&self.0).ok().and_then(cost_of) == Some(cost)
    }

    /// Whether its scheme looked at less than all of this password: then it is to be replaced at the next success too, for
    /// ours never do (bar P04).
    pub fn cuts(&self, password: &Password) -> bool {
        let plain = matches!(Scheme::read(&self.0), Ok(Scheme::Bcrypt(_)));
        plain && password.as_bytes().len() > bcrypt::MAX_WHOLE
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A stored text, read.
enum Scheme {
    Bcrypt(BcryptHash),
    Prehashed(PrehashedBcrypt),
    Argon2(Argon2Hash),
    Pbkdf2(Pbkdf2Hash),
    Phpass(PhpassHash),
    Scrypt(ScryptHash),
}

/// Reads what follows the beginning by which a scheme is known.
type Read = fn(&str) -> Result<Scheme, UnusableHash>;

/// The beginnings of all known schemes. The first that fits decides.
const BEGINNINGS: [(&str, Read); 16] = [
    ("$2", |rest| BcryptHash::read(rest).map(Scheme::Bcrypt)),
    ("$bcrypt-sha256$v=2,", |rest| {
        PrehashedBcrypt::read_ours(rest).map(Scheme::Prehashed)
    }),
    ("$bcrypt-sha256$", |rest| {
        PrehashedBcrypt::read_first(rest).map(Scheme::Prehashed)
    }),
    ("$wp$2", |rest| {
        PrehashedBcrypt::read_wordpress(rest).map(Scheme::Prehashed)
    }),
    ("$argon2id$", |rest| {
        Argon2Hash::read_id(rest).map(Scheme::Argon2)
    }),
    ("$argon2i$", |rest| {
        Argon2Hash::read_i(rest).map(Scheme::Argon2)
    }),
    ("$scrypt$", |rest| {
        ScryptHash::read_passlib(rest).map(Scheme::Scrypt)
    }),
    ("$P$", |rest| PhpassHash::read(rest).map(Scheme::Phpass)),
    ("$H$", |rest| PhpassHash::read(rest).map(Scheme::Phpass)),
    // Django names the scheme first.
    ("bcrypt$$2", |rest| {
        BcryptHash::read(rest).map(Scheme::Bcrypt)
    }),
    ("bcrypt_sha256$$2", |rest| {
        PrehashedBcrypt::read_django(rest).map(Scheme::Prehashed)
    }),
    ("argon2$argon2id$", |rest| {
        Argon2Hash::read_id(rest).map(Scheme::Argon2)
    }),
    ("argon2$argon2i$", |rest| {
        Argon2Hash::read_i(rest).map(Scheme::Argon2)
    }),
    ("scrypt$", |rest| {
        ScryptHash::read_django(rest).map(Scheme::Scrypt)
    }),
    ("pbkdf2_sha256$", |rest| {
        Pbkdf2Hash::read_sha256(rest).map(Scheme::Pbkdf2)
    }),
    ("pbkdf2_sha1$", |rest| {
        Pbkdf2Hash::read_sha1(rest).map(Scheme::Pbkdf2)
    }),
];

impl Scheme {
    fn read(text: &str) -> Result<Self, UnusableHash> {
        let known = BEGINNINGS
            .iter()
            .find_map(|(beginning, read)| Some((text.strip_prefix(beginning)?, read)));
        let (rest, read) = known.ok_or(UnusableHash::Unknown)?;
        if text.len() > MAX_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UnusableHash::Malformed);
        }
        read(rest)
    }

    fn matches(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Prehashed(hash) => hash.matches(password),
            Self::Argon2(hash) => hash.matches(password),
            Self::Pbkdf2(hash) => hash.matches(password),
            Self::Phpass(hash) => hash.matches(password),
            Self::Scrypt(hash) => hash.matches(password),
        }
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        match self {
            Self::Bcrypt(hash) => Some(hash.cost()),
            Self::Prehashed(hash) => Some(hash.cost()),
            _ => None,
        }
    }
}

/// Exactly `N` parts between separators.
fn parts<const N: usize>(text: &str, separator: char) -> Result<[&str; N], UnusableHash> {
    let parts: Vec<_> = text.split(separator).collect();
    parts.try_into().map_err(|_| UnusableHash::Malformed)
}

/// A decimal number as every maker writes it; one that is too large for its type is too large for us.
fn number<T: FromStr>(text: &str) -> Result<T, UnusableHash> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(UnusableHash::Malformed);
    }
    text.parse().map_err(|_| UnusableHash::TooCostly)
}

/// The number after a name such as `m=`.
fn named<T: FromStr>(text: &str, name: &str) -> Result<T, UnusableHash> {
    number(text.strip_prefix(name).ok_or(UnusableHash::Malformed)?)
}

/// Bytes in base64, which has one spelling for each.
fn decoded(text: &str, engine: &GeneralPurpose) -> Result<Vec<u8>, UnusableHash> {
    engine.decode(text).map_err(|_| UnusableHash::Malformed)
}

/// Compares in a time that does not tell where the first difference is.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}
