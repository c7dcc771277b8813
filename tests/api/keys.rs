//! Keys of test clients, and signed messages put together by hand: nothing here knows how the service reads them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};

/// A key pair with the algorithm that it signs by.
pub(crate) enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps256(RsaKeyPair),
}

/// Base64 as JOSE has it.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// A new key on P-256.
    pub(crate) fn es256() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            pkcs8.unwrap().as_ref(),
            &random,
        );
        Self::Es256(pair.unwrap())
    }

    /// A new key of Ed25519.
    pub(crate) fn ed25519() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    /// The one RSA key of the tests: making one takes long.
    pub(crate) fn rs256() -> Self {
        Self::Rs256(rsa())
    }

    /// The same, for PSS.
    pub(crate) fn ps256() -> Self {
        Self::Ps256(rsa())
    }

    /// One of each.
    pub(crate) fn every_kind() -> [Self; 4] {
        [Self::es256(), Self::ed25519(), Self::rs256(), Self::ps256()]
    }

    /// The registered name of its algorithm.
    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
            Self::Ps256(_) => "PS256",
        }
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..])})
            }
            Self::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key())})
            }
            Self::Rs256(pair) | Self::Ps256(pair) => {
                let key = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": base64(key.n), "e": base64(key.e)})
            }
        }
    }

    /// A set with this key under this name.
    pub(crate) fn set(&self, kid: &str) -> String {
        let mut jwk = self.jwk();
        jwk["kid"] = json!(kid);
        json!({"keys": [jwk]}).to_string()
    }

    /// The signature of a text.
    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        let (random, text) = (SystemRandom::new(), text.as_bytes());
        match self {
            Self::Es256(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(text).as_ref().to_vec(),
            Self::Rs256(pair) => sign_rsa(pair, &RSA_PKCS1_SHA256, text),
            Self::Ps256(pair) => sign_rsa(pair, &RSA_PSS_SHA256, text),
        }
    }

    /// A signed message with this header and these claims, as they are.
    pub(crate) fn message(&self, header: &str, claims: &str) -> String {
        let text = format!("{}.{}", base64(header), base64(claims));
        let signature = base64(self.sign(&text));
        format!("{text}.{signature}")
    }
}

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("keys/rsa-2048.der")).unwrap()
}

fn sign_rsa(
    pair: &RsaKeyPair,
    padding: &'static dyn ring::signature::RsaEncoding,
    text: &[u8],
) -> Vec<u8> {
    let mut signature = vec![0; pair.public().modulus_len()];
    let random = SystemRandom::new();
    pair.sign(padding, &random, text, &mut signature).unwrap();
    signature
}
