//! Users, tokens, and what makes each part of them valid.
//!
//! A value of one of these types is valid: they are made by parsing only.

mod limits;
mod provenance;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use crate::lifetime::Lifetime;

pub use limits::{Audience, AudienceError, Demand, Lack, Limits, Scope, ScopeError};
pub use provenance::{Means, Provenance};

/// A point in time, since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The time `since_epoch` after 1970-01-01T00:00:00Z.
    pub const fn new(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// Whole seconds since the epoch, rounded down: a `NumericDate` (RFC 7519, section 2).
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// Microseconds since the epoch, rounded down.
    pub const fn as_micros(self) -> u64 {
        self.0.as_micros() as u64
    }

    /// The time from `earlier` to this one, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The time `later` than this one.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }

    /// The time until second `secs` of the epoch, zero once it has come.
    pub const fn until_secs(self, secs: u64) -> Duration {
        Duration::from_secs(secs).saturating_sub(self.0)
    }
}

/// The name that a user signs in with.
///
/// 1 to 255 bytes of UTF-8 without colons (RFC 7617, section 2) and control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

impl Username {
    /// The most bytes that a name may have: with its prefix and every byte escaped, the key of the ledger still fits the
    /// shortest key limit among the backends (1,023 bytes, Azure Cosmos DB).
    pub const MAX_BYTES: usize = 255;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = UsernameError;

    fn from_str(name: &str) -> Result<Self, UsernameError> {
        if name.is_empty() {
            Err(UsernameError::Empty)
        } else if name.len() > Self::MAX_BYTES {
            Err(UsernameError::TooLong)
        } else if name.contains(':') {
            Err(UsernameError::Colon)
        } else if name.contains(char::is_control) {
            Err(UsernameError::Control)
        } else {
            Ok(Self(name.to_owned()))
        }
    }
}

impl TryFrom<String> for Username {
    type Error = UsernameError;

    fn try_from(name: String) -> Result<Self, UsernameError> {
        name.parse()
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a string is no [`Username`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UsernameError {
    #[error("a user name must not be empty")]
    Empty,
    #[error("a user name must not be longer than {} bytes", Username::MAX_BYTES)]
    TooLong,
    #[error("a user name must not contain a colon")]
    Colon,
    #[error("a user name must not contain control characters")]
    Control,
}

/// The id of a token: a UUID, random (version 4) where we made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "&str")]
pub struct TokenId(Uuid);

impl TokenId {
    /// A version 4 UUID (RFC 9562, section 5.4) of these random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

impl FromStr for TokenId {
    type Err = NotATokenId;

    /// Accepts the hyphenated form only, in either case (RFC 9562, section 4).
    fn from_str(id: &str) -> Result<Self, NotATokenId> {
        // `Uuid::try_parse` takes other forms, but none of this length.
        match id.len() {
            uuid::fmt::Hyphenated::LENGTH => Uuid::try_parse(id).map(Self).map_err(|_| NotATokenId),
            _ => Err(NotATokenId),
        }
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl TryFrom<&str> for TokenId {
    type Error = NotATokenId;

    /// Accepts only what [`fmt::Display`] writes: stored and signed ids have no other form.
    fn try_from(id: &str) -> Result<Self, NotATokenId> {
        match id.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Err(NotATokenId),
            false => id.parse(),
        }
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Uuid::encode_buffer();
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut text))
    }
}

/// The string is not a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID")]
pub struct NotATokenId;

/// What a user calls a token: 1 to 256 Unicode scalar values without control characters, trimmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Description(String);

impl Description {
    /// The most Unicode scalar values that a description may have.
    pub const MAX_CHARS: usize = 256;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = DescriptionError;

    fn from_str(text: &str) -> Result<Self, DescriptionError> {
        text.trim().to_owned().try_into()
    }
}

impl TryFrom<String> for Description {
    type Error = DescriptionError;

    fn try_from(text: String) -> Result<Self, DescriptionError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            Err(DescriptionError::Blank)
        } else if trimmed.contains(char::is_control) {
            Err(DescriptionError::Control)
        } else if trimmed.chars().nth(Self::MAX_CHARS).is_some() {
            Err(DescriptionError::TooLong)
        } else if trimmed.len() == text.len() {
            Ok(Self(text))
        } else {
            Ok(Self(trimmed.to_owned()))
        }
    }
}

/// Why a string is no [`Description`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DescriptionError {
    #[error("must not be blank")]
    Blank,
    #[error("must have at most {} characters", Description::MAX_CHARS)]
    TooLong,
    #[error("must not contain control characters")]
    Control,
}

/// The registered claims of a token, if an issuer is configured (RFC 7519, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// The claim `iss`.
    pub name: String,
    /// The claim `aud`.
    pub audience: Option<String>,
}

/// The record of a token. The signed token is shown once and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id, the claim `jwt_token_id`.
    pub id: TokenId,
    /// What its user calls it.
    pub description: Description,
    /// How long it lives from `issued_at` on.
    pub lifetime: Lifetime,
    /// When it was issued, in seconds since the Unix epoch: the claim `iat`.
    pub issued_at: u64,
    /// The issuer that was configured then.
    pub issuer: Option<Issuer>,
    /// What it may be used for.
    pub limits: Limits,
    /// When it ends because it was rotated with an overlap, in seconds since the Unix epoch.
    pub retires_at: Option<u64>,
    /// Who made it, and what vouches for its user.
    pub provenance: Provenance,
}

impl Token {
    /// The services that it is for, the claim `aud`: its own, or else the configured one.
    pub fn audience(&self) -> Option<Audience> {
        let configured = || {
            Some(Audience::configured(
                self.issuer.as_ref()?.audience.as_ref()?,
            ))
        };
        self.limits.audience.clone().or_else(configured)
    }

    /// What it lacks of `demand`. A token lacks no scope if it has none: it can do all that its user can.
    pub fn lacks(&self, demand: &Demand) -> Option<Lack> {
        demand.lack(self.limits.scope.as_ref(), self.audience().as_ref())
    }

    /// When it expires, in seconds since the Unix epoch: the claim `exp` (RFC 7519, section 4.1.4).
    pub fn expires_at(&self) -> u64 {
        self.issued_at.saturating_add(self.lifetime.as_secs())
    }

    /// When it expires or retires, in seconds since the Unix epoch.
    pub fn ends_at(&self) -> u64 {
        let expires = self.expires_at();
        self.retires_at.map_or(expires, |at| at.min(expires))
    }

    /// Its remaining life, zero once it has expired or retired.
    pub fn remaining(&self, now: Timestamp) -> Duration {
        now.until_secs(self.ends_at())
    }

    /// Whether it is listed: until it has been expired for longer than `retention`, or has retired.
    pub fn is_listed(&self, now: Timestamp, retention: Duration) -> bool {
        match self.retires_at {
            // Its successor has the same description: no retention.
            Some(_) => !self.is_expired(now),
            None => now.since(Timestamp::new(Duration::from_secs(self.expires_at()))) <= retention,
        }
    }

    /// Whether it has expired or retired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.remaining(now).is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames() {
        let longest = "é".repeat(127) + "x";
        for good in [
            "a",
            "Ada Lovelace",
            "ada@example.org",
            "日本",
            longest.as_str(),
        ] {
            assert_eq!(good.parse::<Username>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", UsernameError::Empty),
            ("a:b", UsernameError::Colon),
            ("a\u{7}b", UsernameError::Control),
            ("a\u{85}b", UsernameError::Control),
            (&(longest + "x"), UsernameError::TooLong),
        ] {
            assert_eq!(bad.parse::<Username>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn token_ids() {
        let id = "b56929f3-54f1-4dc2-9984-9bba615e26e6";
        assert_eq!(id.parse::<TokenId>().unwrap().to_string(), id);
        assert_eq!(
            id.to_uppercase().parse::<TokenId>().unwrap().to_string(),
            id
        );
        for bad in [
            "",
            "b56929f354f14dc299849bba615e26e6",
            "{b56929f3-54f1-4dc2-9984-9bba615e26e6}",
            "urn:uuid:b56929f3-54f1-4dc2-9984-9bba615e26e6",
            "b56929f3-54f1-4dc2-9984-9bba615e26eg",
        ] {
            assert_eq!(bad.parse::<TokenId>(), Err(NotATokenId), "{bad:?}");
        }
    }

    #[test]
    fn random_ids_are_version_4() {
        let text = TokenId::from_random([0xff; 16]).to_string();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn descriptions() {
        let longest = "🦀".repeat(256);
        for (given, kept) in [
            ("Token alpha", "Token alpha"),
            (" \t\u{a0}padded\u{3000}\n", "padded"),
            ("in  side", "in  side"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(given.parse::<Description>().unwrap().as_str(), kept);
        }
        for (bad, why) in [
            ("", DescriptionError::Blank),
            (" \n ", DescriptionError::Blank),
            ("a\nb", DescriptionError::Control),
            ("a\0", DescriptionError::Control),
            (&(longest + "x"), DescriptionError::TooLong),
        ] {
            assert_eq!(bad.parse::<Description>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_token_expires_at_its_second() {
        let token = Token {
            id: TokenId::from_random([1; 16]),
            description: "t".parse().unwrap(),
            lifetime: Lifetime::from_secs(360).unwrap(),
            issued_at: 1_000,
            issuer: None,
            limits: Limits::default(),
            retires_at: None,
            provenance: Provenance::default(),
        };
        let at = |millis| Timestamp::new(Duration::from_millis(millis));
        assert_eq!(token.expires_at(), 1_360);
        assert_eq!(
            token.remaining(at(1_000_250)),
            Duration::from_millis(359_750)
        );
        assert!(!token.is_expired(at(1_359_999)));
        assert!(token.is_expired(at(1_360_000)));
        assert_eq!(token.remaining(at(2_000_000)), Duration::ZERO);

        let retired = |at| Token {
            retires_at: Some(at),
            ..token.clone()
        };
        assert_eq!(retired(1_100).expires_at(), 1_360);
        assert!(!retired(1_100).is_expired(at(1_099_999)));
        assert!(retired(1_100).is_expired(at(1_100_000)));
        assert!(retired(2_000).is_expired(at(1_360_000)));
    }
}
