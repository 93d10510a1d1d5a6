//! All tokens of one user as one value.

mod document;
mod record;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use crate::idempotency::Digest;
use crate::token::{Timestamp, Token, TokenId};

pub use document::{DocumentError, find_token};
pub use record::{End, Record, Replaced};

/// How many write ids the document remembers.
///
/// A writer finds its own id here after its swap, unless this many other changes of the same user came between the swap
/// and the read that follows at once. That happens if the store is silent meanwhile, and the writer can tell: see
/// [`Ledger::has_all_since`].
const REMEMBERED_WRITES: usize = 64;

/// How long a creation with an idempotency key may be repeated.
const REPEATABLE_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// How many such creations the document remembers: 150 KB of it.
const MAX_REPEATABLE: usize = 1_000;

/// Identifies one change of a ledger, however often it is tried.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "&str")]
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

impl TryFrom<&str> for WriteId {
    type Error = std::num::ParseIntError;

    fn try_from(hex: &str) -> Result<Self, Self::Error> {
        u64::from_str_radix(hex, 16).map(Self)
    }
}

impl Serialize for WriteId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // By hand: a document has many of them, and formatting is slow.
        let mut hex = [0; 16];
        for (digit, shift) in hex.iter_mut().zip((0..16).rev()) {
            *digit = b"0123456789abcdef"[(self.0 >> (4 * shift)) as usize & 0xf];
        }
        serializer.serialize_str(str::from_utf8(&hex).expect("hexadecimal digits"))
    }
}

/// The tokens of one user, newest first, and the ids of the last changes.
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

/// Why a ledger was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LedgerError {
    #[error("the user has no such token")]
    NoSuchToken,
    #[error("the description is taken")]
    DescriptionTaken,
    #[error("the user has {0} tokens, as many as a user may have")]
    LimitReached(usize),
    #[error("the token has been rotated")]
    AlreadyRotated,
    #[error("too many idempotency keys")]
    TooManyIdempotencyKeys,
}

impl Ledger {
    /// The ledger of these records, in their order.
    pub fn from_records(records: impl IntoIterator<Item = Record>) -> Self {
        let mut ledger = Self::default();
        for record in records {
            ledger.tokens.push(record.token);
            ledger.repeatable.extend(record.repeatable);
        }
        ledger
    }

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

    /// Adds a token. Fails if its description is taken, or there are `limit` tokens already.
    pub fn create(&mut self, token: Token, limit: usize) -> Result<(), LedgerError> {
        if self
            .tokens
            .iter()
            .any(|other| other.description == token.description)
        {
            Err(LedgerError::DescriptionTaken)
        } else if self.tokens.len() >= limit {
            Err(LedgerError::LimitReached(limit))
        } else {
            self.tokens.insert(0, token);
            Ok(())
        }
    }

    /// The creation under the idempotency key of this digest.
    pub fn repeatable(&self, key: Digest) -> Option<&Repeatable> {
        self.repeatable.iter().find(|creation| creation.key == key)
    }

    /// As [`Self::create`], and remembers that the creation may be repeated.
    pub fn create_repeatable(
        &mut self,
        token: Token,
        limit: usize,
        creation: Repeatable,
    ) -> Result<(), LedgerError> {
        if self.repeatable.len() >= MAX_REPEATABLE {
            return Err(LedgerError::TooManyIdempotencyKeys);
        }
        self.create(token, limit)?;
        self.repeatable.push(creation);
        Ok(())
    }

    /// The creation of the token `id`, if it may be repeated.
    pub fn creation(&self, id: TokenId) -> Option<&Repeatable> {
        self.repeatable.iter().find(|creation| creation.id == id)
    }

    /// Replaces the token `id` by `token`. The old one is removed, or stays until `retires_at` and counts towards the limit.
    /// While both are listed they have the same description.
    pub fn rotate(
        &mut self,
        id: TokenId,
        token: Token,
        retires_at: Option<u64>,
        limit: usize,
    ) -> Result<(), LedgerError> {
        let old = self.tokens.iter().position(|token| token.id == id);
        let old = old.ok_or(LedgerError::NoSuchToken)?;
        // Two successors would have the same description for good.
        if self.tokens[old].retires_at.is_some() {
            return Err(LedgerError::AlreadyRotated);
        }
        if retires_at.is_none() {
            self.tokens.remove(old);
        } else if self.tokens.len() < limit {
            self.tokens[old].retires_at = retires_at;
        } else {
            return Err(LedgerError::LimitReached(limit));
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
        self.tokens.retain(|token| token.is_listed(now, retention));
        self.repeatable
            .retain(|creation| since(creation.issued_at) <= REPEATABLE_FOR);
    }

    /// Forgets what was issued before the second `since`.
    pub fn forget_before(&mut self, since: u64) {
        self.tokens.retain(|token| token.issued_at >= since);
        self.repeatable
            .retain(|creation| creation.issued_at >= since);
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

    /// Whether it remembers every write since the ledger was `former`.
    pub fn has_all_since(&self, former: &Self) -> bool {
        match former.writes.first() {
            Some(last) => self.contains(*last),
            // All that there ever were.
            None => self.writes.len() < REMEMBERED_WRITES,
        }
    }
}

#[cfg(test)]
mod tests;
