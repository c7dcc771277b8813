//! People's passwords: what is accepted, and how they are stored.

use std::fmt;

use base64::alphabet;
use base64::engine::{Engine, GeneralPurpose, general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The longest password that bcrypt takes whole: its 72 bytes include a closing NUL (bar P04).
const BCRYPT_MAX_BYTES: usize = 71;
/// How bcrypt writes a salt.
const BCRYPT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::BCRYPT, general_purpose::NO_PAD);

/// A password in clear, in NFC (bar P06), without U+0000 (bar P05). It cannot be printed, and its memory is wiped.
pub struct Password(Zeroizing<String>);

/// Why a password is refused. The names are part of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer characters than the policy asks for.
    TooShort,
    /// More characters than the policy allows.
    TooLong,
    /// One that everybody tries first: a list word, a sequence, a repetition.
    Common,
    /// Holds the account's name or the service's.
    Context,
    /// The confirmation differs.
    Mismatch,
    /// U+0000, at which other bcrypts stop reading.
    ForbiddenCharacter,
}

impl Refusal {
    /// The word in `reasons`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "common",
            Self::Context => "context",
            Self::Mismatch => "mismatch",
            Self::ForbiddenCharacter => "forbidden_character",
        }
    }
}

impl Password {
    /// Reads a password. Nothing is trimmed or folded; NFC is the one change (NIST SP 800-63B-4 section 3.1.1.2).
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.contains('\0') {
            return Err(Refusal::ForbiddenCharacter);
        }
        let mut normal = Zeroizing::new(String::with_capacity(text.len() * 3));
        normal.extend(text.nfc());
        Ok(Self(normal))
    }

    /// Length in code points (bar P02).
    pub fn characters(&self) -> usize {
        self.0.chars().count()
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// The rules that a new password is held to.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Fewest code points.
    pub min_length: usize,
    /// Most code points.
    pub max_length: usize,
    /// Whether guessable passwords, and those that hold the account's or the service's name, are refused (bar P09).
    pub blocklist: bool,
}

impl PasswordPolicy {
    /// Every reason to refuse `password`. `context` holds what is known about the account: its address, the service's name.
    pub fn check(&self, password: &Password, context: &[&str]) -> Vec<Refusal> {
        let length = password.characters();
        let mut reasons = Vec::new();
        if length < self.min_length {
            reasons.push(Refusal::TooShort);
        }
        if length > self.max_length {
            reasons.push(Refusal::TooLong);
        }
        if self.blocklist && length <= self.max_length {
            if is_common(&password.0) {
                reasons.push(Refusal::Common);
            }
            if holds_context(&password.0, context) {
                reasons.push(Refusal::Context);
            }
        }
        reasons
    }
}

/// One that falls within the first hundred million guesses of somebody who tries list words (also reversed or in l33t), names,
/// keyboard walks, sequences, repetitions and dates first.
fn is_common(password: &str) -> bool {
    let is_weak = |text: &str| zxcvbn::zxcvbn(text, &[]).score() < zxcvbn::Score::Three;
    is_weak(password) || is_weak(&password.to_lowercase())
}

fn holds_context(password: &str, context: &[&str]) -> bool {
    let folded = password.to_lowercase();
    let words = context
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    words
        .filter(|w| w.chars().count() >= 4)
        .any(|w| folded.contains(&w.to_lowercase()))
}

/// A stored password: bcrypt `$2b$`, or `$bcrypt-sha256$` (the passlib format, version 2) for what bcrypt would cut.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// The hash could not be computed: a cost outside of bcrypt's range.
#[derive(Debug, thiserror::Error)]
#[error("bcrypt failed: {0}")]
pub struct HashFailed(#[from] bcrypt::BcryptError);

impl PasswordHash {
    /// Hashes with the given cost (binary logarithm of rounds) and salt. Takes a quarter of a second at cost 12: call it
    /// through `Hasher` only.
    pub fn compute(password: &Password, cost: u32, salt: [u8; 16]) -> Result<Self, HashFailed> {
        let bytes = password.0.as_bytes();
        if bytes.len() <= BCRYPT_MAX_BYTES {
            let parts = bcrypt::non_truncating_hash_with_salt(bytes, cost, salt)?;
            return Ok(Self(parts.format_for_version(bcrypt::Version::TwoB)));
        }
        // passlib's bcrypt_sha256: bcrypt over base64(HMAC-SHA-256(key = salt as text, password)).
        let salt_text = BCRYPT_BASE64.encode(salt);
        let key = prehash(&salt_text, bytes);
        let inner = bcrypt::non_truncating_hash_with_salt(key.as_bytes(), cost, salt)?
            .format_for_version(bcrypt::Version::TwoB);
        let digest = inner.get(29..).unwrap_or_default();
        Ok(Self(format!(
            "$bcrypt-sha256$v=2,t=2b,r={cost}${salt_text}${digest}"
        )))
    }

    /// A hash that storage gives back.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        Ok(Self(text.to_owned()))
    }

    pub fn verify(&self, password: &Password) -> bool {
        bcrypt::verify(password.0.as_bytes(), &self.0).unwrap_or(false)
    }

    pub fn is_current(&self, cost: u32) -> bool {
        self.0.starts_with(&format!("$2b${cost:02}$"))
    }

    /// The text for storage.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown")]
pub struct UnusableHash;

fn prehash(salt: &str, password: &[u8]) -> Zeroizing<String> {
    // HMAC takes keys of any length, so this cannot fail.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac =
        Hmac::<Sha256>::new_from_slice(salt.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(password);
    Zeroizing::new(general_purpose::STANDARD.encode(mac.finalize().into_bytes()))
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: PasswordPolicy = PasswordPolicy {
        min_length: 6,
        max_length: 1024,
        blocklist: false,
    };
    const NIST: PasswordPolicy = PasswordPolicy {
        min_length: 15,
        max_length: 1024,
        blocklist: true,
    };

    fn reasons(policy: &PasswordPolicy, text: &str) -> Vec<Refusal> {
        policy.check(
            &Password::parse(text).unwrap(),
            &["lemuel.bednar@example.com", "unforget"],
        )
    }

    #[test]
    fn p02_length_counts_code_points_after_nfc() {
        assert_eq!(reasons(&CONTRACT, "azerty"), []);
        assert_eq!(reasons(&CONTRACT, "azert"), [Refusal::TooShort]);
        assert_eq!(reasons(&CONTRACT, &"🔑".repeat(6)), []);
        assert_eq!(
            reasons(&CONTRACT, &"e\u{301}".repeat(5)),
            [Refusal::TooShort]
        );
        assert_eq!(reasons(&CONTRACT, &"x".repeat(1025)), [Refusal::TooLong]);
    }

    #[test]
    fn p09_the_nist_policy_refuses_what_is_guessed_first() {
        for text in [
            "passwordpassword",
            "PASSWORDpassword",
            "123456789012345",
            "aaaaaaaaaaaaaaaaa",
            "qwertyuiopasdfghjkl",
        ] {
            assert_eq!(reasons(&NIST, text), [Refusal::Common], "{text}");
        }
        assert_eq!(reasons(&NIST, "violet BEDNAR umbrella"), [Refusal::Context]);
        assert_eq!(reasons(&NIST, "my Unforget phrase 9"), [Refusal::Context]);
        assert_eq!(reasons(&NIST, "seven violet umbrellas"), []);
        assert_eq!(
            reasons(&NIST, "short"),
            [Refusal::TooShort, Refusal::Common]
        );
    }

    #[test]
    fn p05_nul_is_refused() {
        assert_eq!(
            Password::parse("ab\0ab").err(),
            Some(Refusal::ForbiddenCharacter)
        );
    }

    #[test]
    fn p06_nfc_is_the_only_change() {
        assert_eq!(
            Password::parse(" Pâss ").unwrap(),
            Password::parse(" Pa\u{302}ss ").unwrap()
        );
        assert_ne!(
            Password::parse("secret ").unwrap(),
            Password::parse("secret").unwrap()
        );
        assert_ne!(
            Password::parse("Secret").unwrap(),
            Password::parse("secret").unwrap()
        );
    }

    #[test]
    fn p04_short_ones_are_plain_bcrypt_and_long_ones_are_not_cut() {
        let hash = |n: usize| {
            PasswordHash::compute(&Password::parse(&"x".repeat(n)).unwrap(), 4, [3; 16]).unwrap()
        };
        let plain = hash(71);
        assert!(plain.as_str().starts_with("$2b$04$"));
        assert!(bcrypt::verify("x".repeat(71), plain.as_str()).unwrap());
        assert!(
            hash(72)
                .as_str()
                .starts_with("$bcrypt-sha256$v=2,t=2b,r=4$")
        );
        assert_ne!(hash(72), hash(73));
    }

    /// Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, salt="abcdefghijklmnopqrstuu").hash("x" * 80)`.
    #[test]
    fn long_passwords_are_hashed_as_passlib_does() {
        let salt = BCRYPT_BASE64
            .decode("abcdefghijklmnopqrstuu")
            .unwrap()
            .try_into()
            .unwrap();
        let hash =
            PasswordHash::compute(&Password::parse(&"x".repeat(80)).unwrap(), 4, salt).unwrap();
        assert_eq!(
            hash.as_str(),
            "$bcrypt-sha256$v=2,t=2b,r=4$abcdefghijklmnopqrstuu$69IQxYBwULUTPeJATVIEN4pbcQ5V17S"
        );
    }
}
