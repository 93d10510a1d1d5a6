//! Tokens of others, who are trusted to know who somebody is: ID tokens (OpenID Connect Core 1.0, section 2).

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::key::{self, KeyError};
use super::keys::KeySetError;
use super::{InvalidToken, segment};

/// The claims of a token of somebody else, by name.
pub type ForeignClaims = Map<String, Value>;

/// The members of a key that are secret (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1; RFC 8037, section 2).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public keys of a trusted issuer. There is at least one.
#[derive(Clone)]
pub struct TrustedKeys {
    keys: Vec<key::PublicKey>,
    /// Of the set: another set has another.
    digest: [u8; 32],
}

/// The header of a token of somebody else. Members that mean nothing to us are ignored (RFC 7515, section 4).
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "segment::not_null")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "segment::not_null")]
    kid: Option<String>,
    /// Extensions that must be understood. We understand none.
    #[serde(default, deserialize_with = "segment::not_null")]
    crit: Option<Value>,
}

/// The claims that `token` makes. Nothing is verified.
pub fn claims(token: &str) -> Result<ForeignClaims, InvalidToken> {
    let [_, claims, _] = segments(token)?;
    segment::decode(claims)
}

fn segments(token: &str) -> Result<[&str; 3], InvalidToken> {
    let segments: Vec<_> = token.splitn(4, '.').collect();
    segments.try_into().map_err(|_| InvalidToken)
}

impl TrustedKeys {
    /// Parses a JWK Set (RFC 7517, section 5). Keys for encryption are left out: issuers publish theirs in the same set.
    ///
    /// # Errors
    ///
    /// [`KeySetError`].
    pub fn parse(set: &Value) -> Result<Self, KeySetError> {
        let digest = Sha256::digest(set.to_string()).into();
        let set = set.get("keys").and_then(Value::as_array);
        let set = set.ok_or(KeySetError::Malformed)?;
        let mut keys: Vec<key::PublicKey> = Vec::new();
        for (index, jwk) in set.iter().enumerate() {
            let problem = |error| KeySetError::Key(index + 1, error);
            if PRIVATE.iter().any(|member| jwk.get(member).is_some()) {
                return Err(problem(KeyError::NotPublic));
            }
            if jwk.get("use").is_some_and(|usage| usage == "enc") {
                continue;
            }
            let key = key::parse_public(jwk).map_err(problem)?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(problem(KeyError::DuplicateId));
            }
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(KeySetError::Empty),
            false => Ok(Self { keys, digest }),
        }
    }

    /// Tells this set from every other.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether one of the keys signed `token`: the one of its `kid`, with the key's own algorithm. Without `kid` there must be
    /// no choice.
    pub fn have_signed(&self, token: &str) -> bool {
        self.find_key(token).is_ok_and(|key| {
            let signed = token.rsplit_once('.');
            signed.is_some_and(|(message, signature)| key.verify(message.as_bytes(), signature))
        })
    }

    fn find_key(&self, token: &str) -> Result<&key::PublicKey, InvalidToken> {
        let [header, ..] = segments(token)?;
        let header: Header = segment::decode(header)?;
        // An access token for somebody else (RFC 9068) says who it is for, but not that this is who asks.
        let is_jwt = |typ: &String| typ.eq_ignore_ascii_case("jwt");
        if header.crit.is_some() || !header.typ.iter().all(is_jwt) {
            return Err(InvalidToken);
        }
        let key = match (&self.keys[..], header.kid) {
            (keys, Some(id)) => keys.iter().find(|key| key.id == id),
            ([only], None) => Some(only),
            (_, None) => None,
        };
        key.filter(|key| key.algorithm == header.alg)
            .ok_or(InvalidToken)
    }
}

impl fmt::Debug for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKeys({} keys)", self.keys.len())
    }
}
