//! One key as a JSON Web Key (RFC 7517): made, read from the configuration, and published without what is secret.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::crypto::{Ed25519, Es256};
use super::keys::{Key, KeyAlgorithm, MIN_SECRET_BYTES, SigningKey, VerifyingKey};
use crate::ports::Random;

/// The name of EdDSA with this curve (RFC 9864, section 2.2): read, but not written, since few verifiers know it yet.
const ALGORITHM_ED25519: &str = "Ed25519";

const CURVE_ED25519: &str = "Ed25519";
const CURVE_P256: &str = "P-256";

/// Why one key of a set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("is not an object")]
    NotAnObject,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` must be a string")]
    NotAString(&'static str),
    #[error("`d` is missing, and the first key must be able to sign")]
    CannotSign,
    #[error("`kty` must be oct, OKP or EC")]
    Type,
    #[error("`crv` must be {0}")]
    Curve(&'static str),
    #[error("`alg` must be {0}")]
    Algorithm(&'static str),
    #[error("`use` must be sig")]
    Use,
    #[error("`key_ops` must be a list of operations, with {0}")]
    Operations(&'static str),
    #[error("`{0}` must be base64url without padding")]
    Encoding(&'static str),
    #[error("`{0}` must be 32 bytes")]
    Length(&'static str),
    #[error("`k` must be at least {MIN_SECRET_BYTES} bytes")]
    Short,
    #[error("`d` is not a private key of the curve")]
    Private,
    #[error("`{0}` is not a public key of the curve")]
    Public(&'static str),
    #[error("`{0}` does not belong to `d`")]
    Mismatch(&'static str),
    #[error("its `kid` is that of an earlier key")]
    DuplicateId,
}

/// The members of a key, in the order in which they are written.
#[derive(Clone, Default, Serialize)]
struct Jwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
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
    fn symmetric(secret: &[u8]) -> Self {
        Self {
            k: Some(URL_SAFE_NO_PAD.encode(secret)),
            ..Self::new("oct", KeyAlgorithm::Hs256)
        }
    }

    /// RFC 8037, section 2.
    fn ed25519(public: &[u8; 32]) -> Self {
        Self {
            crv: Some(CURVE_ED25519),
            x: Some(URL_SAFE_NO_PAD.encode(public)),
            ..Self::new("OKP", KeyAlgorithm::EdDsa)
        }
    }

    /// RFC 7518, section 6.2, of an uncompressed point.
    fn p256(point: &[u8; 65]) -> Self {
        Self {
            crv: Some(CURVE_P256),
            x: Some(URL_SAFE_NO_PAD.encode(&point[1..33])),
            y: Some(URL_SAFE_NO_PAD.encode(&point[33..])),
            ..Self::new("EC", KeyAlgorithm::Es256)
        }
    }

    /// The digest of the required members in canonical form (RFC 7638, section 3).
    fn thumbprint(&self) -> String {
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
pub struct PublicJwk(Jwk);

/// A private key: a secret.
pub struct PrivateJwk(Jwk);

impl PrivateJwk {
    /// A new key for `algorithm`.
    pub fn generate(algorithm: KeyAlgorithm, random: &impl Random) -> Self {
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

/// Reads a key, and its private half if it has one. If it `signs`, `key_ops` must allow it.
pub(super) fn parse(jwk: &Value, signs: bool) -> Result<(Key, Option<SigningKey>), KeyError> {
    let members = Members(jwk.as_object().ok_or(KeyError::NotAnObject)?);
    if members.text("use")?.is_some_and(|usage| usage != "sig") {
        return Err(KeyError::Use);
    }
    members.check_operations(signs)?;
    match members.required("kty")? {
        "oct" => members.symmetric(),
        "OKP" => members.ed25519(),
        "EC" => members.p256(),
        _ => Err(KeyError::Type),
    }
}

/// The members of a key. Unknown ones are ignored (RFC 7517, section 4).
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    fn text(&self, name: &'static str) -> Result<Option<&'a str>, KeyError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(KeyError::NotAString(name)),
        }
    }

    fn required(&self, name: &'static str) -> Result<&'a str, KeyError> {
        self.text(name)?.ok_or(KeyError::Missing(name))
    }

    fn bytes(&self, name: &'static str) -> Result<Option<Vec<u8>>, KeyError> {
        self.text(name)?
            .map(|text| URL_SAFE_NO_PAD.decode(text))
            .transpose()
            .map_err(|_| KeyError::Encoding(name))
    }

    /// A number of 256 bits, in its full length (RFC 7518, section 6.2.1.2).
    fn number(&self, name: &'static str) -> Result<Option<[u8; 32]>, KeyError> {
        self.bytes(name)?
            .map(|bytes| bytes.try_into().map_err(|_| KeyError::Length(name)))
            .transpose()
    }

    fn required_number(&self, name: &'static str) -> Result<[u8; 32], KeyError> {
        self.number(name)?.ok_or(KeyError::Missing(name))
    }

    /// Checks the operations, if listed (RFC 7517, section 4.3). A key that may sign may also verify.
    fn check_operations(&self, signs: bool) -> Result<(), KeyError> {
        let needed = if signs { "sign" } else { "verify" };
        let problem = KeyError::Operations(needed);
        let Some(operations) = self.0.get("key_ops") else {
            return Ok(());
        };
        let operations = operations.as_array().ok_or(problem)?;
        let has = |name: &str| operations.iter().any(|operation| operation == name);
        if operations.iter().all(Value::is_string) && (has("sign") || has(needed)) {
            Ok(())
        } else {
            Err(problem)
        }
    }

    /// `alg` may be missing; one algorithm has another name too.
    fn check_algorithm(
        &self,
        algorithm: KeyAlgorithm,
        other: Option<&str>,
    ) -> Result<(), KeyError> {
        let name = algorithm.name();
        match self.text("alg")? {
            Some(alg) if alg != name && Some(alg) != other => Err(KeyError::Algorithm(name)),
            _ => Ok(()),
        }
    }

    fn check_curve(&self, name: &'static str) -> Result<(), KeyError> {
        match self.required("crv")? {
            crv if crv == name => Ok(()),
            _ => Err(KeyError::Curve(name)),
        }
    }

    /// The `kid`, or else the thumbprint.
    fn id(&self, jwk: &Jwk) -> Result<String, KeyError> {
        let id = self.text("kid")?;
        Ok(id.map_or_else(|| jwk.thumbprint(), str::to_owned))
    }

    fn symmetric(&self) -> Result<(Key, Option<SigningKey>), KeyError> {
        self.check_algorithm(KeyAlgorithm::Hs256, None)?;
        let secret = self.bytes("k")?.ok_or(KeyError::Missing("k"))?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::Short);
        }
        let id = self.id(&Jwk::symmetric(&secret))?;
        let (key, private) = Key::hs256(&secret, Some(id));
        Ok((key, Some(private)))
    }

    fn ed25519(&self) -> Result<(Key, Option<SigningKey>), KeyError> {
        self.check_curve(CURVE_ED25519)?;
        self.check_algorithm(KeyAlgorithm::EdDsa, Some(ALGORITHM_ED25519))?;
        let x = self.required_number("x")?;
        let verifier = Ed25519::public(&x).ok_or(KeyError::Public("x"))?;
        let private = self.number("d")?.map(|seed| Ed25519::private(&seed));
        if private.as_ref().is_some_and(|key| key.public_key() != x) {
            return Err(KeyError::Mismatch("x"));
        }
        let key = self.asymmetric(KeyAlgorithm::EdDsa, Arc::new(verifier), Jwk::ed25519(&x))?;
        Ok((key, private.map(|key| Arc::new(key) as SigningKey)))
    }

    fn p256(&self) -> Result<(Key, Option<SigningKey>), KeyError> {
        self.check_curve(CURVE_P256)?;
        self.check_algorithm(KeyAlgorithm::Es256, None)?;
        let (x, y) = (self.required_number("x")?, self.required_number("y")?);
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        let verifier = Es256::public(&point).ok_or(KeyError::Public("x"))?;
        let private = self
            .number("d")?
            .map(|d| Es256::private(&d).ok_or(KeyError::Private))
            .transpose()?;
        if private
            .as_ref()
            .is_some_and(|key| key.public_key() != point)
        {
            return Err(KeyError::Mismatch("x"));
        }
        let key = self.asymmetric(KeyAlgorithm::Es256, Arc::new(verifier), Jwk::p256(&point))?;
        Ok((key, private.map(|key| Arc::new(key) as SigningKey)))
    }

    fn asymmetric(
        &self,
        algorithm: KeyAlgorithm,
        verifier: VerifyingKey,
        mut public: Jwk,
    ) -> Result<Key, KeyError> {
        let id = Some(self.id(&public)?);
        public.kid = id.clone();
        Ok(Key {
            id,
            algorithm,
            verifier,
            public: Some(PublicJwk(public)),
        })
    }
}
