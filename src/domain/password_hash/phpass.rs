//! phpass, the portable hashes of WordPress before 6.8 (`$P$`) and phpBB (`$H$`): MD5, many times.

use md5::{Digest, Md5};

use super::{UnusableHash, same};

/// The most rounds, as a binary logarithm; WordPress has 13. Each round reads the whole password, which `MAX_PASSWORD` bounds.
const MAX_COST: u32 = 16;
/// phpass takes no longer ones.
const MAX_PASSWORD: usize = 4096;
/// How phpass writes six bits.
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash of this kind, read.
pub(super) struct PhpassHash {
    cost: u32,
    salt: [u8; 8],
    digest: [u8; 22],
}

impl PhpassHash {
    /// Reads what follows `$P$`: one character of cost, eight of salt, the digest.
    pub(super) fn read(rest: &str) -> Result<Self, UnusableHash> {
        let split = || {
            let (cost, rest) = rest.as_bytes().split_first()?;
            let (salt, digest) = rest.split_first_chunk()?;
            let cost = ALPHABET.iter().position(|letter| letter == cost)?;
            Some(Self {
                cost: u32::try_from(cost).ok()?,
                salt: *salt,
                digest: digest.try_into().ok()?,
            })
        };
        let hash = split().ok_or(UnusableHash::Malformed)?;
        match hash.cost {
            7..=MAX_COST => Ok(hash),
            0..7 => Err(UnusableHash::Malformed),
            _ => Err(UnusableHash::TooCostly),
        }
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        if password.len() > MAX_PASSWORD {
            return false;
        }
        let step = |first: &[u8]| Md5::new().chain_update(first).chain_update(password);
        let mut digest = step(&self.salt).finalize();
        for _ in 0..1_u32 << self.cost {
            digest = step(&digest).finalize();
        }
        same(&written(&digest), &self.digest)
    }
}

/// Base64 with the least significant bits first, three bytes to four characters.
fn written(digest: &[u8]) -> Vec<u8> {
    let letters = |chunk: &[u8]| {
        let bits = chunk
            .iter()
            .rev()
            .fold(0, |bits, byte| (bits << 8) | usize::from(*byte));
        let letter = move |place: usize| ALPHABET[(bits >> (6 * place)) & 63];
        (0..=chunk.len()).map(letter)
    };
    digest.chunks(3).flat_map(letters).collect()
}
