//! People's passwords: what is accepted. How they are stored is next door.

use std::fmt;

use sha1::{Digest, Sha1};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password in clear, in NFC (bar P06), without U+0000 (bar P05). It cannot be printed, and its memory is wiped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// Why a password is refused. The names are part of the contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Refusal { $($(#[$doc])* $variant,)+ }

        impl Refusal {
            /// Every reason there is.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)+];

            /// The word in `reasons`.
            pub fn name(self) -> &'static str {
                match self { $(Refusal::$variant => $name,)+ }
            }
        }
    };
}

refusals! {
    /// Fewer characters than the policy asks for.
    TooShort = "too_short",
    /// More characters than the policy allows.
    TooLong = "too_long",
    /// One that everybody tries first: a list word, a sequence, a repetition.
    Common = "common",
    /// On the list of passwords that others have lost (bar P10).
    Breached = "breached",
    /// Holds the account's name or the service's.
    Context = "context",
    /// The confirmation differs.
    Mismatch = "mismatch",
    /// U+0000, at which other bcrypts stop reading.
    ForbiddenCharacter = "forbidden_character",
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

    /// The digest under which lists of breached passwords have it (bar P10).
    pub fn sha1(&self) -> [u8; 20] {
        Sha1::digest(self.as_bytes()).into()
    }

    /// What is hashed.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
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
}
