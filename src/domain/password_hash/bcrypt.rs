//! bcrypt: `$2a$`, `$2b$` and `$2y$`, which are one and the same for text in UTF-8, and `$2x$`, which has a defect of its own.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use zeroize::Zeroizing;

use super::{HashFailed, UnusableHash, decoded, same};

/// The longest password that bcrypt takes whole: its 72 bytes include a closing NUL (bar P04).
pub(super) const MAX_WHOLE: usize = 71;
/// The highest cost of a hash from elsewhere: four times as long as our default of 12.
pub(super) const MAX_FOREIGN_COST: u32 = 14;
/// The highest cost at all: the highest that our own can be configured to have.
const MAX_COST: u32 = 16;
/// How much of a password bcrypt looks at.
const KEY_BYTES: usize = 72;
/// How bcrypt writes a salt and a digest.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A bcrypt hash, read.
pub(super) struct BcryptHash {
    version: u8,
    cost: u32,
    salt: [u8; 16],
    digest: [u8; 23],
}

/// Hashes a password of at most `MAX_WHOLE` bytes.
pub(super) fn make(password: &[u8], cost: u32, salt: [u8; 16]) -> Result<String, HashFailed> {
    let parts = bcrypt::non_truncating_hash_with_salt(password, cost, salt)?;
    Ok(parts.format_for_version(bcrypt::Version::TwoB))
}

impl BcryptHash {
    /// Reads what follows `$2`.
    pub(super) fn read(rest: &str) -> Result<Self, UnusableHash> {
        let (
            &[
                version @ (b'a' | b'b' | b'x' | b'y'),
                b'$',
                tens,
                ones,
                b'$',
            ],
            tail,
        ) = rest
            .as_bytes()
            .split_first_chunk()
            .ok_or(UnusableHash::Malformed)?
        else {
            return Err(UnusableHash::Malformed);
        };
        let tail = std::str::from_utf8(tail).map_err(|_| UnusableHash::Malformed)?;
        if !tens.is_ascii_digit() || !ones.is_ascii_digit() || tail.len() != 53 {
            return Err(UnusableHash::Malformed);
        }
        let cost = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
        let (salt, digest) = tail.split_at(22);
        let salt = decoded(salt, &BASE64)?.try_into();
        let digest = decoded(digest, &BASE64)?.try_into();
        match cost {
            0..4 | 32.. => Err(UnusableHash::Malformed),
            4..=MAX_COST => Ok(Self {
                version,
                cost,
                salt: salt.map_err(|_| UnusableHash::Malformed)?,
                digest: digest.map_err(|_| UnusableHash::Malformed)?,
            }),
            _ => Err(UnusableHash::TooCostly),
        }
    }

    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    /// Compares as every maker of these hashes does: what is beyond 72 bytes is not looked at.
    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let used = password.len().min(KEY_BYTES);
        key[..used].copy_from_slice(&password[..used]);
        let key_and_nul = &key[..KEY_BYTES.min(used + 1)];
        let digest = if self.version == b'x' {
            bcrypt::bcrypt(self.cost, self.salt, &*sign_extended(key_and_nul))
        } else {
            bcrypt::bcrypt(self.cost, self.salt, key_and_nul)
        };
        same(&digest[..23], &self.digest)
    }
}

/// The key as crypt_blowfish before 1.1 had it, whose hashes are marked `$2x$`: it took each byte for a signed number, so that one
/// above 127 sets all bits before it in its word of four bytes. Blowfish uses 18 words and begins the key anew when it ends.
fn sign_extended(key: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut bytes = key.iter().cycle();
    let mut words = Zeroizing::new([0; KEY_BYTES]);
    for word in words.chunks_exact_mut(4) {
        let bits = bytes.by_ref().take(4).fold(0, |word: u32, byte| {
            (word << 8) | i32::from(byte.cast_signed()).cast_unsigned()
        });
        word.copy_from_slice(&bits.to_be_bytes());
    }
    words
}
