//! What is written down of a caller's address: as much as the operator wants to keep about people (bar L01).

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How many bytes of a keyed hash are kept: enough to tell callers apart.
const KEPT: usize = 16;

/// The form in which addresses of callers are written down.
#[derive(Debug, Clone, Default)]
pub enum AddressForm {
    /// The network: /24, /48 in IPv6.
    #[default]
    Prefix,
    /// All of it.
    Full,
    /// A keyed hash, which is the same for the same address (in IPv6: for the same /64, for that is what one caller has), and tells
    /// it to nobody who does not have the key.
    Hash(AddressKey),
    /// Nothing.
    Nothing,
}

/// The key of hashed addresses.
#[derive(Clone)]
pub struct AddressKey(Zeroizing<String>);

impl std::fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AddressKey(..)")
    }
}

impl AddressKey {
    /// A key, unless it is so short that it could be found by trying.
    pub fn new(text: &str) -> Option<Self> {
        (text.len() >= 16).then(|| Self(Zeroizing::new(text.to_owned())))
    }
}

impl AddressForm {
    /// An address in this form. The caller has made IPv4 of IPv4 that was mapped.
    pub fn of(&self, address: IpAddr) -> Option<String> {
        match self {
            Self::Prefix => Some(match address {
                IpAddr::V4(ip) => {
                    let [a, b, c, _] = ip.octets();
                    format!("{a}.{b}.{c}.0/24")
                }
                IpAddr::V6(ip) => {
                    let [a, b, c, ..] = ip.segments();
                    let network = std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0);
                    format!("{network}/48")
                }
            }),
            Self::Full => Some(address.to_string()),
            Self::Hash(key) => key.hash(address),
            Self::Nothing => None,
        }
    }
}

impl AddressKey {
    fn hash(&self, address: IpAddr) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        match address {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()[..8]),
        }
        let digest = mac.finalize().into_bytes();
        let kept = digest.iter().take(KEPT);
        Some(kept.map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: &AddressForm, address: &str) -> String {
        form.of(address.parse().unwrap()).unwrap_or_default()
    }

    #[test]
    fn each_form_keeps_what_it_says_and_no_more() {
        let (v4, v6) = ("203.0.113.99", "2001:db8:1:2:3:4:5:6");
        assert_eq!(written(&AddressForm::Prefix, v4), "203.0.113.0/24");
        assert_eq!(written(&AddressForm::Prefix, v6), "2001:db8:1::/48");
        assert_eq!(written(&AddressForm::Prefix, "::1"), "::/48");
        assert_eq!(written(&AddressForm::Full, v4), v4);
        assert_eq!(written(&AddressForm::Full, v6), v6);
        assert_eq!(written(&AddressForm::Nothing, v4), "");
    }

    #[test]
    fn a_hash_tells_callers_apart_and_depends_on_the_key() {
        let hash = |key: &str, address| {
            written(&AddressForm::Hash(AddressKey::new(key).unwrap()), address)
        };
        let (key, other) = ("0123456789abcdef", "0123456789abcdeg");
        let one = hash(key, "203.0.113.99");
        // HMAC-SHA-256 of cb007163 under the key, by another program.
        assert_eq!(one, "7992154d2625fb33c2940c823b506ea8");
        assert_eq!(one, hash(key, "203.0.113.99"));
        assert_ne!(one, hash(key, "203.0.113.98"));
        assert_ne!(one, hash(other, "203.0.113.99"));
        let network = hash(key, "2001:db8:1:2::1");
        assert_eq!(network, hash(key, "2001:db8:1:2:ffff::"));
        assert_ne!(network, hash(key, "2001:db8:1:3::1"));
        assert!(AddressKey::new("0123456789abcde").is_none());
        assert!(!format!("{:?}", AddressKey::new(key)).contains("0123"));
    }
}
