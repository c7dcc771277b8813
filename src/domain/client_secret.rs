//! Secrets of clients, as far as people handle them: labels, what may be brought along from elsewhere, and whether one works.

use uuid::Uuid;

use super::{ClientSecret, HashedToken, Instant};

/// What people call a secret: 1 to 60 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretLabel(String);

/// Not usable as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a label has 1 to 60 characters and no control characters")]
pub struct MalformedLabel;

impl SecretLabel {
    /// The label's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for SecretLabel {
    type Err = MalformedLabel;

    fn from_str(text: &str) -> Result<Self, MalformedLabel> {
        let text = text.trim();
        let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        if text.is_empty() || text.chars().count() > 60 || text.contains(breaks) {
            return Err(MalformedLabel);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Why a secret that was made elsewhere cannot be taken. The text never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSecret {
    /// Anybody would guess it.
    #[error("a secret has at least 8 characters")]
    TooShort,
    /// No client would send it.
    #[error("a secret has at most 1000 characters")]
    TooLong,
    /// Clients encode anything else in ways of their own.
    #[error("a secret is one line of printable ASCII characters (RFC 6749 appendix A.2)")]
    Unprintable,
    /// Not 64 hexadecimal digits.
    #[error("a digest is the SHA-256 of a secret: 64 hexadecimal digits")]
    NoDigest,
}

/// The digest of a secret that was made elsewhere (RFC 6749 appendix A.2).
pub fn stated(secret: &str) -> Result<HashedToken<ClientSecret>, MalformedSecret> {
    if !secret.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
        return Err(MalformedSecret::Unprintable);
    }
    match secret.len() {
        0..8 => Err(MalformedSecret::TooShort),
        8..=1000 => Ok(HashedToken::of(secret)),
        _ => Err(MalformedSecret::TooLong),
    }
}

/// A digest in hexadecimal, as `sha256sum` prints it.
pub fn stated_digest(hex: &str) -> Result<HashedToken<ClientSecret>, MalformedSecret> {
    let hex = hex.as_bytes();
    let mut digest = [0; 32];
    if hex.len() != 2 * digest.len() {
        return Err(MalformedSecret::NoDigest);
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
        let both = value(pair[0]).zip(value(pair[1]));
        let (high, low) = both.ok_or(MalformedSecret::NoDigest)?;
        *byte = (high * 16 + low) as u8;
    }
    Ok(HashedToken::from_digest(digest))
}

/// One of a client's secrets, as far as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// Its id, for people to point at.
    pub id: Uuid,
    /// What people call it.
    pub label: Option<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it begins to work; at once when absent.
    pub not_before: Option<Instant>,
    /// When it was used last, to the minute; never when absent.
    pub last_used_at: Option<Instant>,
    /// When it stops working; never when absent.
    pub expires_at: Option<Instant>,
}

/// Whether a secret works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretState {
    /// Not yet.
    Waiting,
    /// Until it is ended.
    Works,
    /// Until a time that is set.
    Ending,
    /// Not any more.
    Ended,
}

impl SecretState {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            SecretState::Waiting => "waiting",
            SecretState::Works => "works",
            SecretState::Ending => "ending",
            SecretState::Ended => "ended",
        }
    }
}

impl SecretInfo {
    /// Whether it works at this time: exactly as authentication judges it.
    pub fn state(&self, now: Instant) -> SecretState {
        if self.expires_at.is_some_and(|end| end <= now) {
            SecretState::Ended
        } else if self.not_before.is_some_and(|start| start > now) {
            SecretState::Waiting
        } else if self.expires_at.is_some() {
            SecretState::Ending
        } else {
            SecretState::Works
        }
    }

    /// Since when it works, or will.
    pub fn begins_at(&self) -> Instant {
        self.not_before.unwrap_or(self.created_at)
    }

    /// Whether it works at this time.
    pub fn is_working(&self, now: Instant) -> bool {
        matches!(self.state(now), SecretState::Works | SecretState::Ending)
    }
}

/// The working secrets that were used since the newest of them works: whoever uses one that ends has yet to switch (bar O18).
pub fn in_use(secrets: &[SecretInfo], now: Instant) -> Vec<Uuid> {
    let working = || secrets.iter().filter(|secret| secret.is_working(now));
    let Some(since) = working().map(SecretInfo::begins_at).max() else {
        return Vec::new();
    };
    // The last use is known to the minute only, rounded down.
    let minute = chrono::TimeDelta::minutes(1);
    let used = |secret: &&SecretInfo| secret.last_used_at.is_some_and(|at| at + minute > since);
    working().filter(used).map(|secret| secret.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_from_elsewhere_are_printable_ascii_of_some_length() {
        assert!(stated("s-e_c.r~t*!+% /").is_ok());
        assert_eq!(stated("short").err(), Some(MalformedSecret::TooShort));
        assert_eq!(
            stated(&"x".repeat(1001)).err(),
            Some(MalformedSecret::TooLong)
        );
        for text in [
            "a secret\nof two lines",
            "clé secrète",
            "a secret\0",
            "\u{7f}aaaaaaaa",
        ] {
            assert_eq!(stated(text).err(), Some(MalformedSecret::Unprintable));
        }
    }

    #[test]
    fn a_digest_is_that_of_the_secret() {
        let hex = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
        let read = stated_digest(hex).map(|digest| digest.digest());
        assert_eq!(read, Ok(HashedToken::<ClientSecret>::of("secret").digest()));
        assert_eq!(stated_digest(&hex.to_uppercase()).map(|d| d.digest()), read);
        for text in ["", &hex[1..], &hex.replace('2', "g"), &"é".repeat(32)] {
            assert!(stated_digest(text).is_err(), "{text}");
        }
    }
}
