//! All tokens of one user as one value, and the document that it is stored as.
//!
//! The document is JSON and holds no secret: neither a token nor a signature.
//!
//! ```json
//! {"format":1,
//!  "tokens":[{"id":"2bc0160d-edf4-4ab6-9801-52d185f65b59","description":"Token alpha","life":360,"iat":1662720135}],
//!  "writes":["9f86d081884c7d65"],
//!  "repeatable":[{"key":"ba7816bf8f01cfea414140de5dae2223","content":"cb8379ac2098aa165029e3938a51da0b",
//!                 "id":"2bc0160d-edf4-4ab6-9801-52d185f65b59","iat":1662720135}]}
//! ```
//!
//! `repeatable` is left out where it is empty. A token that was issued under a configured `issuer` also has `iss`, and `aud`
//! if there was an `audience`: the record says all that the token claims, whatever is configured later. One that was rotated
//! with an overlap has `until`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::idempotency::Digest;
use crate::lifetime::Lifetime;
use crate::token::{Description, Issuer, Timestamp, Token, TokenId};

/// The format of the document that this code writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// How many write ids the document remembers.
///
/// A writer finds its own id here after its swap, unless this many other changes of the same user came between the swap
/// and the read that follows it at once. The number is far above the number of requests that can be under way for one
/// user in that moment.
const REMEMBERED_WRITES: usize = 64;

/// How long a creation with an idempotency key may be repeated.
const REPEATABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How many such creations the document remembers: 150 KB of it.
const MAX_REPEATABLE: usize = 1_000;

/// Identifies one change of a ledger, however often it is tried.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WriteId(u64);

impl WriteId {
    /// The id of these random bits.
    pub const fn from_random(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({:016x})", self.0)
    }
}

impl TryFrom<String> for WriteId {
    type Error = std::num::ParseIntError;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&hex, 16).map(Self)
    }
}

impl From<WriteId> for String {
    fn from(id: WriteId) -> Self {
        format!("{:016x}", id.0)
    }
}

/// The tokens of one user, newest first, and the last changes that made them what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    tokens: Vec<Token>,
    writes: Vec<WriteId>,
    repeatable: Vec<Repeatable>,
}

/// A creation that its client may repeat: a write id of the client's own, and what it takes to answer again.
///
/// Kept for a day even when the token is deleted meanwhile: the repetition must not create another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeatable {
    /// Of the client's key.
    pub key: Digest,
    /// Of what was asked for: the repetition must ask for the same.
    pub content: Digest,
    /// The token that was created.
    pub id: TokenId,
    /// When, in seconds since the Unix epoch.
    #[serde(rename = "iat")]
    pub issued_at: u64,
}

/// Why a token was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Another listed token has the same description.
    #[error("another token has this description")]
    DescriptionTaken,
    /// The user has as many listed tokens as a user may have.
    #[error("the user has as many tokens as a user may have")]
    LimitReached,
    /// The user has used as many idempotency keys in a day as a ledger remembers.
    #[error("the user has used too many idempotency keys")]
    TooManyRepeatable,
}

/// Why a token was not rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// No listed token has this id.
    #[error("there is no token of this id")]
    NoSuchToken,
    /// It has a successor.
    #[error("the token has been rotated")]
    AlreadyRotated,
    /// Old and new together would be more tokens than a user may have.
    #[error("the user has as many tokens as a user may have")]
    LimitReached,
}

impl Ledger {
    /// The tokens, newest first.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The tokens themselves, newest first.
    pub fn into_tokens(self) -> impl Iterator<Item = Token> {
        self.tokens.into_iter()
    }

    /// The token of this id.
    pub fn find(&self, id: TokenId) -> Option<&Token> {
        self.tokens.iter().find(|token| token.id == id)
    }

    /// Adds a token, unless its description is taken or there are `limit` tokens already.
    pub fn create(&mut self, token: Token, limit: usize) -> Result<(), CreateError> {
        if self
            .tokens
            .iter()
            .any(|other| other.description == token.description)
        {
            Err(CreateError::DescriptionTaken)
        } else if self.tokens.len() >= limit {
            Err(CreateError::LimitReached)
        } else {
            self.tokens.insert(0, token);
            Ok(())
        }
    }

    /// The creation that had the idempotency key of this digest.
    pub fn repeatable(&self, key: Digest) -> Option<&Repeatable> {
        self.repeatable.iter().find(|creation| creation.key == key)
    }

    /// Adds a token as [`Self::create`] does, and remembers that the creation may be repeated.
    pub fn create_repeatable(
        &mut self,
        token: Token,
        limit: usize,
        creation: Repeatable,
    ) -> Result<(), CreateError> {
        if self.repeatable.len() >= MAX_REPEATABLE {
            return Err(CreateError::TooManyRepeatable);
        }
        self.create(token, limit)?;
        self.repeatable.push(creation);
        Ok(())
    }

    /// Puts `token` in the place of the one of this id: that is removed, or stays until `retires_at`, and until then counts
    /// towards the limit.
    ///
    /// As long as both are listed, both have the same description. No other token may have it.
    pub fn rotate(
        &mut self,
        id: TokenId,
        token: Token,
        retires_at: Option<u64>,
        limit: usize,
    ) -> Result<(), RotateError> {
        let old = self.tokens.iter().position(|token| token.id == id);
        let old = old.ok_or(RotateError::NoSuchToken)?;
        // A second successor would be a second token of this description that stays.
        if self.tokens[old].retires_at.is_some() {
            return Err(RotateError::AlreadyRotated);
        }
        if retires_at.is_none() {
            self.tokens.remove(old);
        } else if self.tokens.len() < limit {
            self.tokens[old].retires_at = retires_at;
        } else {
            return Err(RotateError::LimitReached);
        }
        self.tokens.insert(0, token);
        Ok(())
    }

    /// Removes the token of this id and returns it, if there is one.
    pub fn delete(&mut self, id: TokenId) -> Option<Token> {
        let index = self.tokens.iter().position(|token| token.id == id)?;
        Some(self.tokens.remove(index))
    }

    /// Removes all tokens, and returns how many there were.
    pub fn delete_all(&mut self) -> usize {
        self.tokens.drain(..).count()
    }

    /// Forgets the tokens that expired more than `retention` before `now`, those that have retired, and the creations of
    /// more than a day ago.
    pub fn expire(&mut self, now: Timestamp, retention: Duration) {
        let since = |secs| now.since(Timestamp::new(Duration::from_secs(secs)));
        self.tokens.retain(|token| match token.retires_at {
            // Its successor has its name: it is not kept beside it for longer than it is good.
            Some(_) => !token.is_expired(now),
            None => since(token.expires_at()) <= retention,
        });
        self.repeatable
            .retain(|creation| since(creation.issued_at) <= REPEATABLE_FOR);
    }

    /// Notes that `write` is in this ledger.
    pub fn record(&mut self, write: WriteId) {
        self.writes.insert(0, write);
        self.writes.truncate(REMEMBERED_WRITES);
    }

    /// Whether `write` is in this ledger, as far as the ledger remembers.
    pub fn contains(&self, write: WriteId) -> bool {
        self.writes.contains(&write)
    }

    /// The stored form.
    pub fn to_document(&self) -> Vec<u8> {
        let document = Document {
            format: FORMAT,
            tokens: self.tokens.iter().map(Entry::from).collect(),
            writes: self.writes.clone(),
            repeatable: self.repeatable.clone(),
        };
        serde_json::to_vec(&document).expect("strings and integers are always JSON")
    }

    /// Reads the stored form.
    pub fn from_document(bytes: &[u8]) -> Result<Self, DocumentError> {
        match serde_json::from_slice::<Document>(bytes) {
            Ok(document) if document.format == FORMAT => Ok(Self {
                tokens: document.tokens.into_iter().map(Token::from).collect(),
                writes: document.writes,
                repeatable: document.repeatable,
            }),
            Ok(document) => Err(DocumentError::Format(document.format)),
            Err(error) => match serde_json::from_slice(bytes) {
                Ok(Format { format }) if format != FORMAT => Err(DocumentError::Format(format)),
                _ => Err(DocumentError::Malformed {
                    line: error.line(),
                    column: error.column(),
                }),
            },
        }
    }
}

/// Why stored bytes are no ledger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Written by a version of Latchkey that we know nothing of: changing it could lose what it holds.
    #[error("the ledger has format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// No document of ours. The position, not the text, which is a user's.
    #[error("the ledger is malformed at line {line}, column {column}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

/// What every format has: enough to tell a newer one from a broken one.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Document {
    format: u32,
    tokens: Vec<Entry>,
    writes: Vec<WriteId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    repeatable: Vec<Repeatable>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    id: TokenId,
    description: Description,
    life: Lifetime,
    iat: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
}

impl From<&Token> for Entry {
    fn from(token: &Token) -> Self {
        Self {
            id: token.id,
            description: token.description.clone(),
            life: token.lifetime,
            iat: token.issued_at,
            until: token.retires_at,
            iss: token.issuer.as_ref().map(|issuer| issuer.name.clone()),
            aud: token
                .issuer
                .as_ref()
                .and_then(|issuer| issuer.audience.clone()),
        }
    }
}

impl From<Entry> for Token {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            description: entry.description,
            lifetime: entry.life,
            issued_at: entry.iat,
            issuer: entry.iss.map(|name| Issuer {
                name,
                audience: entry.aud,
            }),
            retires_at: entry.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(n: u8, description: &str) -> Token {
        Token {
            id: TokenId::from_random([n; 16]),
            description: description.parse().unwrap(),
            lifetime: Lifetime::from_secs(60).unwrap(),
            issued_at: 1_000 + u64::from(n),
            issuer: None,
            retires_at: None,
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.create(token(1, "alpha"), 10).unwrap();
        ledger.create(token(2, "beta \"β\" \\"), 10).unwrap();
        ledger.record(WriteId::from_random(0x0123_4567_89ab_cdef));
        ledger
    }

    #[test]
    fn newest_first() {
        let descriptions: Vec<_> = ledger().tokens().iter().map(|t| t.id).collect();
        assert_eq!(
            descriptions,
            [TokenId::from_random([2; 16]), TokenId::from_random([1; 16])]
        );
    }

    #[test]
    fn a_description_is_taken_until_its_token_is_deleted() {
        let mut ledger = ledger();
        assert_eq!(
            ledger.create(token(3, " alpha "), 10),
            Err(CreateError::DescriptionTaken)
        );
        assert_eq!(ledger.create(token(3, "Alpha"), 10), Ok(()));
        assert_eq!(ledger.delete(token(1, "-").id), Some(token(1, "alpha")));
        assert_eq!(ledger.delete(token(1, "-").id), None);
        assert_eq!(ledger.create(token(4, "alpha"), 10), Ok(()));
    }

    #[test]
    fn the_limit_holds() {
        let mut ledger = ledger();
        assert_eq!(
            ledger.create(token(3, "gamma"), 2),
            Err(CreateError::LimitReached)
        );
        assert_eq!(ledger.create(token(3, "gamma"), 3), Ok(()));
    }

    #[test]
    fn expired_tokens_are_kept_for_the_retention() {
        let mut ledger = ledger();
        let retention = Duration::from_secs(100);
        let at = |secs| Timestamp::new(Duration::from_secs(secs));
        ledger.expire(at(1_061 + 100), retention);
        assert_eq!(ledger.tokens().len(), 2);
        ledger.expire(at(1_061 + 101), retention);
        assert_eq!(ledger.tokens(), [token(2, "beta \"β\" \\")]);
    }

    #[test]
    fn a_rotated_token_leaves_at_once_or_when_it_retires() {
        let mut ledger = ledger();
        let (old, new) = (token(1, "alpha"), token(3, "alpha"));
        assert_eq!(ledger.rotate(old.id, new.clone(), None, 2), Ok(()));
        assert_eq!(ledger.tokens(), [new.clone(), token(2, "beta \"β\" \\")]);
        assert_eq!(
            ledger.rotate(old.id, token(4, "alpha"), None, 2),
            Err(RotateError::NoSuchToken)
        );

        let newer = token(4, "alpha");
        assert_eq!(
            ledger.rotate(new.id, newer.clone(), Some(1_020), 2),
            Err(RotateError::LimitReached)
        );
        assert_eq!(ledger.rotate(new.id, newer.clone(), Some(1_020), 3), Ok(()));
        let retiring = Token {
            retires_at: Some(1_020),
            ..new.clone()
        };
        assert_eq!(ledger.tokens()[..2], [newer.clone(), retiring]);
        assert_eq!(
            ledger.rotate(new.id, token(5, "alpha"), None, 9),
            Err(RotateError::AlreadyRotated)
        );
        assert_eq!(
            ledger.create(token(5, "alpha"), 9),
            Err(CreateError::DescriptionTaken)
        );
        assert_eq!(
            Ledger::from_document(&ledger.to_document()),
            Ok(ledger.clone())
        );

        // Not kept for the retention.
        let at = |secs| Timestamp::new(Duration::from_secs(secs));
        ledger.expire(at(1_019), Duration::from_secs(100));
        assert_eq!(ledger.find(new.id).map(|token| token.id), Some(new.id));
        ledger.expire(at(1_020), Duration::from_secs(100));
        assert_eq!(ledger.find(new.id), None);
        assert_eq!(ledger.delete_all(), 2);
        assert_eq!(ledger.tokens(), []);
    }

    #[test]
    fn the_last_writes_are_remembered() {
        let mut ledger = Ledger::default();
        for n in 0..=REMEMBERED_WRITES as u64 {
            ledger.record(WriteId::from_random(n));
        }
        assert!(!ledger.contains(WriteId::from_random(0)));
        assert!(ledger.contains(WriteId::from_random(1)));
        assert!(ledger.contains(WriteId::from_random(REMEMBERED_WRITES as u64)));
    }

    #[test]
    fn the_document_is_what_the_module_says() {
        let document = r#"{"format":1,"tokens":[{"id":"02020202-0202-4202-8202-020202020202","description":"beta \"β\" \\","life":60,"iat":1002},{"id":"01010101-0101-4101-8101-010101010101","description":"alpha","life":60,"iat":1001}],"writes":["0123456789abcdef"]}"#;
        assert_eq!(String::from_utf8(ledger().to_document()).unwrap(), document);
        assert_eq!(Ledger::from_document(document.as_bytes()), Ok(ledger()));
    }

    #[test]
    fn the_document_keeps_the_issuer() {
        let mut ledger = Ledger::default();
        for (n, audience) in [(1, None), (2, Some("api".to_owned()))] {
            let name = "https://id.example".to_owned();
            let issuer = Some(Issuer { name, audience });
            let description = format!("t{n}");
            ledger
                .create(
                    Token {
                        issuer,
                        ..token(n, &description)
                    },
                    10,
                )
                .unwrap();
        }
        let document = ledger.to_document();
        let text = String::from_utf8(document.clone()).unwrap();
        assert!(
            text.contains(r#""iat":1002,"iss":"https://id.example","aud":"api"},"#),
            "{text}"
        );
        assert!(
            text.contains(r#""iat":1001,"iss":"https://id.example"}"#),
            "{text}"
        );
        assert_eq!(Ledger::from_document(&document), Ok(ledger));
    }

    #[test]
    fn other_documents_are_refused() {
        for (document, error) in [
            (r#"{"format":2,"entries":[]}"#, DocumentError::Format(2)),
            (
                r#"{"format":2,"tokens":[],"writes":[]}"#,
                DocumentError::Format(2),
            ),
            (
                r#"{"format":1,"tokens":[]}"#,
                DocumentError::Malformed {
                    line: 1,
                    column: 24,
                },
            ),
            ("", DocumentError::Malformed { line: 1, column: 0 }),
            ("[1]", DocumentError::Malformed { line: 1, column: 3 }),
        ] {
            assert_eq!(
                Ledger::from_document(document.as_bytes()),
                Err(error),
                "{document}"
            );
        }
    }
}
