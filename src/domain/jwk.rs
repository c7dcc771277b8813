//! One public key that signatures are checked with, as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The longest name of a key.
const LONGEST_KID: usize = 255;
/// Members of private and symmetric keys.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// How something is signed. Nothing symmetric is here, and `none` is not either (RFC 8725 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl SigningAlgorithm {
    /// Every name that is understood: `Ed25519` is the newer one for what `EdDSA` means here (RFC 9864).
    pub const NAMES: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            _ => None,
        }
    }
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A point on P-256. Whether it is on the curve is seen when a signature is checked.
    P256 {
        /// Its first coordinate.
        x: [u8; 32],
        /// Its second coordinate.
        y: [u8; 32],
    },
    /// A key of Ed25519.
    Ed25519 {
        /// The key.
        x: [u8; 32],
    },
    /// A key of RSA, of 2048 to 4096 bits.
    Rsa {
        /// The modulus, big-endian, without leading zeros.
        n: Vec<u8>,
        /// The exponent, likewise.
        e: Vec<u8>,
    },
}

/// A public key with what is said about its use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// The key.
    pub key: PublicKey,
    /// What its owner calls it.
    pub kid: Option<String>,
    /// The only algorithm that it is for; none when any that fits will do.
    pub algorithm: Option<SigningAlgorithm>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedJwk(pub(super) &'static str);

impl PublicKey {
    /// Whether signatures of this kind can be made with the private half.
    pub fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        match self {
            Self::P256 { .. } => algorithm == SigningAlgorithm::Es256,
            Self::Ed25519 { .. } => algorithm == SigningAlgorithm::Ed25519,
            Self::Rsa { .. } => {
                matches!(algorithm, SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256)
            }
        }
    }

    /// Its name that cannot be chosen (RFC 7638 section 3): the digest of what makes it that key, in the one canonical spelling.
    pub fn thumbprint(&self) -> [u8; 32] {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let canonical = match self {
            Self::P256 { x, y } => format!(
                r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
                text(x),
                text(y)
            ),
            Self::Ed25519 { x } => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(x))
            }
            Self::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n))
            }
        };
        Sha256::digest(canonical.as_bytes()).into()
    }
}

impl Jwk {
    /// Reads a public key; what is private or symmetric is refused.
    pub fn read(jwk: &Map<String, Value>) -> Result<Self, MalformedJwk> {
        if PRIVATE.iter().any(|member| jwk.contains_key(*member)) {
            return Err(MalformedJwk("a key is not public"));
        }
        let key = match (text(jwk, "kty")?, text(jwk, "crv")?) {
            (Some("EC"), Some("P-256")) => PublicKey::P256 {
                x: coordinate(jwk, "x")?,
                y: coordinate(jwk, "y")?,
            },
            (Some("OKP"), Some("Ed25519")) => ed25519(coordinate(jwk, "x")?)?,
            (Some("RSA"), None) => rsa(octets(jwk, "n")?, octets(jwk, "e")?)?,
            _ => {
                return Err(MalformedJwk(
                    "a key is of another kind than EC P-256, OKP Ed25519 and RSA",
                ));
            }
        };
        let algorithm = text(jwk, "alg")?.map(|name| {
            SigningAlgorithm::named(name)
                .filter(|algorithm| key.fits(*algorithm))
                .ok_or(MalformedJwk("a key's alg is unknown or of another kind"))
        });
        let signs = text(jwk, "use")?.is_none_or(|purpose| purpose == "sig");
        if !signs || !verifies(jwk.get("key_ops")) {
            return Err(MalformedJwk("a key is for something else than signatures"));
        }
        let kid = text(jwk, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(MalformedJwk("a kid is too long"));
        }
        Ok(Self {
            algorithm: algorithm.transpose()?,
            key,
            kid,
        })
    }

    /// Whether signatures of this kind may be checked with it.
    pub fn is_for(&self, algorithm: SigningAlgorithm) -> bool {
        self.key.fits(algorithm) && self.algorithm.is_none_or(|only| only == algorithm)
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, MalformedJwk> {
    let wrong = MalformedJwk("a member of a key is not a text");
    let member = jwk.get(name);
    member.map(|value| value.as_str().ok_or(wrong)).transpose()
}

fn octets(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, MalformedJwk> {
    let encoded = text(jwk, name)?.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    encoded.ok_or(MalformedJwk("a number of a key is missing or malformed"))
}

/// Of the full length, leading zeros included (RFC 7518 section 6.2.1.2).
fn coordinate(jwk: &Map<String, Value>, name: &str) -> Result<[u8; 32], MalformedJwk> {
    let wrong = |_| MalformedJwk("a number of a key has the wrong length");
    octets(jwk, name)?.try_into().map_err(wrong)
}

/// With one of the eight points of small order, in whatever spelling, anybody could make signatures (RFC 8032 section 8.9 has more).
fn ed25519(x: [u8; 32]) -> Result<PublicKey, MalformedJwk> {
    const OF_ORDER_EIGHT: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = x;
    y[31] &= 0x7f; // the sign of the other coordinate
    let low = |first: u8| y[0] == first && y[1..].iter().all(|byte| *byte == 0); // 0 and 1
    let high = y[0] >= 0xec && y[31] == 0x7f && y[1..31].iter().all(|byte| *byte == 0xff); // p-1, p, p+1 and beyond
    if low(0) || low(1) || high || OF_ORDER_EIGHT.contains(&y) {
        return Err(MalformedJwk("an Ed25519 key is one that signs nothing"));
    }
    Ok(PublicKey::Ed25519 { x })
}

/// 2048 bits are what JWA asks for (RFC 7518 section 3.3). More than 4096 only cost time, which callers could have us spend.
fn rsa(n: Vec<u8>, e: Vec<u8>) -> Result<PublicKey, MalformedJwk> {
    let large = matches!(n.first(), Some(0x80..)) || n.len() > 256;
    let shaped = n.first() != Some(&0) && n.last().is_some_and(|last| last % 2 == 1);
    if !large || !shaped || !(256..=512).contains(&n.len()) {
        return Err(MalformedJwk("an RSA key must have 2048 to 4096 bits"));
    }
    let exponent = e.iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let common = (65_537..1 << 32).contains(&exponent) && exponent % 2 == 1;
    if e.len() > 4 || e.first() == Some(&0) || !common {
        return Err(MalformedJwk(
            "an RSA key's exponent must be odd and at least 65537",
        ));
    }
    Ok(PublicKey::Rsa { n, e })
}

fn verifies(operations: Option<&Value>) -> bool {
    operations.is_none_or(|value| {
        let names = value.as_array();
        names.is_some_and(|names| names.iter().any(|name| name == "verify"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the thumbprint of RFC 7638 section 3.1.
    #[test]
    fn the_thumbprint_is_that_of_the_rfc() {
        let jwk = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let read = Jwk::read(&serde_json::from_str(jwk).unwrap()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(read.key.thumbprint());
        assert_eq!(thumbprint, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert!(read.is_for(SigningAlgorithm::Rs256));
        assert!(!read.is_for(SigningAlgorithm::Ps256));
    }

    /// Under the neutral point, a signature of zeros fits every message.
    #[test]
    fn points_of_small_order_are_no_keys() {
        let read = |x: [u8; 32]| {
            let jwk =
                serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x)});
            Jwk::read(jwk.as_object().unwrap()).is_ok()
        };
        let with = |first: u8, rest: u8, last: u8| {
            let mut x = [rest; 32];
            (x[0], x[31]) = (first, last);
            x
        };
        for sign in [0, 0x80] {
            for (first, rest, last) in [
                (0, 0, 0),
                (1, 0, 0),
                (0xec, 0xff, 0x7f),
                (0xed, 0xff, 0x7f),
                (0xee, 0xff, 0x7f),
            ] {
                assert!(!read(with(first, rest, last | sign)), "{first:x} {sign:x}");
            }
        }
        assert!(read(with(0x58, 0x66, 0x66)), "the base point is a key");
        assert!(read(with(2, 0, 0)) && read(with(0xeb, 0xff, 0x7f)));
    }

    #[test]
    fn every_name_of_an_algorithm_is_one() {
        for name in SigningAlgorithm::NAMES {
            assert!(SigningAlgorithm::named(name).is_some(), "{name}");
        }
        for name in ["none", "None", "HS256", "RS512", "es256", "RSA1_5", ""] {
            assert_eq!(SigningAlgorithm::named(name), None, "{name}");
        }
    }
}
