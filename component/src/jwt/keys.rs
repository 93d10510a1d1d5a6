//! The keys: which one signs, which ones verify, and how they are configured.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::crypto;

/// The fewest bytes of an HS256 secret: those of the hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// One key with its algorithm.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    fn hs256(secret: &[u8], id: Option<String>) -> Self {
        Self {
            id,
            algorithm: Algorithm::HS256,
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }

    /// The name of its algorithm (RFC 7518, section 3.1).
    pub(super) fn algorithm_name(&self) -> &'static str {
        match self.algorithm {
            Algorithm::HS256 => "HS256",
            _ => unreachable!("no key is made for another algorithm"),
        }
    }

    /// The signature of `message`, in base64url.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        jsonwebtoken::crypto::sign(message, &self.encoding, self.algorithm)
            .expect("a key fits its algorithm")
    }

    /// Whether `signature`, in base64url, is that of `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, self.algorithm)
            .unwrap_or(false)
    }
}

/// The keys: the first signs, all verify. There is at least one.
#[derive(Clone)]
pub struct KeySet(Vec<Key>);

impl KeySet {
    /// The set of one HS256 key: `secret`, of at least 32 bytes.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeySetError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeySetError::ShortSecret);
        }
        crypto::install();
        Ok(Self(vec![Key::hs256(secret, None)]))
    }

    pub(super) fn signing_key(&self) -> &Key {
        &self.0[0]
    }

    /// The `kid` of the header: only where there is a choice of keys.
    pub(super) fn header_key_id(&self) -> Option<&str> {
        if self.0.len() > 1 {
            self.signing_key().id.as_deref()
        } else {
            None
        }
    }

    /// The keys that may have signed a token with this header. One without `kid` comes from the time when there was one
    /// key.
    pub(super) fn candidates(
        &self,
        algorithm: &str,
        id: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            key.algorithm_name() == algorithm && (id.is_none() || key.id.as_deref() == id)
        })
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.0.len())
    }
}

/// Why a configured key set cannot be used. The messages never repeat a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// A secret that is too easy to guess.
    #[error("an HS256 secret must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    /// It looks like one, and is not `{"keys":[{"kty":…},…]}`.
    #[error("is not a JWK Set (RFC 7517, section 5)")]
    Malformed,
    /// There must be one that signs.
    #[error("the JWK Set has no keys")]
    Empty,
    /// The key at this place, from 1, cannot be used.
    #[error("key {0}: {1}")]
    Key(usize, KeyError),
}

/// Why one key of a set cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("only `kty` oct is supported")]
    Type,
    #[error("only `alg` HS256 is supported")]
    Algorithm,
    #[error("`use` must be sig")]
    Use,
    #[error("`k` must be base64url without padding")]
    Encoding,
    #[error("`k` must be at least {MIN_SECRET_BYTES} bytes")]
    Short,
    #[error("its `kid` is that of an earlier key")]
    DuplicateId,
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    k: Option<String>,
}

impl FromStr for KeySet {
    type Err = KeySetError;

    /// Parses the variable `signing_keys`: a JWK Set if it begins with a brace, else an HS256 secret, whose bytes are
    /// those of the text without white space around it. JSON that is no object, and PEM, are taken for mistakes.
    fn from_str(text: &str) -> Result<Self, KeySetError> {
        let text = text.trim();
        if text.starts_with('[') || text.starts_with("-----BEGIN") {
            return Err(KeySetError::Malformed);
        }
        if !text.starts_with('{') {
            return Self::from_secret(text.as_bytes());
        }
        let set: JwkSet = serde_json::from_str(text).map_err(|_| KeySetError::Malformed)?;
        if set.keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        crypto::install();
        let mut keys: Vec<Key> = Vec::with_capacity(set.keys.len());
        for (index, jwk) in set.keys.into_iter().enumerate() {
            let key = jwk
                .into_key()
                .map_err(|error| KeySetError::Key(index + 1, error))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeySetError::Key(index + 1, KeyError::DuplicateId));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }
}

impl Jwk {
    fn into_key(self) -> Result<Key, KeyError> {
        if self.kty != "oct" {
            return Err(KeyError::Type);
        }
        if self.alg.is_some_and(|alg| alg != "HS256") {
            return Err(KeyError::Algorithm);
        }
        if self.usage.is_some_and(|usage| usage != "sig") {
            return Err(KeyError::Use);
        }
        let k = self.k.ok_or(KeyError::Encoding)?;
        let secret = URL_SAFE_NO_PAD.decode(&k).map_err(|_| KeyError::Encoding)?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::Short);
        }
        let id = self
            .kid
            .unwrap_or_else(|| thumbprint(&format!(r#"{{"k":"{k}","kty":"oct"}}"#)));
        Ok(Key::hs256(&secret, Some(id)))
    }
}

/// The thumbprint of a key's required members in canonical form (RFC 7638, section 3).
fn thumbprint(canonical: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.as_bytes()))
}
