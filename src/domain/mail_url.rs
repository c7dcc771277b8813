//! Where mail goes, as the operator writes it.

use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

/// The way out for mail.
#[derive(Clone)]
pub enum MailUrl {
    /// A folder that gets one `.eml` file a mail.
    Folder(PathBuf),
    /// An SMTP server.
    Smtp(SmtpServer),
}

/// An SMTP server and how to talk to it.
#[derive(Clone)]
pub struct SmtpServer {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What protects the connection.
    pub security: SmtpSecurity,
    /// User name and password.
    pub credentials: Option<(String, Zeroizing<String>)>,
}

/// What protects an SMTP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// STARTTLS, and nothing is said before it (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// None: loopback only.
    Plain,
}

/// Why a mail URL is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedMailUrl {
    /// Neither a folder nor a server.
    #[error(
        "must be file:FOLDER, smtp://[user:password@]host[:587], smtps://..[:465] or smtp+plain://..[:25]"
    )]
    Syntax,
    /// The address and its reset link would travel in clear.
    #[error("smtp+plain:// is for loopback only; use smtp:// (STARTTLS) or smtps://")]
    PlainBeyondLoopback,
}

impl FromStr for MailUrl {
    type Err = MalformedMailUrl;

    fn from_str(text: &str) -> Result<Self, MalformedMailUrl> {
        if let Some(folder) = text.strip_prefix("file:") {
            let folder = folder.strip_prefix("//").unwrap_or(folder);
            return if folder.is_empty() {
                Err(MalformedMailUrl::Syntax)
            } else {
                Ok(Self::Folder(folder.into()))
            };
        }
        let url = Url::parse(text).map_err(|_| MalformedMailUrl::Syntax)?;
        let (security, default_port) = match url.scheme() {
            "smtp" => (SmtpSecurity::StartTls, 587),
            "smtps" => (SmtpSecurity::Tls, 465),
            "smtp+plain" => (SmtpSecurity::Plain, 25),
            _ => return Err(MalformedMailUrl::Syntax),
        };
        let host = url
            .host_str()
            .filter(|h| !h.is_empty())
            .ok_or(MalformedMailUrl::Syntax)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(MalformedMailUrl::Syntax);
        }
        let decode = |text: &str| {
            percent_decode_str(text)
                .decode_utf8()
                .map(|t| t.into_owned())
                .map_err(|_| MalformedMailUrl::Syntax)
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some((decode(user)?, Zeroizing::new(decode(password)?))),
            _ => return Err(MalformedMailUrl::Syntax),
        };
        let loopback = match Host::parse(host) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(ip)) => ip.is_loopback(),
            Ok(Host::Ipv6(ip)) => ip.is_loopback(),
            Err(_) => false,
        };
        if security == SmtpSecurity::Plain && !loopback {
            return Err(MalformedMailUrl::PlainBeyondLoopback);
        }
        Ok(Self::Smtp(SmtpServer {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(default_port),
            security,
            credentials,
        }))
    }
}

impl std::fmt::Display for MailUrl {
    /// The URL with its password masked.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = match self {
            Self::Folder(path) => return write!(f, "file:{}", path.display()),
            Self::Smtp(server) => server,
        };
        let scheme = match server.security {
            SmtpSecurity::StartTls => "smtp",
            SmtpSecurity::Tls => "smtps",
            SmtpSecurity::Plain => "smtp+plain",
        };
        let user = server
            .credentials
            .as_ref()
            .map(|(user, _)| format!("{user}:***@"))
            .unwrap_or_default();
        let host = if server.host.contains(':') {
            format!("[{}]", server.host)
        } else {
            server.host.clone()
        };
        write!(f, "{scheme}://{user}{host}:{}", server.port)
    }
}

impl std::fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MailUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_the_password() {
        let shown = |text: &str| text.parse::<MailUrl>().map(|u| u.to_string());
        assert_eq!(shown("file:data/mail").as_deref(), Ok("file:data/mail"));
        assert_eq!(
            shown("smtp://u%40x:p%2Fq@mail.example").as_deref(),
            Ok("smtp://u@x:***@mail.example:587")
        );
        assert_eq!(
            shown("smtps://mail.example").as_deref(),
            Ok("smtps://mail.example:465")
        );
        assert_eq!(
            shown("smtp+plain://127.0.0.1:2525").as_deref(),
            Ok("smtp+plain://127.0.0.1:2525")
        );
        assert_eq!(
            shown("smtp+plain://[::1]:2525").as_deref(),
            Ok("smtp+plain://[::1]:2525")
        );
        assert_eq!(
            shown("smtp+plain://mail.example"),
            Err(MalformedMailUrl::PlainBeyondLoopback)
        );
        for bad in [
            "",
            "file:",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://user@h",
            "smtp://h/path",
        ] {
            assert_eq!(shown(bad), Err(MalformedMailUrl::Syntax), "{bad}");
        }
    }
}
