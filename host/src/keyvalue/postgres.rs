//! A store in PostgreSQL: the table `latchkey`, which any number of hosts may share.
//!
//! Each operation is one statement, and so one transaction. With a synchronous standby, the server acknowledges what both have: no
//! acknowledged write is lost when the standby takes over. Several hosts in the URL are the servers among which the one that
//! takes writes is found.
//!
//! Two rules follow from how PostgreSQL replicates. *No statement is ever cancelled*, by us or by a time limit that we set: that
//! breaks off the wait for the standby, and leaves a commit on one machine for all to read. And what is read may be such a commit
//! (see [`super::doubts`]).
//!
//! Statements have no names, which costs the server some parsing: a pooler that gives each transaction another connection, such as
//! pgbouncer before 1.21, does not know those of the last.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::sleep;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::doubts::Doubts;
use super::{Backend, BackendError, StoreError, Swap};
use failure::Failure;
use latchkey_component::secret::Secret;
use pool::{Answer, Parameter, Pool, RESPONSE_TIMEOUT};
use tls::Connector;
use url::Servers;

mod failure;
mod pool;
mod table;
mod tls;
mod url;

/// Connections for reads, which wait for no commit.
const READERS: usize = 2;

/// Connections for writes. What they commit at the same time shares the waits for disk and standby.
const WRITERS: usize = 6;

/// How long a list of all keys may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a statement is tried that the server has rolled back in favour of another.
const ATTEMPTS: u32 = 20;

/// The longest pause before the second attempt; before each later one it is longer by as much. Those that were in each other's way
/// would be so again at once.
const PAUSE: Duration = Duration::from_millis(2);

const GET: &str = "SELECT value FROM latchkey WHERE key = $1";
const SET: &str = "INSERT INTO latchkey (key, value) VALUES ($1, $2)
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
const INSERT: &str =
    "INSERT INTO latchkey (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
const UPDATE: &str = "UPDATE latchkey SET value = $3 WHERE key = $1 AND value = $2";
const DELETE: &str = "DELETE FROM latchkey WHERE key = $1";
const LIST: &str = "SELECT key FROM latchkey";

/// A commit that changes nothing: a message in the log that nobody reads.
const BARRIER: &str = "SELECT pg_logical_emit_message(true, 'latchkey', '')";

/// Adds `$3` to the 8 bytes, little endian, that are there, and else stores `$2`, which are those of `$3`. PostgreSQL itself
/// writes integers big endian. No row is returned for a value of another length.
const INCREMENT: &str = "
    INSERT INTO latchkey (key, value) VALUES ($1, $2)
    ON CONFLICT (key) DO UPDATE SET value = (
        SELECT substr(sum, 8, 1) || substr(sum, 7, 1) || substr(sum, 6, 1) || substr(sum, 5, 1)
            || substr(sum, 4, 1) || substr(sum, 3, 1) || substr(sum, 2, 1) || substr(sum, 1, 1)
        FROM int8send($3 + (
               get_byte(latchkey.value, 0)::bigint        | (get_byte(latchkey.value, 1)::bigint << 8)
            | (get_byte(latchkey.value, 2)::bigint << 16) | (get_byte(latchkey.value, 3)::bigint << 24)
            | (get_byte(latchkey.value, 4)::bigint << 32) | (get_byte(latchkey.value, 5)::bigint << 40)
            | (get_byte(latchkey.value, 6)::bigint << 48) | (get_byte(latchkey.value, 7)::bigint << 56)
        )) AS sum)
    WHERE octet_length(latchkey.value) = 8
    RETURNING value";

/// The store of `--store postgres://…`.
pub(super) struct Postgres {
    readers: Pool,
    writers: Pool,
    doubts: Doubts,
}

/// Fails if `url` cannot be used.
pub(super) fn check_url(url: &str) -> Result<(), StoreError> {
    url.parse::<Servers>().map(drop)
}

impl Postgres {
    /// Connects, and makes the table if it is not there. Fails if no server lets us in and takes writes.
    pub(super) async fn connect(url: &Secret) -> Result<Self, StoreError> {
        let servers: Servers = url.expose().parse()?;
        if servers.tls.is_weak() && !servers.are_local {
            tracing::warn!(
                "others on the way to PostgreSQL may read or change what is kept there: use sslmode=verify-full"
            );
        }
        let connector = Connector::new(&servers.tls)?;
        let servers = Arc::new(servers);
        let pool = |most| Pool::new(servers.clone(), connector.clone(), most);
        let store = Self {
            readers: pool(READERS),
            writers: pool(WRITERS),
            doubts: Doubts::default(),
        };
        table::ensure(&store.writers).await?;
        Ok(store)
    }

    /// Runs a statement that changes `key`, its first parameter.
    async fn write(
        &self,
        statement: &'static str,
        key: &str,
        others: &[Parameter<'_>],
    ) -> Result<Answer, Failure> {
        let mut parameters: Vec<Parameter<'_>> = vec![(&key, Type::TEXT)];
        parameters.extend_from_slice(others);
        let mut attempt = 1;
        loop {
            let doubt = self.doubts.begin(key);
            let result = self
                .writers
                .run(RESPONSE_TIMEOUT, statement, &parameters)
                .await;
            doubt.settle(!matches!(result, Err(Failure::Unknown(_))));
            if result.as_ref().is_err_and(Failure::may_mean_another_server) {
                // What is read must not be older than what is written.
                self.readers.forget_all();
            }
            match result {
                Err(Failure::Refused(code)) if is_rolled_back(&code) && attempt < ATTEMPTS => {
                    let random = RandomState::new().hash_one(attempt) as u32;
                    sleep((PAUSE * attempt).mul_f64(f64::from(random) / f64::from(u32::MAX))).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Runs a statement that changes nothing; once more if the connection broke since the last one.
    async fn read(
        &self,
        patience: Duration,
        statement: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let answer = match self.readers.run(patience, statement, parameters).await {
            Err(Failure::Unknown(_)) => self.readers.run(patience, statement, parameters).await,
            result => result,
        };
        Ok(answer?.rows)
    }
}

/// Whether the server has undone the statement because of another one. That happens where it isolates transactions more than
/// by default.
fn is_rolled_back(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ]
    .contains(code)
}

fn value(row: &Row) -> Result<Vec<u8>, BackendError> {
    row.try_get(0)
        .map_err(|_| BackendError::Failed("a value is not bytes".to_owned()))
}

#[async_trait]
impl Backend for Postgres {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        let barrier = async {
            let answer = self.writers.run(RESPONSE_TIMEOUT, BARRIER, &[]);
            answer.await.map(drop)
        };
        self.doubts.resolve(key, barrier).await?;
        let key: Parameter<'_> = (&key, Type::TEXT);
        let rows = self.read(RESPONSE_TIMEOUT, GET, &[key]).await?;
        rows.first().map(value).transpose()
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        self.write(SET, key, &[(&value, Type::BYTEA)]).await?;
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        let value: Parameter<'_> = (&value, Type::BYTEA);
        let answer = match &expected {
            None => self.write(INSERT, key, &[value]).await?,
            Some(expected) => {
                let expected: Parameter<'_> = (expected, Type::BYTEA);
                self.write(UPDATE, key, &[expected, value]).await?
            }
        };
        Ok(match answer.count {
            0 => Swap::Lost,
            _ => Swap::Stored,
        })
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        let first = delta.to_le_bytes().to_vec();
        let parameters: [Parameter<'_>; 2] = [(&first, Type::BYTEA), (&delta, Type::INT8)];
        match self.write(INCREMENT, key, &parameters).await {
            Ok(answer) => {
                let sum = answer.rows.first().map(value).transpose()?;
                let sum = sum.and_then(|sum| sum.try_into().ok());
                sum.map(i64::from_le_bytes).ok_or(BackendError::NotACounter)
            }
            Err(Failure::Refused(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)) => {
                Err(BackendError::CounterOverflow)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.write(DELETE, key, &[]).await?;
        Ok(())
    }

    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        let key = |row: &Row| {
            row.try_get(0)
                .map_err(|_| BackendError::Failed("a key is not text".to_owned()))
        };
        let rows = self.read(LIST_TIMEOUT, LIST, &[]).await?;
        rows.iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests;
