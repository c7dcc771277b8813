//! E-mail addresses and the one rule by which two of them are equal.

use email_address::{EmailAddress as Syntax, Options};
use idna::{AsciiDenyList, uts46};

/// RFC 5321 section 4.5.3.1.3: a path has at most 256 octets, two of which are the angle brackets.
const MAX_OCTETS: usize = 254;

/// A well-formed address, as it is stored and as mail is sent to it.
///
/// The domain is kept as A-labels in lower case (IDNA, bar E14), the local part as it was given. Quoted local parts,
/// domain literals, display names, comments, white space and control characters are refused, so one value is always one
/// mailbox (bar F05).
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    local: String,
    domain: String,
}

/// What equality of addresses means here (bar F06): ASCII letters compare without case, the domain compares as A-labels,
/// and every other character compares as itself. No Unicode case folding: `ı`, `ſ` or `K` (Kelvin) never become `i`, `s`
/// or `k` (bar F04). A unique index stands on it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

/// Not an address that this service can hold an account for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid e-mail address")]
pub struct MalformedEmail;

impl EmailAddress {
    /// Reads an address as a user typed it.
    pub fn parse(text: &str) -> Result<Self, MalformedEmail> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '"';
        if text.len() > 4 * MAX_OCTETS || text.contains(odd) {
            return Err(MalformedEmail);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(MalformedEmail)?;
        let hyphens = uts46::Hyphens::CheckFirstLast;
        let domain = uts46::Uts46::new()
            .to_ascii(
                domain.as_bytes(),
                AsciiDenyList::STD3,
                hyphens,
                uts46::DnsLength::Verify,
            )
            .map_err(|_| MalformedEmail)?
            .into_owned();
        let options = Options::default()
            .without_display_text()
            .without_domain_literal();
        let address = format!("{local}@{domain}");
        if address.len() > MAX_OCTETS || Syntax::parse_with_options(&address, options).is_err() {
            return Err(MalformedEmail);
        }
        Ok(Self {
            local: local.to_owned(),
            domain,
        })
    }

    /// The address in the form that is stored and mailed to.
    pub fn to_text(&self) -> String {
        format!("{}@{}", self.local, self.domain)
    }

    /// The key under which accounts are found and throttles counted.
    pub fn key(&self) -> EmailKey {
        EmailKey(self.to_text().to_ascii_lowercase())
    }

    /// For logs and lists: enough to recognise an address one knows, too little to mail it.
    pub fn masked(&self) -> String {
        let first: String = self.local.chars().take(1).collect();
        format!("{first}***@{}", self.domain)
    }
}

impl EmailKey {
    /// The key's text, for storage.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Personal data: a debug print shows the masked form.
impl std::fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

impl std::fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmailKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        EmailAddress::parse(text).ok().map(|a| a.key().0)
    }

    #[test]
    fn ascii_case_and_idna_are_equal_and_nothing_else_is() {
        assert_eq!(key("Ann@Example.COM").as_deref(), Some("ann@example.com"));
        assert_eq!(key("a@bücher.example"), key("A@XN--BCHER-KVA.example"));
        assert_ne!(key("mıke@example.com"), key("mike@example.com"));
        assert_ne!(key("\u{212A}ate@example.com"), key("kate@example.com"));
        assert_ne!(key("boſs@example.com"), key("boss@example.com"));
        assert_ne!(key("straße@example.com"), key("strasse@example.com"));
        assert_eq!(key("é@example.com").as_deref(), Some("é@example.com"));
        assert_eq!(
            key("e\u{301}@example.com"),
            None,
            "combining marks are not taken"
        );
    }

    #[test]
    fn what_is_not_one_mailbox_is_refused() {
        for text in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b,c@d",
            "a@b.c,d@e.f",
            "a b@c.d",
            "a@b.c\r\nBcc: x@y.z",
            "\"a b\"@c.d",
            "a@[127.0.0.1]",
            "Ann <a@b.c>",
            "a＠b.c",
            "a@b.c.",
            "a@-b.c",
            "a@b..c",
            ".a@b.c",
            "a..b@c.d",
            "a\0@b.c",
            "a@b.c ",
            "<a@b.c>",
            "a@b@c.d",
            "a;b@c.d",
        ] {
            assert_eq!(key(text), None, "{text:?}");
        }
        assert_eq!(key(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(key(&"a@b.".repeat(1000)), None);
    }

    #[test]
    fn common_addresses_are_accepted() {
        for text in [
            "a@b",
            "testuser@teen-quotes.com",
            "lemuel.bednar+driver@example.com",
            "o'neil@x.test",
            "用户@例子.test",
        ] {
            assert!(key(text).is_some(), "{text}");
        }
    }
}
