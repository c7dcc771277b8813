//! A wish for a language, as callers, users and clients state it.

/// A well-formed language tag (BCP 47: letters, digits and hyphens, at most 35 characters). Which text it gets is decided
/// by `texts`: a language that we do not speak falls back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locale(String);

/// Not a language tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a locale is a language tag such as \"en\" or \"fr-CA\"")]
pub struct MalformedLocale;

impl Locale {
    /// The tag's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The primary language in lower case: `fr` for `fr-CA`.
    pub fn language(&self) -> String {
        let primary = self.0.split('-').next().unwrap_or_default();
        primary.to_ascii_lowercase()
    }
}

impl std::str::FromStr for Locale {
    type Err = MalformedLocale;

    fn from_str(text: &str) -> Result<Self, MalformedLocale> {
        let text = text.replace('_', "-"); // POSIX style, which many systems hand out
        let part =
            |p: &str| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric());
        let primary = text.split('-').next().unwrap_or_default();
        let good_primary =
            (2..=8).contains(&primary.len()) && primary.bytes().all(|b| b.is_ascii_alphabetic());
        if text.len() <= 35 && good_primary && text.split('-').all(part) {
            Ok(Self(text))
        } else {
            Err(MalformedLocale)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_and_nothing_else_is() {
        assert_eq!(
            "fr_CA".parse::<Locale>().map(|l| l.language()),
            Ok("fr".to_owned())
        );
        for text in [
            "",
            "f",
            "fr-",
            "../en",
            "en\r\n",
            "fr--CA",
            &"en-a".repeat(20),
        ] {
            assert!(text.parse::<Locale>().is_err(), "{text:?}");
        }
    }
}
