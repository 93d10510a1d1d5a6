//! The keys: which one signs, which ones verify, and how they are configured.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::algorithm::KeyAlgorithm;
use super::jwk::PublicJwk;
use super::key::{self, Key, KeyError, MIN_SECRET_BYTES, SigningKey};

/// The keys: the first signs, all verify. There is at least one.
#[derive(Clone)]
pub struct KeySet {
    /// The private half of the first key. Those of the others are not kept.
    signing: SigningKey,
    keys: Vec<Key>,
}

impl KeySet {
    /// The set of one HS256 key: `secret`, of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeySetError::ShortSecret`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeySetError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeySetError::ShortSecret);
        }
        let (key, signing) = Key::hs256(secret, None);
        Ok(Self {
            signing,
            keys: vec![key],
        })
    }

    /// The algorithm that signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.keys[0].algorithm
    }

    /// The signature of `message` by the first key, in base64url.
    pub(super) fn signature(&self, message: &[u8]) -> String {
        let signature = self.signing.try_sign(message);
        URL_SAFE_NO_PAD.encode(signature.expect("a key that was parsed can sign"))
    }

    /// The `kid` of the header. `None` for a single symmetric key: no verifier has a choice of keys.
    pub(super) fn header_key_id(&self) -> Option<&str> {
        let first = &self.keys[0];
        if self.keys.len() > 1 || first.public.is_some() {
            first.id.as_deref()
        } else {
            None
        }
    }

    /// The keys that may have signed a token with this header. A token without `kid` was signed when there was one key.
    pub(super) fn candidates(
        &self,
        algorithm: &str,
        id: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| {
            key.algorithm.name() == algorithm && (id.is_none() || key.id.as_deref() == id)
        })
    }

    /// The public keys: empty where all keys are symmetric.
    pub fn public(&self) -> PublicKeySet<'_> {
        PublicKeySet {
            keys: self.keys.iter().flat_map(|key| &key.public).collect(),
        }
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

/// A JWK Set of public keys (RFC 7517, section 5).
#[derive(Clone, Default, Serialize)]
pub struct PublicKeySet<'a> {
    keys: Vec<&'a PublicJwk>,
}

/// Why a configured key set cannot be used. The messages number keys from 1, and never repeat one.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("an HS256 secret must have at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    #[error("is not a JWK Set (RFC 7517, section 5)")]
    Malformed,
    #[error("the JWK Set has no keys")]
    Empty,
    #[error("key {0}: {1}")]
    Key(usize, KeyError),
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl FromStr for KeySet {
    type Err = KeySetError;

    /// Parses the variable `signing_keys`: a JWK Set if it begins with a brace, else an HS256 secret: the bytes of the text
    /// without white space around it. Refuses PEM and JSON arrays.
    fn from_str(text: &str) -> Result<Self, KeySetError> {
        let text = text.trim();
        if text.starts_with('[') || text.starts_with("-----BEGIN") {
            return Err(KeySetError::Malformed);
        }
        if !text.starts_with('{') {
            return Self::from_secret(text.as_bytes());
        }
        let set: JwkSet =
            serde_json::from_slice(text.as_bytes()).map_err(|_| KeySetError::Malformed)?;
        let mut signing = None;
        let mut keys: Vec<Key> = Vec::with_capacity(set.keys.len());
        for (index, jwk) in set.keys.iter().enumerate() {
            let problem = |error| KeySetError::Key(index + 1, error);
            let signs = index == 0;
            let (key, private) = key::parse(jwk, signs).map_err(problem)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(problem(KeyError::DuplicateId));
            }
            if signs {
                signing = Some(private.ok_or(problem(KeyError::CannotSign))?);
            }
            keys.push(key);
        }
        let signing = signing.ok_or(KeySetError::Empty)?;
        Ok(Self { signing, keys })
    }
}
