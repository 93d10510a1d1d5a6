//! One key as a JSON Web Key (RFC 7517): read from the configuration, and published without what is secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::crypto::{ed25519, es256};
use super::keys::{Key, MIN_SECRET_BYTES};

pub(super) const HS256: &str = "HS256";
pub(super) const EDDSA: &str = "EdDSA";
pub(super) const ES256: &str = "ES256";

/// The name of EdDSA with this curve (RFC 9864, section 2.2): read, but not written, since not all know it yet.
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

/// A public key, as it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

/// Reads a key; with its private half if it has one, and it must be allowed to sign if it `signs`.
pub(super) fn parse(jwk: &Value, signs: bool) -> Result<(Key, Option<EncodingKey>), KeyError> {
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

/// The members of a key. Those that mean nothing to us are ignored (RFC 7517, section 4).
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

    fn check_algorithm(&self, name: &'static str, other: &str) -> Result<(), KeyError> {
        match self.text("alg")? {
            Some(alg) if alg != name && alg != other => Err(KeyError::Algorithm(name)),
            _ => Ok(()),
        }
    }

    fn check_curve(&self, name: &'static str) -> Result<(), KeyError> {
        match self.required("crv")? {
            crv if crv == name => Ok(()),
            _ => Err(KeyError::Curve(name)),
        }
    }

    /// The `kid`, or else the thumbprint of the required members in canonical form (RFC 7638, section 3).
    fn id(&self, canonical: &str) -> Result<String, KeyError> {
        Ok(match self.text("kid")? {
            Some(id) => id.to_owned(),
            None => URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes())),
        })
    }

    /// RFC 7518, section 6.4.
    fn symmetric(&self) -> Result<(Key, Option<EncodingKey>), KeyError> {
        self.check_algorithm(HS256, HS256)?;
        let secret = self.bytes("k")?.ok_or(KeyError::Missing("k"))?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::Short);
        }
        let k = URL_SAFE_NO_PAD.encode(&secret);
        let id = self.id(&format!(r#"{{"k":"{k}","kty":"oct"}}"#))?;
        let private = EncodingKey::from_secret(&secret);
        Ok((Key::hs256(&secret, Some(id)), Some(private)))
    }

    /// RFC 8037, section 2.
    fn ed25519(&self) -> Result<(Key, Option<EncodingKey>), KeyError> {
        self.check_curve(CURVE_ED25519)?;
        self.check_algorithm(EDDSA, ALGORITHM_ED25519)?;
        let public = self.required_number("x")?;
        if !ed25519::is_public_key(&public) {
            return Err(KeyError::Public("x"));
        }
        let private = self.number("d")?;
        if private.is_some_and(|seed| ed25519::public_key(&seed) != public) {
            return Err(KeyError::Mismatch("x"));
        }
        let x = URL_SAFE_NO_PAD.encode(public);
        let kid = self.id(&format!(
            r#"{{"crv":"{CURVE_ED25519}","kty":"OKP","x":"{x}"}}"#
        ))?;
        let key = Key {
            id: Some(kid.clone()),
            algorithm: Algorithm::EdDSA,
            decoding: DecodingKey::from_ed_der(&public),
            public: Some(PublicJwk {
                kty: "OKP",
                usage: "sig",
                alg: EDDSA,
                kid,
                crv: CURVE_ED25519,
                x,
                y: None,
            }),
        };
        Ok((key, private.map(|seed| EncodingKey::from_ed_der(&seed))))
    }

    /// RFC 7518, section 6.2.
    fn p256(&self) -> Result<(Key, Option<EncodingKey>), KeyError> {
        self.check_curve(CURVE_P256)?;
        self.check_algorithm(ES256, ES256)?;
        let (x, y) = (self.required_number("x")?, self.required_number("y")?);
        let mut point = [4; 65];
        point[1..33].copy_from_slice(&x);
        point[33..].copy_from_slice(&y);
        if !es256::is_public_key(&point) {
            return Err(KeyError::Public("x"));
        }
        let private = self.number("d")?;
        if let Some(d) = &private
            && es256::public_key(d).ok_or(KeyError::Private)? != point
        {
            return Err(KeyError::Mismatch("x"));
        }
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = self.id(&format!(
            r#"{{"crv":"{CURVE_P256}","kty":"EC","x":"{x}","y":"{y}"}}"#
        ))?;
        let key = Key {
            id: Some(kid.clone()),
            algorithm: Algorithm::ES256,
            decoding: DecodingKey::from_ec_der(&point),
            public: Some(PublicJwk {
                kty: "EC",
                usage: "sig",
                alg: ES256,
                kid,
                crv: CURVE_P256,
                x,
                y: Some(y),
            }),
        };
        Ok((key, private.map(|d| EncodingKey::from_ec_der(&d))))
    }
}
