//! One key, read from a JSON Web Key (RFC 7517) and ready to sign or verify.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use serde_json::{Map, Value};

use super::algorithm::KeyAlgorithm;
#[cfg(feature = "rs256")]
use super::crypto::Rs256;
use super::crypto::{Ed25519, Es256, ForeignEs256, Hs256};
use super::jwk::{CURVE_ED25519, CURVE_P256, Jwk, PublicJwk};

/// The name of EdDSA with this curve (RFC 9864, section 2.2): read, but not written, since not all know it yet.
const ALGORITHM_ED25519: &str = "Ed25519";

/// The fewest bytes of an HS256 secret: those of the hash (RFC 7518, section 3.2).
pub(super) const MIN_SECRET_BYTES: usize = 32;

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
    #[error("has private members: only public keys belong here")]
    NotPublic,
    #[error("`kty` must be RSA, OKP or EC")]
    PublicType,
    #[error("`kty` must be OKP or EC: this build does without RSA")]
    Rsa,
    #[error("`n` and `e` must be an RSA key of 2048 to 4096 bits")]
    RsaKey,
}

/// The private half of a key, ready to sign.
pub(super) type SigningKey = Arc<dyn JwtSigner + Send + Sync>;

/// What verifies by a key, ready to do so.
pub(super) type VerifyingKey = Arc<dyn JwtVerifier + Send + Sync>;

/// One key, ready to verify.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) algorithm: KeyAlgorithm,
    pub(super) verifier: VerifyingKey,
    /// The published half; a symmetric key has none.
    pub(super) public: Option<PublicJwk>,
}

impl Key {
    pub(super) fn hs256(secret: &[u8], id: Option<String>) -> (Self, SigningKey) {
        let hs256 = Arc::new(Hs256::new(secret));
        let key = Self {
            id,
            algorithm: KeyAlgorithm::Hs256,
            verifier: hs256.clone(),
            public: None,
        };
        (key, hs256)
    }

    /// Whether `signature`, in base64url, is that of `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &str) -> bool {
        verify(&self.verifier, message, signature)
    }
}

/// Reads a key; with its private half if it has one, and it must be allowed to sign if it `signs`.
pub(super) fn parse(jwk: &Value, signs: bool) -> Result<(Key, Option<SigningKey>), KeyError> {
    let members = Members::checked(jwk, signs)?;
    match members.required("kty")? {
        "oct" => members
            .symmetric()
            .map(|(key, private)| (key, Some(private))),
        "OKP" => members.ed25519(),
        "EC" => members.p256(),
        _ => Err(KeyError::Type),
    }
}

/// Reads a key that has no private half.
pub(super) fn parse_verifying(jwk: &Value) -> Result<Key, KeyError> {
    let members = Members::checked(jwk, false)?;
    if members.0.contains_key("d") {
        return Err(KeyError::NotPublic);
    }
    match members.required("kty")? {
        "oct" => members.symmetric().map(|(key, _)| key),
        "OKP" => members.ed25519_public().map(|(key, _)| key),
        "EC" => members.p256_public().map(|(key, _)| key),
        _ => Err(KeyError::Type),
    }
}

/// A public key of somebody else, ready to verify.
#[derive(Clone)]
pub(super) struct PublicKey {
    /// The `kid`, or else the thumbprint.
    pub(super) id: String,
    /// The value of `alg`.
    pub(super) algorithm: &'static str,
    verifier: VerifyingKey,
}

impl PublicKey {
    /// Whether `signature`, in base64url, is that of `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &str) -> bool {
        verify(&self.verifier, message, signature)
    }
}

fn verify(verifier: &VerifyingKey, message: &[u8], signature: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|signature| verifier.verify(message, &signature).is_ok())
}

/// Reads a public key of somebody else. No symmetric one: who verifies by it could sign.
pub(super) fn parse_public(jwk: &Value) -> Result<PublicKey, KeyError> {
    let members = Members(jwk.as_object().ok_or(KeyError::NotAnObject)?);
    match members.required("kty")? {
        "OKP" | "EC" => {
            let (key, _) = parse(jwk, false)?;
            Ok(PublicKey {
                id: key.id.unwrap_or_default(),
                algorithm: key.algorithm.name(),
                verifier: match key.algorithm {
                    KeyAlgorithm::Es256 => members.foreign_p256()?,
                    KeyAlgorithm::Hs256 | KeyAlgorithm::EdDsa => key.verifier,
                },
            })
        }
        "RSA" => Members::checked(jwk, false)?.rsa(),
        _ => Err(KeyError::PublicType),
    }
}

/// The members of a key. Those that mean nothing to us are ignored (RFC 7517, section 4).
struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    /// Those of a key that may be used.
    fn checked(jwk: &'a Value, signs: bool) -> Result<Self, KeyError> {
        let members = Self(jwk.as_object().ok_or(KeyError::NotAnObject)?);
        if members.text("use")?.is_some_and(|usage| usage != "sig") {
            return Err(KeyError::Use);
        }
        members.check_operations(signs)?;
        Ok(members)
    }

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

    /// The operations, if they are listed (RFC 7517, section 4.3). A key that has signed verifies what it signed, with the
    /// public half that belongs to it.
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

    fn symmetric(&self) -> Result<(Key, SigningKey), KeyError> {
        self.check_algorithm(KeyAlgorithm::Hs256, None)?;
        let secret = self.bytes("k")?.ok_or(KeyError::Missing("k"))?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::Short);
        }
        let id = self.id(&Jwk::symmetric(&secret))?;
        Ok(Key::hs256(&secret, Some(id)))
    }

    fn ed25519_public(&self) -> Result<(Key, [u8; 32]), KeyError> {
        self.check_curve(CURVE_ED25519)?;
        self.check_algorithm(KeyAlgorithm::EdDsa, Some(ALGORITHM_ED25519))?;
        let x = self.required_number("x")?;
        let verifier = Ed25519::public(&x).ok_or(KeyError::Public("x"))?;
        let key = self.asymmetric(KeyAlgorithm::EdDsa, Arc::new(verifier), Jwk::ed25519(&x))?;
        Ok((key, x))
    }

    fn ed25519(&self) -> Result<(Key, Option<SigningKey>), KeyError> {
        let (key, x) = self.ed25519_public()?;
        let private = self.number("d")?.map(|seed| Ed25519::private(&seed));
        if private.as_ref().is_some_and(|key| key.public_key() != x) {
            return Err(KeyError::Mismatch("x"));
        }
        Ok((key, private.map(|key| Arc::new(key) as SigningKey)))
    }

    /// An uncompressed point (SEC 1, section 2.3.3).
    fn point(&self) -> Result<[u8; 65], KeyError> {
        let (x, y) = (self.required_number("x")?, self.required_number("y")?);
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        Ok(point)
    }

    fn foreign_p256(&self) -> Result<VerifyingKey, KeyError> {
        let key = ForeignEs256::public(&self.point()?).ok_or(KeyError::Public("x"))?;
        Ok(Arc::new(key))
    }

    fn p256_public(&self) -> Result<(Key, [u8; 65]), KeyError> {
        self.check_curve(CURVE_P256)?;
        self.check_algorithm(KeyAlgorithm::Es256, None)?;
        let point = self.point()?;
        let verifier = Es256::public(&point).ok_or(KeyError::Public("x"))?;
        let key = self.asymmetric(KeyAlgorithm::Es256, Arc::new(verifier), Jwk::p256(&point))?;
        Ok((key, point))
    }

    fn p256(&self) -> Result<(Key, Option<SigningKey>), KeyError> {
        let (key, point) = self.p256_public()?;
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
        Ok((key, private.map(|key| Arc::new(key) as SigningKey)))
    }

    /// RFC 7518, section 6.3.1.
    #[cfg(feature = "rs256")]
    fn rsa(&self) -> Result<PublicKey, KeyError> {
        const RS256: &str = "RS256";
        if self.text("alg")?.is_some_and(|alg| alg != RS256) {
            return Err(KeyError::Algorithm(RS256));
        }
        let number = |name| self.bytes(name)?.ok_or(KeyError::Missing(name));
        let (n, e) = (number("n")?, number("e")?);
        let verifier = Rs256::public(&n, &e).ok_or(KeyError::RsaKey)?;
        let id = self.text("kid")?;
        Ok(PublicKey {
            id: id.map_or_else(|| Jwk::rsa_thumbprint(&n, &e), str::to_owned),
            algorithm: RS256,
            verifier: Arc::new(verifier),
        })
    }

    #[cfg(not(feature = "rs256"))]
    fn rsa(&self) -> Result<PublicKey, KeyError> {
        Err(KeyError::Rsa)
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
