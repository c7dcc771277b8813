//! Machine-made secrets. Each has two types: the plain one, which cannot be printed, and the hashed one, which is the only
//! one that storage takes.
//!
//! A plain token is a prefix that secret scanners can find, 43 base62 characters that carry 256 random bits, and 6 base62
//! characters of CRC-32 over all before them, so that garbage is refused without a query. A 256-bit secret needs no slow
//! hash: storage keeps its SHA-256 (bar F08, O17; ASVS 6.5.2).

use std::fmt;
use std::marker::PhantomData;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BODY: usize = 43;
const CHECKSUM: usize = 6;

/// What a token is for. Tokens of different kinds never meet: the kind is part of the type, and of the text.
pub trait Kind {
    /// How the text begins.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal,)+) => {
        $($(#[$doc])* #[derive(Debug, Clone, Copy, PartialEq, Eq)] pub enum $name {}
        impl Kind for $name { const PREFIX: &'static str = $prefix; })+
    };
}

kinds! {
    /// An access token (RFC 6749 section 1.4), of an application or of a user.
    AccessToken = "uf_at_",
    /// A client secret (RFC 6749 section 2.3.1).
    ClientSecret = "uf_cs_",
    /// A registration access token (RFC 7592 section 1.2).
    RegistrationToken = "uf_rg_",
    /// The secret in a reset link.
    ResetToken = "uf_rt_",
}

/// A secret in clear. It has no `Display` and no `Serialize`; `Debug` prints its kind.
pub struct PlainToken<K> {
    text: Zeroizing<String>,
    kind: PhantomData<K>,
}

/// The SHA-256 of a secret: what storage holds and look-ups compare.
pub struct HashedToken<K> {
    digest: [u8; 32],
    kind: PhantomData<K>,
}

impl<K: Kind> PlainToken<K> {
    /// Makes a token from 256 random bits.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let mut text = String::with_capacity(K::PREFIX.len() + BODY + CHECKSUM);
        text.push_str(K::PREFIX);
        base62(bytes, BODY, &mut text);
        append_checksum(&mut text);
        Self::wrap(text)
    }

    /// Reads a token that a caller sent: `None` when it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(K::PREFIX)?;
        // Looking at all of it is faster than stopping at what is wrong: many bytes at once.
        if body.len() != BODY + CHECKSUM
            || !body
                .bytes()
                .fold(true, |all, b| all & b.is_ascii_alphanumeric())
        {
            return None;
        }
        let mut expected = String::with_capacity(text.len());
        expected.push_str(&text[..text.len() - CHECKSUM]);
        append_checksum(&mut expected);
        (expected == text).then(|| Self::wrap(expected))
    }

    /// What storage may know of it.
    pub fn hashed(&self) -> HashedToken<K> {
        HashedToken::of(&self.text)
    }

    /// The secret itself, for the one answer or mail that hands it out.
    pub fn expose(&self) -> &str {
        &self.text
    }

    fn wrap(text: String) -> Self {
        Self {
            text: Zeroizing::new(text),
            kind: PhantomData,
        }
    }
}

impl<K> HashedToken<K> {
    /// The digest of any text. A client secret may have been made elsewhere, so it is not parsed.
    pub fn of(text: &str) -> Self {
        Self::from_digest(Sha256::digest(text.as_bytes()).into())
    }

    /// A digest that storage gives back.
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self {
            digest,
            kind: PhantomData,
        }
    }

    /// The digest itself.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digest
    }
}

impl<K> Clone for HashedToken<K> {
    fn clone(&self) -> Self {
        Self::from_digest(self.digest)
    }
}

impl<K: Kind> fmt::Debug for PlainToken<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", K::PREFIX)
    }
}

impl<K: Kind> fmt::Debug for HashedToken<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hashed {}..", K::PREFIX)
    }
}

/// Writes the big-endian number in `bytes` as `width` base62 digits, ten at a time: 62^10 is the largest power in a word.
pub(super) fn base62<const N: usize>(bytes: [u8; N], width: usize, out: &mut String) {
    const TEN_DIGITS: u64 = 62u64.pow(10);
    let mut words = [0u64; 4]; // 256 bits are the most that is asked for
    for (at, byte) in bytes.iter().rev().enumerate() {
        words[3 - at / 8] |= u64::from(*byte) << (8 * (at % 8));
    }
    let mut digits = [0u8; 50];
    for ten in digits[50 - width..].rchunks_mut(10) {
        let mut remainder = 0u64;
        for word in &mut words {
            let value = u128::from(remainder) << 64 | u128::from(*word);
            let quotient = value / u128::from(TEN_DIGITS);
            remainder = (value - quotient * u128::from(TEN_DIGITS)) as u64;
            *word = quotient as u64;
        }
        for digit in ten.iter_mut().rev() {
            *digit = ALPHABET[(remainder % 62) as usize];
            remainder /= 62;
        }
    }
    out.extend(digits[50 - width..].iter().map(|b| char::from(*b)));
    words.zeroize();
    digits.zeroize();
}

fn append_checksum(text: &mut String) {
    let sum = crc32fast::hash(text.as_bytes());
    base62(sum.to_be_bytes(), CHECKSUM, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_a_changed_one_does_not() {
        let token = PlainToken::<ResetToken>::from_random([7; 32]);
        let text = token.expose().to_owned();
        assert_eq!(text.len(), 6 + 43 + 6);
        assert!(PlainToken::<ResetToken>::parse(&text).is_some());
        assert!(PlainToken::<AccessToken>::parse(&text).is_none());
        for at in 0..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8_lossy(&other).into_owned();
            assert!(PlainToken::<ResetToken>::parse(&other).is_none(), "{at}");
        }
        for text in [
            "",
            "uf_rt_",
            &format!("{text}="),
            &format!("{text} "),
            &"é".repeat(55),
        ] {
            assert!(PlainToken::<ResetToken>::parse(text).is_none());
        }
    }

    #[test]
    fn the_whole_of_the_random_bits_is_carried() {
        let mut low = [0; 32];
        low[31] = 61;
        assert!(
            PlainToken::<AccessToken>::from_random(low)
                .expose()
                .starts_with(&format!("uf_at_{}z", "0".repeat(42)))
        );
        assert_ne!(
            PlainToken::<AccessToken>::from_random([255; 32]).expose(),
            PlainToken::<AccessToken>::from_random([254; 32]).expose()
        );
    }

    #[test]
    fn debug_shows_the_kind_only() {
        let token = PlainToken::<ClientSecret>::from_random([9; 32]);
        assert_eq!(
            format!("{token:?} {:?}", token.hashed()),
            "uf_cs_.. hashed uf_cs_.."
        );
    }
}
