//! Signed tokens: JSON Web Tokens (RFC 7519) in the compact serialization of JWS (RFC 7515).
//!
//! Keys sign and verify by the traits of `jsonwebtoken`, which [`crypto`] implements. Segments are written and read here:
//! the same claims give the same bytes, and a header with members that Latchkey does not write is refused.

mod algorithm;
mod crypto;
mod jwk;
mod key;
mod keys;
mod lookalike;
mod segment;
mod trusted;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::token::{Audience, Demand, Lack, Scope, Timestamp, Token, TokenId, Username};

pub use algorithm::KeyAlgorithm;
pub use jwk::{PrivateJwk, PublicJwk};
pub use key::KeyError;
pub use keys::{KeySet, KeySetError, PublicKeySet, VerifyingKeys};
pub use trusted::{ForeignClaims, TrustedKeys, claims as foreign_claims};

/// Whether `text` has the form of a token: three segments of base64url (RFC 7515, section 3.1).
pub fn has_form(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_segment = |segment: &str| !segment.is_empty() && segment.bytes().all(digit);
    text.split('.').count() == 3 && text.split('.').all(is_segment)
}

/// A token as its user gets it: a secret, shown once and stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedToken(String);

impl SignedToken {
    /// The text, for its user only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedToken(..)")
    }
}

/// The claims of a token, in the order in which they are signed.
///
/// There are no others: a token that claims more is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The user.
    pub username: String,
    /// Its id.
    pub jwt_token_id: TokenId,
    /// What its user calls it.
    pub jwt_token_description: String,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: u64,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: u64,
    /// Who issued it.
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub iss: Option<String>,
    /// The same as `username`.
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub sub: Option<String>,
    /// The same as `jwt_token_id`.
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub jti: Option<TokenId>,
    /// For whom it is meant.
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub aud: Option<Audience>,
    /// What it may be used for (RFC 8693, section 4.2).
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    pub scope: Option<Scope>,
}

impl Claims {
    /// The claims of `token`, a token of `user`.
    pub fn new(user: &Username, token: &Token) -> Self {
        let issuer = token.issuer.as_ref();
        Self {
            username: user.to_string(),
            jwt_token_id: token.id,
            jwt_token_description: token.description.as_str().to_owned(),
            exp: token.expires_at(),
            iat: token.issued_at,
            iss: issuer.map(|issuer| issuer.name.clone()),
            sub: issuer.map(|_| user.to_string()),
            jti: issuer.map(|_| token.id),
            aud: token.audience(),
            scope: token.limits.scope.clone(),
        }
    }

    /// What they lack of `demand`.
    pub fn lack(&self, demand: &Demand) -> Option<Lack> {
        demand.lack(self.scope.as_ref(), self.aud.as_ref())
    }
}

/// The token is not one of ours, or has expired. Clients are not told which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is invalid or has expired")]
pub struct InvalidToken;

/// The header (RFC 7515, section 4).
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    typ: String,
    alg: String,
    #[serde(
        default,
        deserialize_with = "segment::not_null",
        skip_serializing_if = "Option::is_none"
    )]
    kid: Option<String>,
}

impl KeySet {
    /// Signs `claims` with the first key.
    pub fn sign(&self, claims: &Claims) -> SignedToken {
        let kid = self.header_key_id().map(str::to_owned);
        let header = Header {
            typ: "JWT".to_owned(),
            alg: self.algorithm().name().to_owned(),
            kid,
        };
        let message = format!("{}.{}", segment::encode(&header), segment::encode(claims));
        let signature = self.signature(message.as_bytes());
        SignedToken(format!("{message}.{signature}"))
    }
}

impl VerifyingKeys {
    /// The claims of `token`. Whether it is still listed is for the caller to find out.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] unless one of the keys signed it, with the key's own algorithm, and it has not expired at `now`
    /// (no leeway).
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let (message, signature) = token.rsplit_once('.').ok_or(InvalidToken)?;
        let (header, _) = message.split_once('.').ok_or(InvalidToken)?;
        let Header { typ, alg, kid } = segment::decode(header)?;
        if typ != "JWT" {
            return Err(InvalidToken);
        }
        self.candidates(&alg, kid.as_deref())
            .find(|key| key.verify(message.as_bytes(), signature))
            .ok_or(InvalidToken)?;
        self.read(token, now)
    }

    /// The claims of `token`, which [`Self::verify`] has found to be signed by one of these keys.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] if it has expired at `now`.
    pub fn read(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let claims = token.split('.').nth(1).ok_or(InvalidToken)?;
        let claims: Claims = segment::decode(claims)?;
        if now.until_secs(claims.exp).is_zero() {
            Err(InvalidToken)
        } else {
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests;
