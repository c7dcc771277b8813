//! A client that signs instead of stating a secret: `private_key_jwt` (RFC 7521 section 4.2, RFC 7523 section 3, bar X06).
//!
//! What costs nothing is checked first, the signature then, and only what is good is used up: a forged assertion must not burn the
//! id of a real one. Every refusal is the same to the caller (bar X07); the word beside it is for the log.

use chrono::TimeDelta;

use super::TokenError;
use super::jose::{Signed, digest};
use crate::domain::jwk::{Jwk, PublicKey, SigningAlgorithm};
use crate::domain::{Client, ClientId, Instant};
use crate::storage::{AnyConnection, Storage, clients, jtis};

/// What `client_assertion_type` must say (RFC 7523 section 2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest that an assertion may live.
const LIFETIME: TimeDelta = TimeDelta::minutes(5);
/// How far clocks may be apart where an assertion's end is concerned.
const LEEWAY: TimeDelta = TimeDelta::seconds(10);
/// How far a client's clock may be ahead.
const AHEAD: TimeDelta = TimeDelta::seconds(60);
/// The most keys that are tried for an assertion that names none by a `kid`: enough to change keys, and no way to make us work.
const UNNAMED: usize = 4;
/// How much longer than an assertion its id is remembered: another node, whose clock is ahead, may be the one that forgets.
const MEMORY: TimeDelta = TimeDelta::minutes(2);

/// An assertion as sent, and the id that the form states beside it.
#[derive(Clone)]
pub struct ClientAssertion {
    /// `client_assertion`.
    pub text: String,
    /// `client_id`, which need not be there.
    pub client_id: Option<String>,
}

impl std::fmt::Debug for ClientAssertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientAssertion(..)")
    }
}

/// A client that has proved who it is, by an assertion that is not used up yet.
pub(super) struct Proven {
    client: Client,
    id: [u8; 32],
    ends: Instant,
}

/// Checks everything but whether the assertion was used before. No connection is held while the signature is checked.
pub(super) async fn verify(
    storage: &Storage,
    assertion: &ClientAssertion,
    issuer: &str,
    now: Instant,
) -> Result<Proven, TokenError> {
    let refused = TokenError::InvalidAssertion;
    let signed = Signed::read(&assertion.text).ok_or(refused("form"))?;
    if !has_fitting_header(&signed) {
        return Err(refused("header"));
    }
    let (id, ends) = judge(&signed, issuer, now).map_err(refused)?;
    let subject = signed.text("sub").ok_or(refused("sub"))?;
    if assertion
        .client_id
        .as_deref()
        .is_some_and(|id| id != subject)
    {
        return Err(refused("client_id"));
    }
    let subject = ClientId::new(subject);
    let found = storage.read(move |c| clients::find(c, &subject)).await?;
    let client = found.filter(may_sign);
    let keys = candidates(client.as_ref(), &signed);
    let proven = is_signed_by_one_of(&keys, &signed);
    match client {
        Some(client) if proven => Ok(Proven { client, id, ends }),
        Some(_) => Err(refused("key")),
        None => Err(refused("client")),
    }
}

impl Proven {
    /// Uses the assertion up, which works once, and gives the client back as it is by now: still with the same keys.
    pub(super) fn redeem(self, c: &mut AnyConnection) -> Result<Client, TokenError> {
        if !jtis::spend(c, self.id, self.ends + MEMORY)? {
            return Err(TokenError::InvalidAssertion("replay"));
        }
        let client = clients::find(c, &self.client.id)?.filter(may_sign);
        let same = client.filter(|client| client.jwks == self.client.jwks);
        same.ok_or(TokenError::InvalidAssertion("client"))
    }
}

/// Whether this client may authenticate so: registered for it, and not switched off.
fn may_sign(client: &Client) -> bool {
    client.disabled_at.is_none() && client.signs()
}

/// By `typ`, if there is one, it must not be a message for something else (RFC 8725 section 3.11). Which key signed is not the
/// header's to say: `jwk`, `jku`, `x5c` and `x5u` mean nothing here.
pub(super) fn has_fitting_header(signed: &Signed<'_>) -> bool {
    let named = signed.header.get("kid").is_none_or(|kid| kid.is_string());
    let typed = signed.header.get("typ").is_none_or(|typ| {
        let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        ["jwt", "client-authentication+jwt"].contains(&typ)
    });
    named && typed
}

/// The claims, but for whose they are: the digest under which the id is remembered, and when the assertion ends. Or the claim that is
/// wrong.
pub(super) fn judge(
    signed: &Signed<'_>,
    issuer: &str,
    now: Instant,
) -> Result<([u8; 32], Instant), &'static str> {
    let subject = signed.text("sub").ok_or("sub")?;
    if signed.text("iss") != Some(subject) {
        return Err("iss");
    }
    // The issuer alone and as a text: whoever accepts more can be fed an assertion that was meant for somebody else.
    if signed.text("aud") != Some(issuer) {
        return Err("aud");
    }
    let lives = |ends: &Instant| now < *ends + LEEWAY && *ends <= now + LIFETIME + LEEWAY;
    let ends = signed.time("exp").filter(lives).ok_or("exp")?;
    // What is stated must be a time; neither has to be.
    let absent = |claim: &str| !signed.claims.contains_key(claim);
    let begun = |at: Instant| at <= now + AHEAD;
    if !absent("nbf") && !signed.time("nbf").is_some_and(begun) {
        return Err("nbf");
    }
    let recent = |at: Instant| begun(at) && now <= at + LIFETIME + LEEWAY;
    if !absent("iat") && !signed.time("iat").is_some_and(recent) {
        return Err("iat");
    }
    let id = signed.id().ok_or("jti")?;
    // An id belongs to its client: two may choose the same.
    let id = digest(&[b"client assertion", subject.as_bytes(), id.as_bytes()]);
    Ok((id, ends))
}

/// The client's own keys that can have made this signature.
fn candidates(client: Option<&Client>, signed: &Signed<'_>) -> Vec<Jwk> {
    let kid = signed.header.get("kid").and_then(|kid| kid.as_str());
    let keys = client.and_then(|client| client.jwks.as_ref());
    keys.map_or_else(Vec::new, |keys| keys.candidates(kid, signed.algorithm))
}

/// Whether one of these keys made the signature. To find that none did takes the same number of checks whoever is asked for, and
/// however many keys there are (bar O09): one where a key is named, since names are unique, else as many as are tried at all.
fn is_signed_by_one_of(keys: &[Jwk], signed: &Signed<'_>) -> bool {
    let checks = match signed.header.contains_key("kid") {
        true => 1,
        false => UNNAMED,
    };
    let decoy = decoy(signed.algorithm);
    for at in 0..checks {
        let key = keys.get(at).map(|jwk| &jwk.key);
        let made_it = signed.is_signed_by(key.unwrap_or(&decoy));
        if made_it && key.is_some() {
            return true;
        }
    }
    false
}

/// A key to check with where there is none. Its private half is no secret, and what it has signed is refused like all else.
fn decoy(algorithm: SigningAlgorithm) -> PublicKey {
    match algorithm {
        // The base point of the curve.
        SigningAlgorithm::Es256 => PublicKey::P256 {
            x: [
                0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4,
                0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45,
                0xd8, 0x98, 0xc2, 0x96,
            ],
            y: [
                0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f,
                0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68,
                0x37, 0xbf, 0x51, 0xf5,
            ],
        },
        SigningAlgorithm::Ed25519 => {
            let mut x = [0x66; 32];
            x[0] = 0x58;
            PublicKey::Ed25519 { x }
        }
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => PublicKey::Rsa {
            n: vec![0xff; 256],
            e: vec![1, 0, 1],
        },
    }
}
