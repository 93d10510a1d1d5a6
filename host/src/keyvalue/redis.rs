//! A store in Redis or Valkey: keys and values are those that Spin writes there, so that both can serve the same tokens,
//! and any number of hosts may.
//!
//! One connection is shared by all requests and heals itself. What must be atomic is one command or one script, which the
//! server runs as one step.
//!
//! With `?wait=N` in the URL, a write has succeeded when N replicas have it. Who waits keeps the connection from everybody else, so
//! these writes have one of their own.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue, RedisError, RedisResult, Script,
    ServerErrorKind,
};

use super::doubts::Doubts;
use super::{Backend, BackendError, StoreError, Swap};
use latchkey_component::secret::Secret;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for an answer. Long enough for a server that syncs to a slow disk.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a lost connection is tried again before those who wait for it are told.
const RECONNECTS: usize = 2;

/// Between two such tries, at least.
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(20);

/// And at most.
const MAX_RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// How long to wait for replicas. Below [`RESPONSE_TIMEOUT`]: the server tells how many there are.
const REPLICA_TIMEOUT: Duration = Duration::from_secs(1);

/// Written for the replicas to be waited for, and gone at once.
const BARRIER: &str = "latchkey-barrier";

/// How many keys the server looks at in one step.
const SCANNED: usize = 1_000;

/// Compares and swaps: `ARGV[1]` says whether a value is expected, `ARGV[2]` is that value, `ARGV[3]` the new one.
const COMPARE_AND_SWAP: &str = "
local seen = redis.call('GET', KEYS[1])
if ARGV[1] == '0' and seen == false or ARGV[1] == '1' and seen == ARGV[2] then
    redis.call('SET', KEYS[1], ARGV[3])
    return 1
end
return 0";

/// The store of `--store redis://…`.
pub(super) struct Redis {
    connection: ConnectionManager,
    compare_and_swap: Script,
    replicas: Option<Replicas>,
}

/// Replicas that have to have each write.
struct Replicas {
    count: u32,
    connection: ConnectionManager,
    doubts: Doubts,
}

/// The server, and how many replicas have to have each write. Fails if `url` cannot be parsed.
pub(super) fn check_url(url: &str) -> Result<(Client, u32), StoreError> {
    // Behind the host there is no @: it was a password that such a character ended, and the host may be another.
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    if rest
        .split_once(['#', '/', '?'])
        .is_some_and(|(_, behind)| behind.contains('@'))
    {
        return Err(StoreError::Url(
            "the user and the password of a Redis URL must be percent-encoded: write # as %23, / as %2F, ? as %3F, @ as %40",
        ));
    }
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let replicas = match query.strip_prefix("wait=").map(str::parse::<u32>) {
        None if query.is_empty() => 0,
        Some(Ok(count)) if count > 0 => count,
        _ => {
            return Err(StoreError::Url(
                "the only option of a Redis URL is `?wait=N`: N replicas have to have each write, at least 1",
            ));
        }
    };
    let client = Client::open(url).map_err(|_| {
        StoreError::Url(
            "the Redis URL is not redis[s]://[user:password@]host[:port][/database][?wait=N]",
        )
    })?;
    Ok((client, replicas))
}

/// Whether what is sent to this address leaves the machine without TLS. Of a name only `localhost` is known to stay.
fn is_in_clear(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) => match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => !address.to_canonical().is_loopback(),
            Err(_) => !host.eq_ignore_ascii_case("localhost"),
        },
        _ => false,
    }
}

impl Redis {
    /// Connects. Fails if the server does not let us in.
    pub(super) async fn connect(url: &Secret) -> Result<Self, StoreError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(RECONNECTS)
            .set_min_delay(MIN_RECONNECT_DELAY)
            .set_max_delay(MAX_RECONNECT_DELAY);
        let (client, count) = check_url(url.expose())?;
        if is_in_clear(client.get_connection_info().addr()) {
            tracing::warn!(
                "what is kept in Redis, and its password, goes to another machine in clear: use rediss://"
            );
        }
        let connect = async || {
            let mut connection =
                ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
            let _: String = redis::cmd("PING").query_async(&mut connection).await?;
            Ok(connection)
        };
        let failed = |error: RedisError| StoreError::Redis(describe(&error));
        Ok(Self {
            connection: connect().await.map_err(failed)?,
            compare_and_swap: Script::new(COMPARE_AND_SWAP),
            replicas: match count {
                0 => None,
                _ => Some(Replicas {
                    count,
                    connection: connect().await.map_err(failed)?,
                    doubts: Doubts::default(),
                }),
            },
        })
    }

    /// Runs a command that changes `key`.
    async fn write<T: FromRedisValue>(&self, key: &str, command: &Cmd) -> Result<T, WriteError> {
        let Some(replicas) = &self.replicas else {
            return Ok(command.query_async(&mut self.connection.clone()).await?);
        };
        let doubt = replicas.doubts.begin(key);
        let result = replicas.write(command).await;
        // A refusal by the server has changed nothing.
        let refused = |error: &WriteError| matches!(error, WriteError::Redis(error) if error.code().is_some());
        doubt.settle(result.as_ref().map_or_else(refused, |_| true));
        result
    }
}

impl Replicas {
    /// Runs a command, and waits until enough replicas have what it wrote.
    async fn write<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, WriteError> {
        // In one piece: on another connection there is nothing to wait for.
        let (answer, count): (RedisResult<T>, RedisResult<u32>) = redis::pipe()
            .add_command(command.clone())
            .cmd("WAIT")
            .arg(self.count)
            .arg(REPLICA_TIMEOUT.as_millis() as u64)
            .ignore_errors()
            .query_async(&mut self.connection.clone())
            .await?;
        let answer = answer?;
        match count {
            Ok(count) if count >= self.count => Ok(answer),
            Ok(_) => Err(WriteError::TooFewReplicas),
            Err(error) => Err(WriteError::NotWaited(error)),
        }
    }
}

/// Why a write failed.
enum WriteError {
    Redis(RedisError),
    /// It is written, and may be lost.
    TooFewReplicas,
    /// The same: the server refuses to wait.
    NotWaited(RedisError),
}

impl From<RedisError> for WriteError {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<WriteError> for BackendError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Redis(error) => error.into(),
            WriteError::TooFewReplicas => {
                Self::Failed("too few replicas of Redis have a write".to_owned())
            }
            WriteError::NotWaited(error) => {
                let reason = describe(&error);
                Self::Failed(format!("Redis does not wait for replicas: {reason}"))
            }
        }
    }
}

#[async_trait]
impl Backend for Redis {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        if let Some(replicas) = &self.replicas {
            let barrier = redis::cmd("SET")
                .arg(BARRIER)
                .arg("")
                .arg("PX")
                .arg(1)
                .take();
            let barrier = replicas.write::<()>(&barrier);
            replicas.doubts.resolve(key, barrier).await?;
        }
        let command = redis::cmd("GET").arg(key).take();
        match command.query_async(&mut self.connection.clone()).await {
            // The server was restarted since the last command: there is a new connection by now, and a read harms nothing.
            Err(error) if error.is_connection_dropped() => {
                Ok(command.query_async(&mut self.connection.clone()).await?)
            }
            result => Ok(result?),
        }
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        let command = redis::cmd("SET").arg(key).arg(value).take();
        Ok(self.write(key, &command).await?)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        let command = redis::cmd("EVALSHA")
            .arg(self.compare_and_swap.get_hash())
            .arg(1)
            .arg(key)
            .arg(i32::from(expected.is_some()))
            .arg(expected.unwrap_or_default())
            .arg(value)
            .take();
        let swapped: bool = match self.write(key, &command).await {
            // The first time, and after a restart of the server.
            Err(WriteError::Redis(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                let script = self.compare_and_swap.prepare_invoke();
                script.load_async(&mut self.connection.clone()).await?;
                self.write(key, &command).await?
            }
            result => result?,
        };
        Ok(if swapped { Swap::Stored } else { Swap::Lost })
    }

    /// A counter is stored as Redis stores one, and Spin there: in decimal.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        let command = redis::cmd("INCRBY").arg(key).arg(delta).take();
        match self.write(key, &command).await {
            Ok(sum) => Ok(sum),
            Err(WriteError::Redis(error)) => Err(match error.detail() {
                // Redis has one code for all of its errors of this kind.
                Some(detail) if detail.contains("not an integer") => BackendError::NotACounter,
                Some(detail) if detail.contains("overflow") => BackendError::CounterOverflow,
                _ => error.into(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        let command = redis::cmd("DEL").arg(key).take();
        Ok(self.write(key, &command).await?)
    }

    /// In steps: `KEYS` would keep the server from everybody else meanwhile.
    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        // A key may be shown more than once.
        let mut keys = BTreeSet::new();
        let mut cursor = 0_u64;
        loop {
            let command = redis::cmd("SCAN")
                .arg(cursor)
                .arg("COUNT")
                .arg(SCANNED)
                .take();
            let (next, page): (u64, Vec<Vec<u8>>) =
                command.query_async(&mut self.connection.clone()).await?;
            keys.extend(
                page.into_iter()
                    .filter_map(|key| String::from_utf8(key).ok()),
            );
            if next == 0 {
                return Ok(keys.into_iter().collect());
            }
            cursor = next;
        }
    }
}

impl From<RedisError> for BackendError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Busy,
            _ => Self::Failed(describe(&error)),
        }
    }
}

/// What was wrong with TLS, such as a certificate that nothing here trusts.
fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    // As the library wraps it.
    let cause: &Arc<dyn Error + Send + Sync> = error.source()?.downcast_ref()?;
    let inner = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref()
}

/// What went wrong, without what a server may repeat of our command.
fn describe(error: &RedisError) -> String {
    if error.is_timeout() {
        "Redis does not answer in time".to_owned()
    } else if error.is_connection_refusal() {
        "Redis refuses the connection".to_owned()
    } else if let Some(error) = tls_error(error) {
        format!("no secure connection to Redis: {error}")
    } else if error.is_connection_dropped() {
        "the connection to Redis broke".to_owned()
    } else {
        match error.code() {
            Some(code) => format!("Redis says {code}"),
            None => error.category().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
