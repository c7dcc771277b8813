//! A client's public keys: a JWK Set (RFC 7517 section 5).

use serde_json::{Map, Value};

/// Public keys, as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwkSet(String);

/// Not usable as a client's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a JWK Set: an object with \"keys\", all of them public")]
pub struct MalformedJwks;

impl JwkSet {
    /// Reads a set of public keys. A private or symmetric one is refused: it has no place here.
    pub fn parse(text: &str) -> Result<Self, MalformedJwks> {
        let set: Map<String, Value> = serde_json::from_str(text).map_err(|_| MalformedJwks)?;
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.filter(|keys| !keys.is_empty()).ok_or(MalformedJwks)?;
        let is_public = |key: &Value| {
            key.is_object() && ["d", "k", "p", "q"].iter().all(|m| key.get(m).is_none())
        };
        if !keys.iter().all(is_public) {
            return Err(MalformedJwks);
        }
        Ok(Self(Value::Object(set).to_string()))
    }

    /// What was parsed before it was stored.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The set as JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
