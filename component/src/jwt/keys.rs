//! The keys: which one signs, which ones verify, and how they are configured.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::algorithm::KeyAlgorithm;
use super::jwk::PublicJwk;
use super::key::{self, Key, KeyError, MIN_SECRET_BYTES, SigningKey};
use super::lookalike;
use crate::text;

/// The keys: the first signs, all verify. There is at least one.
#[derive(Clone)]
pub struct KeySet {
    /// The private half of the first key. Those of the others are not kept.
    signing: SigningKey,
    keys: VerifyingKeys,
}

/// Keys that verify. There is at least one.
#[derive(Clone)]
pub struct VerifyingKeys(Vec<Key>);

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
            keys: VerifyingKeys(vec![key]),
        })
    }

    /// The algorithm that signs.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.keys.0[0].algorithm
    }

    /// The algorithms of all keys, each once, that of the first key first.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for key in &self.keys.0 {
            let name = key.algorithm.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The signature of `message` by the first key, in base64url.
    pub(super) fn signature(&self, message: &[u8]) -> String {
        let signature = self.signing.try_sign(message);
        URL_SAFE_NO_PAD.encode(signature.expect("a key that was parsed can sign"))
    }

    /// A secret for `purpose` that only those can compute who have the first key, the same as long as that one signs.
    ///
    /// It is the digest of a signature: all algorithms here sign without randomness (RFC 8032, RFC 6979), and nothing with
    /// a space in it is the signing input of a token.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let signature = self
            .signing
            .try_sign(format!("latchkey {purpose}").as_bytes());
        Sha256::digest(signature.expect("a key that was parsed can sign")).into()
    }

    /// The `kid` of the header. `None` for a single symmetric key: no verifier has a choice of keys.
    pub(super) fn header_key_id(&self) -> Option<&str> {
        let first = &self.keys.0[0];
        if self.keys.0.len() > 1 || first.public.is_some() {
            first.id.as_deref()
        } else {
            None
        }
    }

    /// The public keys: empty where all keys are symmetric.
    pub fn public(&self) -> PublicKeySet<'_> {
        PublicKeySet {
            keys: self.keys.0.iter().flat_map(|key| &key.public).collect(),
        }
    }
}

impl Deref for KeySet {
    type Target = VerifyingKeys;

    fn deref(&self) -> &VerifyingKeys {
        &self.keys
    }
}

impl VerifyingKeys {
    /// The keys that may have signed a token with this header. A token without `kid` was signed when there was one key, and
    /// that was symmetric.
    pub(super) fn candidates(
        &self,
        algorithm: &str,
        id: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            let named = match id {
                Some(_) => key.id.as_deref() == id,
                None => key.public.is_none(),
            };
            key.algorithm.name() == algorithm && named
        })
    }

    /// Whether verifying takes so long that forgeries could slow others: not by symmetric keys alone.
    pub fn is_costly(&self) -> bool {
        self.0.iter().any(|key| key.public.is_some())
    }

    /// Adds a key, which the others do not name alike.
    fn push(&mut self, key: Key) -> Result<(), KeyError> {
        if self.0.iter().any(|other| other.id == key.id) {
            return Err(KeyError::DuplicateId);
        }
        self.0.push(key);
        Ok(())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.0.len())
    }
}

impl fmt::Debug for VerifyingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKeys({} keys)", self.0.len())
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
    #[error("is neither a JWK Set nor an HS256 secret: it looks like {0}")]
    LooksLike(&'static str),
    #[error("the JWK Set has no keys")]
    Empty,
    #[error("key {0}: {1}")]
    Key(usize, KeyError),
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

impl JwkSet {
    fn parse(text: &str) -> Result<Self, KeySetError> {
        serde_json::from_slice(text.as_bytes()).map_err(|_| KeySetError::Malformed)
    }
}

impl FromStr for KeySet {
    type Err = KeySetError;

    /// Parses the variable `signing_keys`: a JWK Set if it begins with a brace, else an HS256 secret: the bytes of the text
    /// without what [`text::trim`] removes. Refuses what looks like something else.
    fn from_str(text: &str) -> Result<Self, KeySetError> {
        let text = text::trim(text);
        if !text.starts_with('{') {
            return match lookalike::of(text) {
                Some(other) => Err(KeySetError::LooksLike(other)),
                None => Self::from_secret(text.as_bytes()),
            };
        }
        let set = JwkSet::parse(text)?;
        let mut signing = None;
        let mut keys = VerifyingKeys(Vec::with_capacity(set.keys.len()));
        for (index, jwk) in set.keys.iter().enumerate() {
            let problem = |error| KeySetError::Key(index + 1, error);
            let signs = index == 0;
            let (key, private) = key::parse(jwk, signs).map_err(problem)?;
            if signs {
                signing = Some(private.ok_or(problem(KeyError::CannotSign))?);
            }
            keys.push(key).map_err(problem)?;
        }
        let signing = signing.ok_or(KeySetError::Empty)?;
        Ok(Self { signing, keys })
    }
}

impl FromStr for VerifyingKeys {
    type Err = KeySetError;

    /// Parses a JWK Set, such as `/.well-known/jwks.json` is. Private keys are refused: a verifier has no need of them.
    fn from_str(text: &str) -> Result<Self, KeySetError> {
        let set = JwkSet::parse(text::trim(text))?;
        let mut keys = Self(Vec::with_capacity(set.keys.len()));
        for (index, jwk) in set.keys.iter().enumerate() {
            key::parse_verifying(jwk)
                .and_then(|key| keys.push(key))
                .map_err(|error| KeySetError::Key(index + 1, error))?;
        }
        match keys.0.is_empty() {
            true => Err(KeySetError::Empty),
            false => Ok(keys),
        }
    }
}
