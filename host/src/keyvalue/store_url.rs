//! Where a store is: the argument of `--store`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use latchkey_component::secret::Secret;
use latchkey_component::text;

use super::{Backend, StoreError, memory, postgres, redis, sqlite};

/// A store by its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// `memory:`, gone when the process ends.
    Memory,
    /// `sqlite:PATH`, the file and table that Spin uses.
    Sqlite(PathBuf),
    /// `redis://…` or `rediss://…`, which may hold a password.
    Redis(Secret),
    /// `postgres://…` or `postgresql://…`, which may hold a password.
    Postgres(Secret),
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let url = text::trim(url);
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
            "postgres" | "postgresql" => {
                postgres::check_url(url)?;
                Ok(Self::Postgres(url.into()))
            }
            _ => Err(StoreError::Url(
                "a store is `sqlite:PATH`, `redis://HOST`, `postgres://HOST` or `memory:`",
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
            Self::Postgres(url) => Arc::new(postgres::Postgres::connect(url).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_encoded() {
        for url in ["redis://ada:63#79@h", "rediss://:a/b@h/0", "redis://:a?b@h"] {
            let error = url.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains("percent-encoded"), "{url}: {error}");
        }
    }

    #[test]
    fn urls() {
        let sqlite = |path: &str| Some(StoreUrl::Sqlite(path.into()));
        let redis = |url| (url, Some(StoreUrl::Redis(Secret::from(url))));
        let postgres = |url| (url, Some(StoreUrl::Postgres(Secret::from(url))));
        for (url, expected) in [
            ("memory:", Some(StoreUrl::Memory)),
            ("sqlite:a.db", sqlite("a.db")),
            ("sqlite:/var/a.db", sqlite("/var/a.db")),
            ("sqlite:///var/a.db", sqlite("/var/a.db")),
            ("\u{feff}sqlite:a.db\r\n", sqlite("a.db")),
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
            redis("redis://:hunter2%23%2F%3F%40@localhost/0"),
            ("redis://hunter2#3@localhost", None),
            ("redis://:hunter2#3@localhost", None),
            ("redis://:hunter2/3@localhost/0", None),
            ("redis://:hunter2?3@localhost", None),
            redis("redis://:hunter2@localhost/1?wait=2"),
            ("redis://:hunter2@localhost?wait=0", None),
            ("redis://:hunter2@localhost?wait=all", None),
            ("redis://:hunter2@localhost?weight=1", None),
            ("redis://:hunter2@localhost?wait", None),
            ("redis:hunter2", None),
            postgres("postgres://u:hunter2@h1,h2:6432/d?sslmode=verify-full"),
            postgres("postgresql://u@localhost/d"),
            ("postgres://u:hunter2@h/d?sslmode=none", None),
            ("postgres:hunter2", None),
            ("mysql://u:hunter2@h/d", None),
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
}
