//! Proofs that the caller has a private key: DPoP (RFC 9449 section 4.3, bar X08).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use url::Url;

use super::jose::{Signed, digest};
use super::nonces::{self, Nonces};
use crate::domain::Instant;
use crate::domain::jwk::Jwk;
use crate::storage::{AnyConnection, Storage, StorageError, jtis};

/// How far a proof's time may be from ours, either way. A client whose clock is further off is given a nonce, and goes on with that.
const WINDOW: TimeDelta = TimeDelta::seconds(60);
/// How much longer than a proof its id is remembered: another node, whose clock is ahead, may be the one that forgets.
const MEMORY: TimeDelta = TimeDelta::minutes(2);

/// Checks proofs.
#[derive(Default)]
pub struct Dpop {
    nonces: Nonces,
    /// Whether every proof needs a nonce, and not only one whose time cannot be believed.
    always: bool,
}

/// A request that somebody proves to have made.
#[derive(Debug)]
pub struct Presented<'a> {
    /// The `DPoP` field, if there is exactly one and it is a text.
    pub proof: Option<&'a str>,
    /// The request's method.
    pub method: &'a str,
    /// Where it went, as the outside calls us.
    pub uri: &'a str,
    /// The digest of the access token that came along; none where one is asked for.
    pub token: Option<[u8; 32]>,
}

/// What a proof comes to.
#[derive(Debug)]
pub struct Checked {
    /// The proof, if it is good as far as can be known without using it up.
    pub outcome: Result<Proof, Unproven>,
    /// A nonce for the caller's next proof.
    pub nonce: Option<String>,
}

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// It is missing or wrong.
    Invalid,
    /// It needs a nonce of ours, or a newer one.
    NonceNeeded,
}

/// A good proof that is not used up yet.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The thumbprint of the key (RFC 7638).
    pub jkt: [u8; 32],
    id: [u8; 32],
    ends: Instant,
}

impl Proof {
    /// Uses it up. Says whether it was the first time.
    pub fn redeem(&self, c: &mut AnyConnection) -> Result<bool, StorageError> {
        jtis::spend(c, self.id, self.ends + MEMORY)
    }
}

impl Dpop {
    /// `always`: whether every proof needs a nonce.
    pub fn new(always: bool) -> Self {
        let nonces = Nonces::default();
        Self { nonces, always }
    }

    /// Checks a proof: what is cheap first, the signature last.
    pub async fn check(
        &self,
        storage: &Storage,
        presented: &Presented<'_>,
        now: Instant,
    ) -> Result<Checked, StorageError> {
        let refused = |why| Checked {
            outcome: Err(why),
            nonce: None,
        };
        let Some((signed, jwk, made)) = presented.proof.and_then(|text| read(text, presented))
        else {
            return Ok(refused(Unproven::Invalid));
        };
        let sealed = match signed.text("nonce") {
            Some(nonce) => self.nonces.read(storage, nonce, now).await?,
            None => None,
        };
        let believed = match sealed {
            Some(sealed) => Some(sealed + nonces::LIFETIME),
            // One that is not ours, or too old, is no better than none, but asks for a better one.
            None if self.always || signed.claims.contains_key("nonce") => None,
            None => Some(made + WINDOW).filter(|ends| now < *ends && made <= now + WINDOW),
        };
        let Some(ends) = believed else {
            let nonce = self.nonces.make(storage, now).await?;
            return Ok(Checked {
                nonce: Some(nonce),
                ..refused(Unproven::NonceNeeded)
            });
        };
        if !signed.is_signed_by(&jwk.key) {
            return Ok(refused(Unproven::Invalid));
        }
        // Whoever uses nonces is given the next one before the last has ended.
        let nonce = match sealed {
            Some(sealed) if now > sealed + nonces::LIFETIME / 2 => {
                Some(self.nonces.make(storage, now).await?)
            }
            _ => None,
        };
        let jkt = jwk.key.thumbprint();
        let id = digest(&[
            b"dpop proof",
            &jkt,
            signed.id().unwrap_or_default().as_bytes(),
        ]);
        Ok(Checked {
            outcome: Ok(Proof { jkt, id, ends }),
            nonce,
        })
    }
}

/// Everything that needs neither a nonce nor the signature: the message, its key, and when it says that it was made.
pub(super) fn read<'a>(
    text: &'a str,
    presented: &Presented<'_>,
) -> Option<(Signed<'a>, Jwk, Instant)> {
    let signed = Signed::read(text)?;
    let typed = signed.header.get("typ")?.as_str()? == "dpop+jwt";
    let jwk = Jwk::read(signed.header.get("jwk")?.as_object()?).ok()?;
    let method = signed.text("htm")? == presented.method;
    let target = canonical(signed.text("htu")?)? == canonical(presented.uri)?;
    let token = match presented.token {
        Some(digest) => signed.text("ath")? == URL_SAFE_NO_PAD.encode(digest),
        None => true,
    };
    let nonce = signed.claims.get("nonce").is_none_or(|n| n.is_string());
    let made = signed.time("iat")?;
    signed.id()?;
    let good = typed && jwk.is_for(signed.algorithm) && method && target && token && nonce;
    good.then_some((signed, jwk, made))
}

/// A URI as RFC 3986 sections 6.2.2 and 6.2.3 compare it, without query and fragment.
fn canonical(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let text = url.as_str();
    let (mut canonical, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('%') {
        canonical.push_str(before);
        let byte = after
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())?;
        match byte {
            b'-' | b'.' | b'_' | b'~' => canonical.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => canonical.push(char::from(byte)),
            _ => canonical.push_str(&format!("%{byte:02X}")),
        }
        rest = &after[2..];
    }
    canonical.push_str(rest);
    Some(canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_compared_as_the_rfc_says() {
        let own = canonical("https://unforget.example/v1/users/a~b").unwrap();
        for same in [
            "HTTPS://UNFORGET.example:443/v1/users/a~b",
            "https://unforget.example/v1/./users/x/../a%7eb",
            "https://unforget.example/v1/users/a%7Eb?email=x#y",
        ] {
            assert_eq!(canonical(same).unwrap(), own, "{same}");
        }
        for other in [
            "http://unforget.example/v1/users/a~b",
            "https://unforget.example:8443/v1/users/a~b",
            "https://unforget.example/v1/users/A~b",
            "https://unforget.example/v1/users/a~b/",
            "https://me@unforget.example/v1/users/a~b",
            "https://unforget.example.evil.example/v1/users/a~b",
        ] {
            assert_ne!(canonical(other).unwrap(), own, "{other}");
        }
        for odd in ["", "/v1/users", "https://", "https://x/%zz", "https://x/%4"] {
            assert_eq!(canonical(odd), None, "{odd}");
        }
    }
}
