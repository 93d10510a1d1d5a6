//! A key as a JSON Web Key (RFC 7517), as it is written: published without what is secret, or made and shown once.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::algorithm::KeyAlgorithm;
use super::crypto::{Ed25519, Es256};
use crate::ports::Random;

pub(super) const CURVE_ED25519: &str = "Ed25519";
pub(super) const CURVE_P256: &str = "P-256";

/// The members of a key, in the order in which they are written.
#[derive(Clone, Default, Serialize)]
pub(super) struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
}

impl Jwk {
    fn new(kty: &'static str, algorithm: KeyAlgorithm) -> Self {
        Self {
            kty,
            usage: "sig",
            alg: algorithm.name(),
            ..Self::default()
        }
    }

    /// RFC 7518, section 6.4.
    pub(super) fn symmetric(secret: &[u8]) -> Self {
        Self {
            k: Some(URL_SAFE_NO_PAD.encode(secret)),
            ..Self::new("oct", KeyAlgorithm::Hs256)
        }
    }

    /// RFC 8037, section 2.
    pub(super) fn ed25519(public: &[u8; 32]) -> Self {
        Self {
            crv: Some(CURVE_ED25519),
            x: Some(URL_SAFE_NO_PAD.encode(public)),
            ..Self::new("OKP", KeyAlgorithm::EdDsa)
        }
    }

    /// RFC 7518, section 6.2, of an uncompressed point.
    pub(super) fn p256(point: &[u8; 65]) -> Self {
        Self {
            crv: Some(CURVE_P256),
            x: Some(URL_SAFE_NO_PAD.encode(&point[1..33])),
            y: Some(URL_SAFE_NO_PAD.encode(&point[33..])),
            ..Self::new("EC", KeyAlgorithm::Es256)
        }
    }

    /// The thumbprint of an RSA key of this modulus and exponent.
    #[cfg(feature = "rs256")]
    pub(super) fn rsa_thumbprint(n: &[u8], e: &[u8]) -> String {
        let [n, e] = [n, e].map(|number| URL_SAFE_NO_PAD.encode(number));
        let json = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(json))
    }

    /// The digest of the required members in canonical form (RFC 7638, section 3).
    pub(super) fn thumbprint(&self) -> String {
        let members = [
            ("crv", self.crv),
            ("k", self.k.as_deref()),
            ("kty", Some(self.kty)),
            ("x", self.x.as_deref()),
            ("y", self.y.as_deref()),
        ];
        let members = members.into_iter().filter(|(_, value)| value.is_some());
        let json: Vec<_> = members
            .map(|(name, value)| format!(r#""{name}":"{}""#, value.unwrap_or_default()))
            .collect();
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", json.join(","))))
    }
}

/// A public key, as it is published.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct PublicJwk(pub(super) Jwk);

/// A private key: a secret.
pub struct PrivateJwk(Jwk);

impl PrivateJwk {
    /// A new key for `algorithm`. Its id tells whose it is, to who finds a token that it signed.
    pub fn generate(algorithm: KeyAlgorithm, random: &impl Random) -> Self {
        let Self(key) = Self::unnamed(algorithm, random);
        let kid = Some(format!("latchkey-{}", key.thumbprint()));
        Self(Jwk { kid, ..key })
    }

    fn unnamed(algorithm: KeyAlgorithm, random: &impl Random) -> Self {
        let mut secret = [0; 32];
        loop {
            random.fill(&mut secret);
            let public = match algorithm {
                KeyAlgorithm::Hs256 => return Self::from_secret(&secret),
                KeyAlgorithm::EdDsa => Jwk::ed25519(&Ed25519::private(&secret).public_key()),
                KeyAlgorithm::Es256 => match Es256::private(&secret) {
                    Some(key) => Jwk::p256(&key.public_key()),
                    // One number in 2^32 is not below the order of the curve.
                    None => continue,
                },
            };
            let d = Some(URL_SAFE_NO_PAD.encode(secret));
            return Self(Jwk { d, ..public });
        }
    }

    /// The HS256 key of this secret.
    pub fn from_secret(secret: &[u8]) -> Self {
        Self(Jwk::symmetric(secret))
    }

    /// The key as JSON, private members included.
    pub fn expose(&self) -> Value {
        serde_json::to_value(&self.0).expect("strings are always JSON")
    }
}

impl fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateJwk(..)")
    }
}
