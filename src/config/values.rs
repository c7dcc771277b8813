//! How the values of the settings are read, and what is said of one that cannot be.

use std::net::SocketAddr;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use url::{Host, Url};

use crate::domain::collector::CollectorUrl;
use crate::domain::{AddressForm, AddressKey, ClientId};

pub(super) fn number<T: TryFrom<u32>>(least: u32, most: u32) -> impl Fn(&str) -> Result<T, String> {
    move |text| {
        let number = text.parse().ok().filter(|n| (least..=most).contains(n));
        let number = number.and_then(|n| T::try_from(n).ok());
        number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }
}

/// A duration such as `90s`, `15m` or `1h 30m`, within bounds in seconds.
pub(super) fn duration(least: i64, most: i64) -> impl Fn(&str) -> Result<TimeDelta, String> {
    move |text| {
        let parsed = humantime::parse_duration(text)
            .ok()
            .and_then(|d| TimeDelta::from_std(d).ok());
        let bounded = parsed.filter(|d| (least..=most).contains(&d.num_seconds()));
        let say =
            |seconds: i64| humantime::format_duration(Duration::from_secs(seconds.unsigned_abs()));
        bounded.ok_or_else(|| {
            format!(
                "must be a duration such as 90s, 15m or 1h, from {} to {}",
                say(least),
                say(most)
            )
        })
    }
}

/// Where to listen besides, or nothing.
pub(super) fn other_listener(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "must be ADDRESS:PORT"),
    }
}

/// The id of a client, or nothing.
pub(super) fn client_id(text: &str) -> Result<Option<ClientId>, &'static str> {
    match text {
        "" => Ok(None),
        text if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(Some(ClientId::new(text))),
        _ => Err("must be a client's id"),
    }
}

/// The key of hashed addresses, or nothing.
pub(super) fn address_key(text: &str) -> Result<Option<AddressKey>, &'static str> {
    match text {
        "" => Ok(None),
        text => AddressKey::new(text)
            .map(Some)
            .ok_or("must have at least 16 characters"),
    }
}

pub(super) fn address_form(
    text: &str,
    key: Option<AddressKey>,
) -> Result<AddressForm, &'static str> {
    match text {
        "prefix" => Ok(AddressForm::Prefix),
        "full" => Ok(AddressForm::Full),
        "none" => Ok(AddressForm::Nothing),
        "hash" => key
            .map(AddressForm::Hash)
            .ok_or("hash needs audit.address_key"),
        _ => Err("must be prefix, full, hash or none"),
    }
}

/// The URL of a collector, or nothing. Headers are secrets, and nobody on the way may read them.
pub(super) fn collector_url(
    text: &str,
    has_headers: bool,
) -> Result<Option<CollectorUrl>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    let url: CollectorUrl = text
        .parse()
        .map_err(|_| "must be http(s)://host[:port], without user, query or fragment")?;
    match has_headers && !url.is_private() {
        true => Err("must be https where there are otlp.headers (http only for localhost)"),
        false => Ok(Some(url)),
    }
}

/// A part of a whole.
pub(super) fn fraction(text: &str) -> Result<f64, &'static str> {
    let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
    part.ok_or("must be a number from 0 to 1")
}

pub(super) fn boolean(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "must be true or false")
}

pub(super) fn list<T>(
    item: fn(&str) -> Result<T, &'static str>,
) -> impl Fn(&str) -> Result<Vec<T>, &'static str> {
    move |text| {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(item)
            .collect()
    }
}

pub(super) fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = text.parse::<std::net::IpAddr>().map(IpNet::from);
    address
        .or_else(|_| text.parse())
        .map_err(|_| "must list addresses or networks such as 10.0.0.0/8")
}

pub(super) fn origin(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| url.origin().ascii_serialization() == text);
    if text == "*" || url.is_some() {
        Ok(text.to_owned())
    } else {
        Err("must list origins such as https://app.example.com, or be *")
    }
}

/// Links carry reset tokens, so they lead to https, or to this machine.
pub(super) fn public_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("must be an absolute URL"),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err("must be https, for links carry reset tokens (http only for localhost)");
        }
        _ => return Err("must be an https URL"),
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("must have no user, query or fragment");
    }
    Ok(text.trim_end_matches('/').to_owned())
}
