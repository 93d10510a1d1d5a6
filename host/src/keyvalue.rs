//! Key-value stores: the port that a backend fills, and the URLs that name one.
//!
//! A backend knows no HTTP and no WIT; [`wit`] turns it into the two key-value interfaces that the component imports.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use latchkey_component::secret::Secret;

mod circuit_breaker;
#[cfg(test)]
mod conformance;
pub(crate) mod measured;
pub mod memory;
mod redis;
pub mod sqlite;
pub(crate) mod wit;
pub(crate) mod writes;

/// The one store label that this host backs; Spin gives it to an application by default, too.
const DEFAULT_LABEL: &str = "default";

/// A key-value store: durable once a write has returned, and atomic per call for everyone who shares it.
///
/// None of the operations has a default implementation: an atomic one made of two others would be a race.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The value of `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError>;

    /// Writes `value`, whatever was there.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError>;

    /// Writes `value` if `key` still holds `expected`, where `None` means that there is no value.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError>;

    /// Adds `delta` to the counter `key`, which begins at 0, and returns the sum.
    ///
    /// A counter is stored as Spin stores it in the same backend: 8 bytes, little endian, or in Redis a decimal number.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError>;
}

/// What became of a compare-and-swap. A lost race is an outcome, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new value is stored.
    Stored,
    /// Somebody else had changed the value; nothing was written.
    Lost,
}

/// Why a store did not do what it was asked. The texts go to the component, so they hold no value and no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// Other writers held the store for longer than this host waits.
    #[error("the store is busy")]
    Busy,
    /// `increment` of a value that is no counter.
    #[error("the value is not a counter")]
    NotACounter,
    /// `increment` beyond the range of a 64-bit integer.
    #[error("the counter overflows")]
    CounterOverflow,
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Reads a counter as Spin stores it.
fn counter(value: Option<&[u8]>) -> Result<i64, BackendError> {
    match value {
        None => Ok(0),
        Some(bytes) => bytes
            .try_into()
            .map(i64::from_le_bytes)
            .map_err(|_| BackendError::NotACounter),
    }
}

/// The sum that `increment` is to store.
fn incremented(value: Option<&[u8]>, delta: i64) -> Result<i64, BackendError> {
    counter(value)?
        .checked_add(delta)
        .ok_or(BackendError::CounterOverflow)
}

/// Where a store is: the argument of `--store`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`, gone when the process ends.
    Memory,
    /// `sqlite:PATH`, the file and table that Spin uses.
    Sqlite(PathBuf),
    /// `redis://…` or `rediss://…`, which may hold a password.
    Redis(Secret),
}

/// Why a store cannot be used from the start. No text holds the URL of a Redis: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not a URL of a known form.
    #[error("{0}")]
    Url(&'static str),
    /// SQLite.
    #[error("cannot use the store {path}: {reason}")]
    Sqlite {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Redis.
    #[error("cannot use the Redis store: {0}")]
    Redis(String),
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, "?"));
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "sqlite" => {
                // `sqlite:///x` is how other tools write the absolute path `/x`.
                match rest.strip_prefix("//").unwrap_or(rest) {
                    ":memory:" => Err(StoreError::Url("for a store in memory write `memory:`")),
                    "" => Err(StoreError::Url(
                        "`sqlite:` needs the path of a file, as in `sqlite:tokens.db`",
                    )),
                    path => Ok(Self::Sqlite(path.into())),
                }
            }
            "redis" | "rediss" => {
                redis::check_url(url)?;
                Ok(Self::Redis(url.into()))
            }
            _ => Err(StoreError::Url(
                "a store is `sqlite:PATH`, `redis://HOST` or `memory:`",
            )),
        }
    }
}

impl StoreUrl {
    /// Opens the store, and creates it if there is none yet. Needs a runtime of tokio.
    pub async fn open(&self) -> Result<Arc<dyn Backend>, StoreError> {
        Ok(match self {
            Self::Memory => Arc::new(memory::Memory::default()),
            Self::Sqlite(path) => Arc::new(sqlite::Sqlite::open(path)?),
            Self::Redis(url) => Arc::new(redis::Redis::connect(url).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let sqlite = |path: &str| Some(StoreUrl::Sqlite(path.into()));
        let redis = |url| (url, Some(StoreUrl::Redis(Secret::from(url))));
        for (url, expected) in [
            ("memory:", Some(StoreUrl::Memory)),
            ("sqlite:a.db", sqlite("a.db")),
            ("sqlite:/var/a.db", sqlite("/var/a.db")),
            ("sqlite:///var/a.db", sqlite("/var/a.db")),
            (
                "sqlite:with space:and colon",
                sqlite("with space:and colon"),
            ),
            ("memory", None),
            ("memory:x", None),
            ("sqlite:", None),
            ("sqlite://", None),
            ("sqlite::memory:", None),
            redis("redis://localhost"),
            redis("rediss://user:hunter2@example.org:6380/7"),
            ("redis://:hunter2@", None),
            ("redis://:hunter2@localhost/x", None),
            ("redis:hunter2", None),
            ("postgres://u:hunter2@h/d", None),
            ("hunter2", None),
            ("", None),
        ] {
            match (url.parse::<StoreUrl>(), expected) {
                (Ok(parsed), Some(expected)) => assert_eq!(parsed, expected, "{url}"),
                (Err(error), None) => {
                    let text = error.to_string();
                    assert!(!text.contains("hunter2"), "{url}: {text}");
                }
                (parsed, _) => panic!("{url}: {parsed:?}"),
            }
        }
    }

    #[test]
    fn counters() {
        assert_eq!(incremented(None, 5), Ok(5));
        assert_eq!(incremented(Some(&[255; 8]), 1), Ok(0));
        assert_eq!(incremented(Some(b"7"), 1), Err(BackendError::NotACounter));
        assert_eq!(
            incremented(Some(&i64::MAX.to_le_bytes()), 1),
            Err(BackendError::CounterOverflow)
        );
    }
}
