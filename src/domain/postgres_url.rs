//! A URL of PostgreSQL, read as libpq reads it: its grammar is not that of other URLs (several hosts; the password ends at the first
//! `@`). What libpq would take a piece of a password for something else in is refused: its errors quote such pieces (bar P14).

/// The keys whose values may be shown. What is not here, a mistyped `passwordd` too, may be a secret.
const HARMLESS: [&str; 36] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "port",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];
/// The keys in whose values people write an `@`.
const MAY_HOLD_AT: [&str; 3] = ["password", "sslpassword", "user"];

/// The parts of a URL that stand where they were meant to.
pub(super) struct PostgresUrl<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    has_password: bool,
    /// The hosts with their ports, and the database.
    place: &'a str,
    query: Vec<(&'a str, &'a str)>,
}

impl<'a> PostgresUrl<'a> {
    /// Reads the URL; none if a part of it may have been meant as another.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (credentials, rest) = match rest.find(['@', '/']) {
            Some(end) if rest[end..].starts_with('@') => (Some(&rest[..end]), &rest[end + 1..]),
            _ => (None, rest),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let hosts = place.split('/').next()?;
        let query: Option<Vec<_>> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').filter(plain))
            .collect();
        // An @ behind the first one, or behind a slash, is one of the password; what has an & is a query without its question mark;
        // and one in the credentials would end the URL for whoever adds to its query.
        let odd = place.contains(['@', '&', '='])
            || credentials.is_some_and(|text| text.contains('?'))
            || text.contains(char::is_control)
            || !hosts.split(',').all(is_host);
        let (user, password) = match credentials.map(|text| text.split_once(':')) {
            Some(Some((user, _))) => (Some(user), true),
            Some(None) => (credentials, false),
            None => (None, false),
        };
        query.filter(|_| !odd).map(|query| Self {
            scheme,
            user,
            has_password: password,
            place,
            query,
        })
    }

    /// The URL, with stars in the place of what may be a secret.
    pub(super) fn masked(&self) -> String {
        let shown = |(key, value): &(&str, &str)| {
            let value = if HARMLESS.contains(key) { value } else { "***" };
            format!("{key}={value}")
        };
        let password = if self.has_password { ":***" } else { "" };
        self.write(password, self.query.iter().map(shown).collect())
    }

    /// The URL without what may be a secret. It can stand between single quotes.
    pub(super) fn without_password(&self) -> String {
        let kept = self.query.iter().filter(|(key, _)| HARMLESS.contains(key));
        let kept = kept.map(|(key, value)| format!("{key}={value}")).collect();
        self.write("", kept).replace('\'', "%27")
    }

    fn write(&self, password: &str, query: Vec<String>) -> String {
        let Self { scheme, place, .. } = self;
        let user = self.user.map(|user| format!("{user}{password}@"));
        let user = user.unwrap_or_default();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}://{user}{place}{mark}{}", query.join("&"))
    }
}

/// Whether a pair of the query is one, and no rest of a password.
fn plain((key, value): &(&str, &str)) -> bool {
    let named = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    key.bytes().all(named) && (!value.contains('@') || MAY_HOLD_AT.contains(key))
}

/// Whether this is a host, if any, with a port, if any: an address of IPv6 stands in brackets.
fn is_host(text: &str) -> bool {
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~%:[]".contains(&b);
    if !text.bytes().all(of_a_name) {
        return false;
    }
    let port = match text.strip_prefix('[').map(|text| text.split_once(']')) {
        Some(Some((_, ""))) => "",
        Some(Some((_, rest))) => match rest.strip_prefix(':') {
            Some(port) => port,
            None => return false,
        },
        Some(None) => return false,
        None => text.split_once(':').map_or("", |(_, port)| port),
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    port.is_empty() || digits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> Option<String> {
        PostgresUrl::read(text).map(|url| url.masked())
    }

    #[test]
    fn what_is_no_secret_is_shown_and_all_else_is_not() {
        for (text, shown) in [
            ("postgres://h", "postgres://h"),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres://u:S3CRET@h/db", "postgres://u:***@h/db"),
            ("postgres://:S3CRET@/db", "postgres://:***@/db"),
            ("postgres://u:S3%40CRET@h/db", "postgres://u:***@h/db"),
            // A number before it makes these a port elsewhere.
            ("postgres://u:1#S3CRET@h/db", "postgres://u:***@h/db"),
            ("postgres://u:1:S3CRET@h/db", "postgres://u:***@h/db"),
            (
                "postgresql://u:S3,CRET@[::1]:5432,b,c:5433,[::2]/db?sslmode=require",
                "postgresql://u:***@[::1]:5432,b,c:5433,[::2]/db?sslmode=require",
            ),
            (
                "postgresql:///db?host=/run/pg&user=u@x&password=S3@CRET&connect_timeout=3",
                "postgresql:///db?host=/run/pg&user=u@x&password=***&connect_timeout=3",
            ),
            (
                "postgres://h/db?passwordd=S3CRET&PASSWORD=S3CRET&sslpassword=S3CRET&options=-cS3CRET",
                "postgres://h/db?passwordd=***&PASSWORD=***&sslpassword=***&options=***",
            ),
        ] {
            assert_eq!(masked(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn what_libpq_would_take_a_piece_of_a_password_for_is_refused() {
        for text in [
            "postgres://a:S3CRET@h1,b:S3CRET@h2/d",
            "postgres://u:S3@CRET@h/db",
            "postgres://u:S3/CRET@h/db",
            "postgres://u:5432/CRET@h/db",
            "postgres://u:5432/S3?CRET@h/db",
            "postgres://u:5432/S3?C=RET@h/db",
            "postgres://u:S3?CRET@h/db",
            "postgres://u:S3CRET",
            "postgres://u:123456",
            "postgres://u:+5432/db",
            "postgres://h:0/db",
            "postgres://u:S3CRET@[nowhere/db",
            "postgres://u:S3CRET@[::1]x/db",
            "postgres://h/db?pass%77ord=S3CRET",
            "postgres://h/db?S3CRET",
            "postgres://h/d\nb",
            "postgres://h/db&password=S3CRET",
            "postgres://h&password=S3CRET",
            "postgres://u@h h/db",
        ] {
            assert_eq!(masked(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_kept_for_other_tools_can_stand_between_quotes() {
        let url = PostgresUrl::read("postgres://u'x:S3CRET@a,b/db?options=-cx&sslmode=require");
        assert_eq!(
            url.map(|url| url.without_password()).as_deref(),
            Some("postgres://u%27x@a,b/db?sslmode=require")
        );
    }
}
