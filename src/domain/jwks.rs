//! A client's public keys: a JWK Set (RFC 7517 section 5).

use std::collections::HashSet;

use serde_json::Value;

use super::json::Strict;
use super::jwk::{Jwk, MalformedJwk, SigningAlgorithm};

/// The longest set, in bytes.
const LONGEST: usize = 16 * 1024;

/// Public keys, as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwkSet(String);

/// Not usable as a client's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a JWK Set of public keys: {0}")]
pub struct MalformedJwks(&'static str);

impl From<MalformedJwk> for MalformedJwks {
    fn from(error: MalformedJwk) -> Self {
        Self(error.0)
    }
}

impl JwkSet {
    /// The most keys in a set.
    pub const MOST: usize = 20;

    /// Reads a set of public keys. It is refused as a whole when one of them could never be used: whoever registers it is there
    /// to read why.
    pub fn parse(text: &str) -> Result<Self, MalformedJwks> {
        if text.len() > LONGEST {
            return Err(MalformedJwks("it is longer than 16 KiB"));
        }
        let Ok(Strict(set)) = serde_json::from_str(text) else {
            return Err(MalformedJwks("it is not JSON, or has a name twice"));
        };
        let keys = read(&set)?;
        if keys.is_empty() || keys.len() > Self::MOST {
            return Err(MalformedJwks("it has no keys, or more than 20"));
        }
        let mut seen = HashSet::new();
        let mut names = keys.iter().filter_map(|key| key.kid.as_deref());
        if !names.all(|name| seen.insert(name)) {
            return Err(MalformedJwks("two keys have the same kid"));
        }
        Ok(Self(set.to_string()))
    }

    /// What was parsed before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The set as JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Every key.
    pub fn keys(&self) -> Vec<Jwk> {
        let set = serde_json::from_str(&self.0).ok();
        let keys = set.and_then(|set: Value| read(&set).ok());
        keys.unwrap_or_default()
    }

    /// The keys that a signature may have been made with: of the stated name, or all that fit when none is stated.
    pub fn candidates(&self, kid: Option<&str>, algorithm: SigningAlgorithm) -> Vec<Jwk> {
        let mut keys = self.keys();
        let named = |key: &Jwk| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        keys.retain(|key| named(key) && key.is_for(algorithm));
        keys
    }
}

fn read(set: &Value) -> Result<Vec<Jwk>, MalformedJwks> {
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or(MalformedJwks("it is no object with \"keys\""))?;
    let read = |key: &Value| {
        let key = key.as_object().ok_or(MalformedJwks("a key is no object"))?;
        Ok(Jwk::read(key)?)
    };
    keys.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn refused(set: &Value) -> &'static str {
        JwkSet::parse(&set.to_string()).unwrap_err().0
    }

    #[test]
    fn only_public_keys_that_can_be_used_are_taken() {
        let with = |member: &str, value: Value| {
            let mut key = ed25519();
            key[member] = value;
            refused(&json!({"keys": [key]}))
        };
        for (member, value) in [
            ("d", json!("AAAA")),
            ("k", json!("AAAA")),
            ("kty", json!("oct")),
            ("crv", json!("X25519")),
            ("x", json!("AAAA")),
            ("x", json!("not base64url!")),
            ("alg", json!("ES256")),
            ("alg", json!("none")),
            ("use", json!("enc")),
            ("key_ops", json!(["sign"])),
            ("kid", json!(7)),
            ("kid", json!("k".repeat(256))),
        ] {
            assert!(!with(member, value.clone()).is_empty(), "{member}: {value}");
        }
        let rsa = |n: Vec<u8>, e: &str| {
            use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
            json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": e}]}).to_string()
        };
        assert!(JwkSet::parse(&rsa(vec![0xff; 256], "AQAB")).is_ok());
        assert!(JwkSet::parse(&rsa(vec![0xff; 512], "AQAB")).is_ok());
        for (n, e) in [
            (vec![0xff; 128], "AQAB"),
            (vec![0x7f; 256], "AQAB"),
            (vec![0xff; 513], "AQAB"),
            (vec![0xfe; 256], "AQAB"),
            (vec![0xff; 256], "Aw"),
            (vec![0xff; 256], "AQAA"),
            (vec![0xff; 256], "AAEAAQ"),
            (vec![0xff; 256], "/////w"),
        ] {
            assert!(JwkSet::parse(&rsa(n, e)).is_err(), "{e}");
        }
    }

    #[test]
    fn a_set_has_1_to_20_keys_of_different_names() {
        let key = ed25519();
        assert_eq!(
            refused(&json!({"keys": []})),
            "it has no keys, or more than 20"
        );
        assert!(JwkSet::parse(&json!({"keys": vec![key.clone(); 20]}).to_string()).is_ok());
        assert_eq!(
            refused(&json!({"keys": vec![key.clone(); 21]})),
            "it has no keys, or more than 20"
        );
        let mut named = key;
        named["kid"] = json!("a");
        assert_eq!(
            refused(&json!({"keys": [named.clone(), named]})),
            "two keys have the same kid"
        );
        assert_eq!(refused(&json!([])), "it is no object with \"keys\"");
        assert!(JwkSet::parse(r#"{"keys":[],"keys":[]}"#).is_err());
        assert!(JwkSet::parse(&" ".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn a_key_is_found_by_its_name_or_by_what_it_can_do() {
        let mut named = ed25519();
        named["kid"] = json!("a");
        let set = JwkSet::parse(&json!({"keys": [ed25519(), named]}).to_string()).unwrap();
        let found = |kid, algorithm| set.candidates(kid, algorithm).len();
        assert_eq!(found(None, SigningAlgorithm::Ed25519), 2);
        assert_eq!(found(Some("a"), SigningAlgorithm::Ed25519), 1);
        assert_eq!(found(Some("b"), SigningAlgorithm::Ed25519), 0);
        assert_eq!(found(None, SigningAlgorithm::Es256), 0);
    }
}
