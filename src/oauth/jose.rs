//! Signed JSON: a compact JWS (RFC 7515), read strictly and checked with a key of our choice, never one that it names (RFC 8725).

use std::sync::Once;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::verifying::RING;
use crate::domain::Instant;
use crate::domain::json::Strict;
use crate::domain::jwk::{PublicKey, SigningAlgorithm};

/// The longest text that is looked at. One with a chain of certificates in it is shorter.
const LONGEST: usize = 8 * 1024;
/// The longest `jti`.
const LONGEST_ID: usize = 255;

/// A signed message whose form is right. What it says is nobody's word before its signature was checked.
pub(super) struct Signed<'a> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    pub(super) algorithm: SigningAlgorithm,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Signed<'a> {
    /// Reads a message: three parts, JSON objects without repeated names, an algorithm that we know, nothing critical that we do
    /// not (section 4.1.11).
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header = object(header)?;
        if header.contains_key("crit") {
            return None;
        }
        let algorithm = SigningAlgorithm::named(header.get("alg")?.as_str()?)?;
        Some(Self {
            claims: object(claims)?,
            header,
            algorithm,
            message,
            signature,
        })
    }

    /// Whether the owner of this key signed it.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        static CHOSEN: Once = Once::new();
        CHOSEN.call_once(|| {
            // Nobody else in this process uses the library, so nobody chose before.
            let _chosen = RING.install_default();
        });
        let algorithm = match self.algorithm {
            SigningAlgorithm::Es256 => Algorithm::ES256,
            SigningAlgorithm::Ed25519 => Algorithm::EdDSA,
            SigningAlgorithm::Rs256 => Algorithm::RS256,
            SigningAlgorithm::Ps256 => Algorithm::PS256,
        };
        let key = match key {
            PublicKey::P256 { x, y } => DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat()),
            PublicKey::Ed25519 { x } => DecodingKey::from_ed_der(x),
            PublicKey::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        };
        let message = self.message.as_bytes();
        crypto::verify(self.signature, message, &key, algorithm).unwrap_or(false)
    }

    /// A claim that is a text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// A claim that is a time (RFC 7519 section 2): seconds since 1970, with or without fractions.
    pub(super) fn time(&self, claim: &str) -> Option<Instant> {
        const END: f64 = 253_402_300_800.0; // the year 10000
        let seconds = self.claims.get(claim)?.as_f64()?;
        let micros = (0.0..END).contains(&seconds).then_some(seconds * 1e6)?;
        DateTime::from_timestamp_micros(micros as i64)
    }

    /// The id that makes it one of a kind (RFC 7519 section 4.1.7).
    pub(super) fn id(&self) -> Option<&str> {
        let fits = |id: &&str| (1..=LONGEST_ID).contains(&id.len());
        self.text("jti").filter(fits)
    }
}

/// A digest of all the parts, each of which keeps its borders.
pub(super) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    match serde_json::from_slice(&json).ok()? {
        Strict(Value::Object(object)) => Some(object),
        Strict(_) => None,
    }
}
