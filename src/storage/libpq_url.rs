//! What is added to the operator's URL before libpq gets it: limits on waiting, and which of several servers is meant.

/// libpq waits for ever by default: for a server that does not answer, and for one that has fallen silent. What the operator's URL
/// states stays.
pub(super) fn with_timeouts(url: &str) -> String {
    const DEFAULTS: [(&str, &str); 5] = [
        ("connect_timeout", "5"),
        ("tcp_user_timeout", "6000"),
        ("keepalives_idle", "5"),
        ("keepalives_interval", "2"),
        ("keepalives_count", "3"),
    ];
    let missing = DEFAULTS
        .iter()
        .filter(|(name, _)| !url.contains(&format!("{name}=")));
    // Of several hosts all but one are standbys, which only read.
    let primary = has_several_hosts(url) && !url.contains("target_session_attrs=");
    let primary = primary.then_some(&("target_session_attrs", "read-write"));
    missing
        .chain(primary)
        .fold(url.to_owned(), |url, (name, value)| {
            let separator = if url.contains('?') { '&' } else { '?' };
            format!("{url}{separator}{name}={value}")
        })
}

/// Whether, of several servers, only the one that takes writes will do.
pub(super) fn wants_read_write(url: &str) -> bool {
    has_several_hosts(url) && with_timeouts(url).contains("target_session_attrs=read-write")
}

/// Whether a URL of libpq names several servers, before its path or in its query.
fn has_several_hosts(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let named = query
        .split('&')
        .filter(|pair| pair.starts_with("host=") || pair.starts_with("hostaddr="));
    std::iter::once(hosts)
        .chain(named)
        .any(|hosts| hosts.contains(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_servers_the_one_that_takes_writes_is_looked_for() {
        let asks = wants_read_write;
        assert!(asks("postgres://u:p@a:5432,b:5433/db"));
        assert!(asks("postgresql:///db?user=u&host=/run/a,/run/b"));
        assert!(!asks("postgres://u:with,comma@a/db,x?application_name=a,b"));
        let own = with_timeouts("postgres://a,b/db?target_session_attrs=any");
        assert!(own.contains("target_session_attrs=any") && !own.contains("read-write"));
        assert!(!asks("postgres://a,b/db?target_session_attrs=any"));
        assert!(!asks("postgres://a,b/db?target_session_attrs=primary")); // which may refuse writes
    }
}
