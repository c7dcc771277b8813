//! What is valid and still doubtful: settings that were never made for a real service, or that trust too many.

use std::net::IpAddr;

use url::{Host, Url};

use super::Check;
use crate::config::Settings;

pub(super) fn examine(settings: &Settings) -> Vec<Check> {
    let (public, loopback) = public_url(settings);
    vec![
        public,
        proxies(settings, loopback),
        limits(settings),
        metrics(settings),
    ]
}

fn public_url(settings: &Settings) -> (Check, bool) {
    const NAME: &str = "public_url";
    let url = &settings.public_url;
    let parsed = Url::parse(url).ok();
    let loopback = match parsed.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    };
    let check = if loopback {
        let text =
            format!("{url} is this machine only: links in mails lead nowhere else; set public_url");
        Check::warning(NAME, text)
    } else if !url.starts_with("https://") {
        Check::error(
            NAME,
            format!("{url} is not https: links would travel in clear"),
        )
    } else {
        Check::ok(NAME, url.as_str())
    };
    (check, loopback)
}

fn proxies(settings: &Settings, loopback: bool) -> Check {
    const NAME: &str = "trusted_proxies";
    let proxies = &settings.trusted_proxies;
    if let Some(all) = proxies.iter().find(|network| network.prefix_len() == 0) {
        let text = format!(
            "http.trusted_proxies has {all}: every caller may claim any address; name the proxies only"
        );
        return Check::error(NAME, text);
    }
    // TLS is not ours, so what is https to the outside comes through a proxy.
    if proxies.is_empty() && !loopback {
        let text = "public_url is https, so there is a proxy, and http.trusted_proxies does not name it: all callers share one limit";
        return Check::warning(NAME, text);
    }
    match proxies.len() {
        0 => Check::ok(NAME, "none, and none is needed"),
        count => Check::ok(NAME, format!("{count} named")),
    }
}

fn metrics(settings: &Settings) -> Check {
    const NAME: &str = "metrics";
    let Some(address) = settings.metrics_listen else {
        return Check::ok(NAME, "off: metrics_listen is empty");
    };
    let ip = address.ip().to_canonical();
    let private = match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    match private {
        true => Check::ok(NAME, format!("on {address}")),
        false => Check::warning(
            NAME,
            format!(
                "metrics_listen is {address}: whoever reaches it reads how busy the service is; use a private address"
            ),
        ),
    }
}

fn limits(settings: &Settings) -> Check {
    const NAME: &str = "limits";
    match settings.limits {
        Some(_) => Check::ok(NAME, "calls are limited"),
        None => Check::warning(
            NAME,
            "limits.enabled is false: anybody may call at any rate",
        ),
    }
}
