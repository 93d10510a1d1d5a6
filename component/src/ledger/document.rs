//! The document that a ledger is stored as.
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
//! `repeatable` is left out if empty. A token that was issued under a configured `issuer` also has `iss`, and `aud` if there
//! was an `audience`: the record has all claims of the token, also after a change of the configuration. One that was
//! rotated with an overlap has `until`.
//!
//! A token of a user who had not signed in with a password has `via` (`"proxy"`, or `{"issuer":"https://id.example"}`), and
//! one that an administrator made has `by`. A document that holds such a token has the format 3: an older reader would take
//! it for the user's own, good without what vouches for the user.
//!
//! A token may have limits of its own: `scope`, and `audience` (a string, or an array of several). A document that holds such
//! a token has the format 2: a reader of format 1 alone would drop them, and the token could do more.

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::{Ledger, Repeatable, WriteId};
use crate::lifetime::Lifetime;
use crate::token::{
    Audience, Description, Issuer, Limits, Means, Provenance, Scope, Token, TokenId, Username,
};

/// The format of a document without limits, and of the record of a token by itself. That has it with limits, too: every
/// version that reads records knows limits.
pub(super) const FORMAT: u32 = 1;

/// The format of a document that holds a token with limits.
const LIMITED: u32 = 2;

/// The format of a document that holds a token with a provenance.
pub(super) const VOUCHED: u32 = 3;

/// The format of a document that holds these tokens.
fn format<'a>(tokens: impl IntoIterator<Item = &'a Token>) -> u32 {
    let format = |token: &Token| {
        if !token.provenance.is_plain() {
            VOUCHED
        } else if !token.limits.are_none() {
            LIMITED
        } else {
            FORMAT
        }
    };
    tokens.into_iter().map(format).max().unwrap_or(FORMAT)
}

/// Whether this code reads documents of this format.
const fn is_known(format: u32) -> bool {
    matches!(format, FORMAT | LIMITED | VOUCHED)
}

impl Ledger {
    /// The stored form.
    pub fn to_document(&self) -> Vec<u8> {
        let document = Document {
            format: format(&self.tokens),
            tokens: self.tokens.iter().map(Entry::from).collect(),
            writes: self.writes.clone(),
            repeatable: self.repeatable.clone(),
        };
        serde_json::to_vec(&document).expect("strings and integers are always JSON")
    }

    /// Reads the stored form.
    pub fn from_document(bytes: &[u8]) -> Result<Self, DocumentError> {
        match serde_json::from_slice::<Document>(bytes) {
            Ok(document) if is_known(document.format) => Ok(Self {
                tokens: document.tokens.into_iter().map(Token::from).collect(),
                writes: document.writes,
                repeatable: document.repeatable,
            }),
            Ok(document) => Err(DocumentError::Format(document.format)),
            Err(error) => Err(DocumentError::new(bytes, &error)),
        }
    }
}

/// The token of this id in the stored form, if it is there.
///
/// Reads no other token where it can: verification asks for one of many. Inside a JSON string every quotation mark has a
/// backslash before it, so these bytes can only be the beginning of a token's object. A document that does not have them
/// is read as a whole, and so is one that is not as [`Ledger::to_document`] writes it.
pub fn find_token(bytes: &[u8], id: TokenId) -> Result<Option<Token>, DocumentError> {
    let beginning = format!(r#"{{"id":"{id}","#);
    let is_token = |start: &usize| bytes[*start..].starts_with(beginning.as_bytes());
    if has_known_format(bytes)
        && let Some(start) = memchr_iter(b'{', bytes).find(is_token)
    {
        let mut object = serde_json::Deserializer::from_slice(&bytes[start..]);
        if let Ok(entry) = Entry::deserialize(&mut object) {
            return Ok(Some(entry.into()));
        }
    }
    let ledger = Ledger::from_document(bytes)?;
    Ok(ledger.into_tokens().find(|token| token.id == id))
}

/// Whether these bytes begin as a document of a known format does.
fn has_known_format(bytes: &[u8]) -> bool {
    let number = bytes.strip_prefix(br#"{"format":"#);
    matches!(number, Some([digit @ b'0'..=b'9', b',', ..]) if is_known(u32::from(digit - b'0')))
}

/// Why stored bytes are no ledger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Written by a newer version of Latchkey: changing it could lose what it holds.
    #[error("the ledger has format {0}, this version reads formats {FORMAT} to {VOUCHED}")]
    Format(u32),
    /// No document of ours. Names the position only: the text is a user's.
    #[error("the ledger is malformed at line {line}, column {column}")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
}

impl DocumentError {
    /// Why these bytes are not of this format.
    pub(super) fn new(bytes: &[u8], error: &serde_json::Error) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(Format { format }) if !is_known(format) => Self::Format(format),
            _ => Self::Malformed {
                line: error.line(),
                column: error.column(),
            },
        }
    }
}

/// The member of every format, which tells a newer one from a broken one.
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
pub(super) struct Entry {
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<Audience>,
    #[serde(default, skip_serializing_if = "is_password")]
    via: Means,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Username>,
}

fn is_password(means: &Means) -> bool {
    *means == Means::Password
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
            scope: token.limits.scope.clone(),
            audience: token.limits.audience.clone(),
            via: token.provenance.means.clone(),
            by: token.provenance.by.clone(),
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
            limits: Limits {
                scope: entry.scope,
                audience: entry.audience,
            },
            retires_at: entry.until,
            provenance: Provenance {
                means: entry.via,
                by: entry.by,
            },
        }
    }
}
