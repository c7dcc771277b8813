//! Whose call it is, by address: the peer's, or what trusted proxies say (bar H11).

use std::net::{IpAddr, Ipv6Addr};

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, X_FORWARDED_FOR};
use ipnet::IpNet;

/// The address that limits count: IPv6 by /56, which is what one subscriber gets.
pub(super) fn counted(request: &ServiceRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.ip());
    match caller(peer, request.headers(), trusted) {
        IpAddr::V6(ip) => {
            let mut octets = ip.octets();
            octets[7..].fill(0);
            IpAddr::V6(octets.into())
        }
        v4 => v4,
    }
}

/// The address that is written down; none where there is none, as on a socket of the machine.
pub(super) fn seen(request: &ServiceRequest, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    Some(caller(peer, request.headers(), trusted))
}

/// The first address from the right that is not a trusted proxy. Anybody can write the rest.
pub(super) fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
    let mut caller = peer.to_canonical();
    if !is_trusted(&caller) {
        return caller;
    }
    let lines: Vec<_> = headers
        .get_all(X_FORWARDED_FOR)
        .filter_map(|line| line.to_str().ok())
        .collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(ip) = hop.trim().parse::<IpAddr>() else {
            return caller;
        };
        caller = ip.to_canonical();
        if !is_trusted(&caller) {
            return caller;
        }
    }
    caller
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn found(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
        }
        caller(
            peer.parse().unwrap(),
            &headers,
            &["10.0.0.0/8".parse().unwrap()],
        )
        .to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_read_from_the_right() {
        assert_eq!(found("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(found("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            found("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            found("10.0.0.1", &["1.1.1.1", "198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(
            found("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(found("10.0.0.1", &["garbage"]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }
}
