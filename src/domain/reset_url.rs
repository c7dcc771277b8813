//! The template of the link in a reset mail.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use super::{EmailAddress, PlainToken, ResetToken};

/// RFC 3986 section 2.3: everything but the unreserved characters is encoded in a value.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const PLACEHOLDERS: [&str; 3] = ["{token}", "{email}", "{locale}"];

/// An absolute URL with `{token}` and optionally `{email}` and `{locale}`. It comes from an operator or a client that may
/// register others, never from a request for a mail
/// (bar F19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetUrl(String);

/// Why a template is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedResetUrl {
    /// Without it the link would be of no use.
    #[error("a reset URL must contain {{token}}, once")]
    NoToken,
    /// A typing error would otherwise be mailed to users.
    #[error("a reset URL knows only {{token}}, {{email}} and {{locale}} in braces")]
    UnknownPlaceholder,
    /// Placeholders in the host would let a value choose where the token goes.
    #[error("a reset URL must be absolute, with its placeholders after the host")]
    NotAbsolute,
    /// The token would travel in clear.
    #[error("a reset URL must be https (http only for localhost), or an app's own scheme")]
    Insecure,
}

impl ResetUrl {
    /// The built-in page, with the token in the fragment so that it never reaches a log or a Referer.
    pub fn built_in(public_url: &str) -> Self {
        Self(format!("{public_url}/reset#token={{token}}"))
    }

    /// A template that storage gives back: it was checked when it came in.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The template's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The link for one mail.
    pub fn link(
        &self,
        token: &PlainToken<ResetToken>,
        email: &EmailAddress,
        language: &str,
    ) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, VALUE).to_string();
        self.0
            .replace("{token}", token.expose())
            .replace("{locale}", &encoded(language))
            .replace("{email}", &encoded(&email.to_text()))
    }
}

impl std::str::FromStr for ResetUrl {
    type Err = MalformedResetUrl;

    fn from_str(text: &str) -> Result<Self, MalformedResetUrl> {
        if text.matches("{token}").count() != 1 {
            return Err(MalformedResetUrl::NoToken);
        }
        let plain = PLACEHOLDERS
            .iter()
            .fold(text.to_owned(), |rest, p| rest.replace(p, "x"));
        if plain.contains(['{', '}']) {
            return Err(MalformedResetUrl::UnknownPlaceholder);
        }
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        let url = Url::parse(&plain)
            .ok()
            .filter(|_| printable && text.len() <= 1000);
        let url = url.ok_or(MalformedResetUrl::NotAbsolute)?;
        // Browsers' parser finds a host in `https:x`, `https:///x` and after a backslash too; it must be where a reader sees it.
        let authority = text.split_once("://").map_or("", |(_, rest)| {
            &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
        });
        let hidden = matches!(url.scheme(), "http" | "https") && authority.is_empty();
        if hidden || authority.contains(['{', '@']) || text.contains('\\') {
            return Err(MalformedResetUrl::NotAbsolute);
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => {}
            ("http", Some(Host::Domain("localhost"))) => {}
            ("http", Some(Host::Ipv4(ip))) if ip.is_loopback() => {}
            ("http", Some(Host::Ipv6(ip))) if ip.is_loopback() => {}
            ("http" | "https" | "javascript" | "data" | "file" | "blob" | "mailto", _) => {
                return Err(MalformedResetUrl::Insecure);
            }
            _ if text.contains("://") => {} // an app's own scheme: myapp://reset?token={token}
            _ => return Err(MalformedResetUrl::NotAbsolute),
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_checked() {
        use MalformedResetUrl::*;
        for good in [
            "https://app.example.com/reset?token={token}&email={email}&hl={locale}",
            "https://app.example.com/#/reset/{token}",
            "http://localhost:3000/reset?t={token}",
            "http://127.0.0.1/{token}",
            "myapp://reset?token={token}",
        ] {
            assert!(good.parse::<ResetUrl>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("https://a.example/reset", NoToken),
            ("https://a.example/{token}{token}", NoToken),
            ("https://a.example/{token}?u={user}", UnknownPlaceholder),
            ("/reset?token={token}", NotAbsolute),
            ("https://{token}.example/", NotAbsolute),
            ("https://x@a.example/{token}", NotAbsolute),
            ("https://a.example/{token} x", NotAbsolute),
            ("http://a.example/{token}", Insecure),
            ("javascript:alert('{token}')", Insecure),
        ] {
            assert_eq!(bad.parse::<ResetUrl>().err(), Some(why), "{bad}");
        }
    }
}
