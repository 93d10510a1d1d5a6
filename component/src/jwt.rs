//! Signed tokens: JSON Web Tokens (RFC 7519) in the compact serialization of JWS (RFC 7515).
//!
//! `jsonwebtoken` does the work; [`crypto`] gives it the algorithms that Latchkey offers, and no others are linked in.

mod crypto;
mod keys;

use std::fmt;

use jsonwebtoken::{Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::token::{Timestamp, Token, TokenId, Username};

pub use keys::{KeySet, KeySetError};

/// A token as its user gets it: a secret. Shown once, stored nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedToken(String);

impl SignedToken {
    /// The text of the token, to be shown to its user.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SignedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedToken(..)")
    }
}

/// What the registered claims say where an issuer is configured (RFC 7519, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The claim `iss`.
    pub name: String,
    /// The claim `aud`.
    pub audience: Option<String>,
}

/// The claims of a token, in the order in which they are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whose token it is.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whose token it is, again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Its id, again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<TokenId>,
    /// For whom it is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

impl Claims {
    /// What `token`, of `user`, claims.
    pub fn new(user: &Username, token: &Token, issuer: Option<&Issuer>) -> Self {
        Self {
            username: user.to_string(),
            jwt_token_id: token.id,
            jwt_token_description: token.description.as_str().to_owned(),
            exp: token.expires_at(),
            iat: token.issued_at,
            iss: issuer.map(|issuer| issuer.name.clone()),
            sub: issuer.map(|_| user.to_string()),
            jti: issuer.map(|_| token.id),
            aud: issuer.and_then(|issuer| issuer.audience.clone()),
        }
    }
}

/// The token is not one of ours, or no longer good. Which of the two is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is invalid or has expired")]
pub struct InvalidToken;

impl KeySet {
    /// Signs `claims` with the first key.
    pub fn sign(&self, claims: &Claims) -> SignedToken {
        let key = self.signing_key();
        let header = Header {
            kid: self.header_key_id(),
            ..Header::new(key.algorithm())
        };
        let token = encode(&header, claims, key.encoding());
        SignedToken(token.expect("strings and integers are JSON, and a key fits its algorithm"))
    }

    /// The claims of `token`, if one of the keys signed it, with the key's own algorithm, and it has not expired at `now`
    /// (no leeway).
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] in all other cases. Whether the token is still listed is for the caller to find out.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken)?;
        let claims: Claims = self
            .candidates(header.alg, header.kid.as_deref())
            .find_map(|key| {
                let mut validation = Validation::new(key.algorithm());
                // Ours to check: the library reads the clock of the machine and knows whole seconds only.
                validation.validate_exp = false;
                validation.validate_aud = false;
                decode(token, key.decoding(), &validation).ok()
            })
            .ok_or(InvalidToken)?
            .claims;
        if now.until_secs(claims.exp).is_zero() {
            Err(InvalidToken)
        } else {
            Ok(claims)
        }
    }
}

#[cfg(test)]
mod tests;
