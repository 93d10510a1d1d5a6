//! A token, and the end of one, each as a document of its own: for stores without compare-and-swap.
//!
//! ```json
//! {"format":1,"at":1662720135250000,
//!  "token":{"id":"2bc0160d-edf4-4ab6-9801-52d185f65b59","description":"Token alpha","life":360,"iat":1662720135},
//!  "creation":{"key":"ba7816bf8f01cfea414140de5dae2223","content":"cb8379ac2098aa165029e3938a51da0b",
//!              "id":"2bc0160d-edf4-4ab6-9801-52d185f65b59","iat":1662720135}}
//! {"format":1,"exp":1662720495,"until":1662720195}
//! ```
//!
//! `creation` is there if the token was created under an idempotency key, `replaces` if it came from a rotation, `until`
//! if the end is a later one. The record of a token with a provenance has the format 3. No document holds a secret.

use serde::{Deserialize, Serialize};

use super::Repeatable;
use super::document::{DocumentError, Entry, FORMAT, VOUCHED};
use crate::token::{Timestamp, Token, TokenId};

/// The record of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The token.
    pub token: Token,
    /// When it was made, in microseconds since the Unix epoch: tells the order of tokens of the same second.
    pub at: u64,
    /// Its creation, if that may be repeated.
    pub repeatable: Option<Repeatable>,
    /// The token whose place it takes.
    pub replaces: Option<Replaced>,
}

/// A token that has a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Its id.
    pub id: TokenId,
    /// When it ends, in seconds since the Unix epoch.
    pub until: u64,
}

/// That a token ends, other than by expiring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When it ends, in seconds since the Unix epoch; at once if `None`.
    pub until: Option<u64>,
    /// When it would have expired, in seconds since the Unix epoch.
    pub expires_at: u64,
}

#[derive(Serialize, Deserialize)]
struct RecordDocument {
    format: u32,
    at: u64,
    token: Entry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creation: Option<Repeatable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replaces: Option<Replaced>,
}

#[derive(Serialize, Deserialize)]
struct EndDocument {
    format: u32,
    exp: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

impl Record {
    /// The record of a token that is made `now`.
    pub fn new(token: Token, now: Timestamp) -> Self {
        Self {
            token,
            at: now.as_micros(),
            repeatable: None,
            replaces: None,
        }
    }

    /// The stored form.
    pub fn to_document(&self) -> Vec<u8> {
        write(&RecordDocument {
            format: match self.token.provenance.is_plain() {
                true => FORMAT,
                false => VOUCHED,
            },
            at: self.at,
            token: Entry::from(&self.token),
            creation: self.repeatable.clone(),
            replaces: self.replaces,
        })
    }

    /// Reads the stored form.
    pub fn from_document(bytes: &[u8]) -> Result<Self, DocumentError> {
        match serde_json::from_slice::<RecordDocument>(bytes) {
            Ok(document) if matches!(document.format, FORMAT | VOUCHED) => Ok(Self {
                token: document.token.into(),
                at: document.at,
                repeatable: document.creation,
                replaces: document.replaces,
            }),
            Ok(document) => Err(DocumentError::Format(document.format)),
            Err(error) => Err(DocumentError::new(bytes, &error)),
        }
    }
}

impl End {
    /// The stored form.
    pub fn to_document(self) -> Vec<u8> {
        write(&EndDocument {
            format: FORMAT,
            exp: self.expires_at,
            until: self.until,
        })
    }

    /// Reads the stored form.
    pub fn from_document(bytes: &[u8]) -> Result<Self, DocumentError> {
        match serde_json::from_slice::<EndDocument>(bytes) {
            Ok(document) if document.format == FORMAT => Ok(Self {
                until: document.until,
                expires_at: document.exp,
            }),
            Ok(document) => Err(DocumentError::Format(document.format)),
            Err(error) => Err(DocumentError::new(bytes, &error)),
        }
    }
}

fn write(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("strings and integers are always JSON")
}
