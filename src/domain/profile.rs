//! What a profile must not hold. The apps see all of it, so a password or a hash in it would be given away.

use serde_json::{Map, Value};

use super::{PasswordHash, UnusableHash};

/// Names under which other systems keep passwords and their hashes, without case and punctuation.
const SECRET_NAMES: [&str; 16] = [
    "encryptedpassword",
    "hashedpassword",
    "passhash",
    "passphrase",
    "passwd",
    "passwdhash",
    "password",
    "passworddigest",
    "passwordencrypted",
    "passwordhash",
    "passwordhashed",
    "passwordplain",
    "pwd",
    "pwdhash",
    "userpass",
    "userpassword",
];

/// Whether something in a profile is a password or a hash, by its name or by itself, at any depth.
pub fn holds_secret(profile: &Map<String, Value>) -> bool {
    profile.iter().any(|(name, value)| {
        // Null holds nothing, and in a merge patch it takes away what should not be there.
        (is_secret_name(name) && !value.is_null()) || is_hash(name) || is_secret(value)
    })
}

/// Whether a password or a hash is to be expected under this name.
pub fn is_secret_name(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    let plain: Vec<_> = letters.map(|byte| byte.to_ascii_lowercase()).collect();
    SECRET_NAMES.iter().any(|secret| secret.as_bytes() == plain)
}

fn is_secret(value: &Value) -> bool {
    match value {
        Value::String(text) => is_hash(text),
        Value::Array(items) => items.iter().any(is_secret),
        Value::Object(object) => holds_secret(object),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn is_hash(text: &str) -> bool {
    // One that is too costly for us is one all the same.
    matches!(
        PasswordHash::parse(text),
        Ok(_) | Err(UnusableHash::TooCostly)
    )
}
