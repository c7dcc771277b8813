//! Where spans go, as the operator writes it: a collector that speaks OTLP over HTTP.

use std::str::FromStr;

use url::{Host, Url};
use zeroize::Zeroizing;

/// Where a collector takes spans, below its URL (OTLP 1.x, "OTLP/HTTP Request").
const TRACES: &str = "/v1/traces";

/// A collector, and how much it is told.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Where it is.
    pub url: CollectorUrl,
    /// What it wants to hear from whoever comes.
    pub headers: CollectorHeaders,
    /// The part of all traces that it gets, from 0 to 1.
    pub sample: f64,
}

/// `http(s)://host:port`, perhaps with a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl(Url);

/// Headers such as `api-key=..`, which let us in at a collector. They are secrets.
#[derive(Clone, Default)]
pub struct CollectorHeaders(Vec<(String, Zeroizing<String>)>);

/// Why a collector's URL is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be http(s)://host[:port], without user, query or fragment")]
pub struct MalformedCollectorUrl;

/// Why headers are not usable. What they are is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be NAME=VALUE, separated by commas")]
pub struct MalformedCollectorHeaders;

impl FromStr for CollectorUrl {
    type Err = MalformedCollectorUrl;

    fn from_str(text: &str) -> Result<Self, MalformedCollectorUrl> {
        let url = Url::parse(text).map_err(|_| MalformedCollectorUrl)?;
        let plain = url.username().is_empty() && url.password().is_none();
        let bare = url.query().is_none() && url.fragment().is_none();
        let fits = matches!(url.scheme(), "http" | "https") && url.has_host();
        (fits && plain && bare)
            .then_some(Self(url))
            .ok_or(MalformedCollectorUrl)
    }
}

impl CollectorUrl {
    /// Where spans are sent to.
    pub fn traces(&self) -> String {
        format!("{}{TRACES}", self.0.as_str().trim_end_matches('/'))
    }

    /// Whether nobody on the way can read what is sent.
    pub fn is_private(&self) -> bool {
        let loopback = match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        loopback || self.is_tls()
    }

    /// Whether TLS protects the way.
    pub fn is_tls(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for CollectorHeaders {
    type Err = MalformedCollectorHeaders;

    fn from_str(text: &str) -> Result<Self, MalformedCollectorHeaders> {
        let header = |part: &str| {
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            // RFC 9110 section 5.6.2, and printable ASCII without what a list is made of.
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let named = !name.is_empty() && name.bytes().all(token);
            let printable = value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
            (named && printable).then(|| (name.to_owned(), Zeroizing::new(value.to_owned())))
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        let read: Option<Vec<_>> = parts.map(header).collect();
        read.map(Self).ok_or(MalformedCollectorHeaders)
    }
}

impl CollectorHeaders {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, for whoever sends them.
    pub fn expose(&self) -> impl Iterator<Item = (&str, &str)> {
        let each = self.0.iter();
        each.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Display for CollectorHeaders {
    /// The names, with their values masked.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let masked: Vec<_> = self
            .0
            .iter()
            .map(|(name, _)| format!("{name}=***"))
            .collect();
        f.write_str(&masked.join(","))
    }
}

impl std::fmt::Debug for CollectorHeaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CollectorHeaders({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_base_url_that_names_nobody() {
        let read = |text: &str| text.parse::<CollectorUrl>().map(|url| url.traces());
        for (url, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otlp.example/", "https://otlp.example/v1/traces"),
            (
                "https://otlp.example/otlp",
                "https://otlp.example/otlp/v1/traces",
            ),
        ] {
            assert_eq!(read(url).as_deref(), Ok(traces));
        }
        for bad in [
            "127.0.0.1:4318",
            "grpc://otlp.example:4317",
            "http://",
            "https://user:key@otlp.example",
            "https://key@otlp.example",
            "https://otlp.example/?key=1",
        ] {
            assert_eq!(read(bad), Err(MalformedCollectorUrl), "{bad}");
        }
    }

    #[test]
    fn headers_are_read_and_shown_without_their_values() {
        let read = |text: &str| text.parse::<CollectorHeaders>();
        let headers = read("api-key=s3cret==, Authorization=Basic dTpw").unwrap();
        let exposed: Vec<_> = headers.expose().collect();
        let expected = [("api-key", "s3cret=="), ("Authorization", "Basic dTpw")];
        assert_eq!(exposed, expected);
        assert_eq!(
            format!("{headers:?}"),
            "CollectorHeaders(api-key=***,Authorization=***)"
        );
        assert!(read("").unwrap().is_empty());
        for bad in ["api-key", "=x", "a b=x", "a=\u{e9}", "a=x\r\nb: y"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
