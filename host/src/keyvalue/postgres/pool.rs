//! A few connections to the server that takes writes, shared by all statements, and found anew when they break.
//!
//! Statements on one connection are sent without waiting for each other, and run one after another. Each takes the connection
//! with the fewest in flight. Connections are added one by one while all are busy, so that a server that is short of them still
//! serves by those that there are.

use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, TryFutureExt};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, Row};

use super::super::BackendError;
use super::failure::{Failure, describe};
use super::tls::Connector;
use super::url::{CONNECT_TIMEOUT, Server, Servers};

/// How long to wait for an answer. Long enough for a server that syncs to a slow disk.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// After a connection could not be added, for how long none is tried while there are others.
const GROW_AGAIN: Duration = Duration::from_secs(2);

/// What a connection has to be like.
const CHECK: &str = "SELECT current_setting('transaction_read_only') = 'on',
                            current_setting('synchronous_commit') = 'off' OR current_setting('fsync') = 'off',
                            current_setting('server_encoding') <> 'UTF8'";

/// A parameter of a statement.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a statement answered.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// How many rows were changed, or returned.
    pub(super) count: u64,
}

/// The connections of one kind.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    servers: Arc<Servers>,
    connector: Connector,
    most: usize,
    /// Where connections are driven: the instances that ask come and go.
    runtime: Handle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: Vec<Arc<Connection>>,
    dialling: Option<Dialling>,
    grow_after: Option<Instant>,
}

/// One attempt to get a connection, for all who wait for one.
type Dialling = Shared<BoxFuture<'static, Result<(), BackendError>>>;

struct Connection {
    client: Client,
    /// Warnings of the server so far.
    warnings: Arc<AtomicUsize>,
    /// Statements without an answer.
    in_flight: AtomicUsize,
    driver: AbortHandle,
}

impl Pool {
    /// At most `most` connections, none yet. To be called on the runtime that drives them.
    pub(super) fn new(servers: Arc<Servers>, connector: Connector, most: usize) -> Self {
        Self(Arc::new(Inner {
            servers,
            connector,
            most,
            runtime: Handle::current(),
            state: Mutex::default(),
        }))
    }

    /// Runs one statement, and waits for its answer for at most `patience`.
    pub(super) async fn run(
        &self,
        patience: Duration,
        statement: &'static str,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, Failure> {
        let connection = self.connection().await.map_err(Failure::NotSent)?;
        let mut in_flight = InFlight::on(connection.clone(), self);
        let warnings = connection.warnings.load(Ordering::Acquire);
        let answer = timeout(patience, ask(&connection.client, statement, parameters)).await;
        in_flight.is_answered = true;
        let Ok(answer) = answer else {
            self.give_up(&connection);
            let silent = BackendError::Failed("PostgreSQL does not answer in time".to_owned());
            return Err(Failure::Unknown(silent));
        };
        // The warning comes before the end of the answer. Only by it a server that was told to stop waiting for its standby says
        // that the commit is on one machine alone.
        if connection.warnings.load(Ordering::Acquire) != warnings {
            let warned = "PostgreSQL warns that a write may be on one machine only".to_owned();
            return Err(Failure::Unknown(BackendError::Failed(warned)));
        }
        answer.map_err(|error| {
            let failure = Failure::from(error);
            if failure.may_mean_another_server() {
                self.forget_all();
            }
            failure
        })
    }

    /// Lets go of all connections: the next statement finds the server anew. Statements in flight end as they may.
    pub(super) fn forget_all(&self) {
        self.0.lock().connections.clear();
    }

    /// Closes a connection that has become silent. Those to the same server are likely silent, too.
    fn give_up(&self, connection: &Connection) {
        connection.driver.abort();
        self.forget_all();
    }

    async fn connection(&self) -> Result<Arc<Connection>, BackendError> {
        loop {
            let dialling = {
                let mut state = self.0.lock();
                state.connections.retain(|c| !c.client.is_closed());
                let least = |c: &&Arc<Connection>| c.in_flight.load(Ordering::Relaxed);
                let found = state.connections.iter().min_by_key(least).cloned();
                match found {
                    Some(connection) => {
                        let is_busy = least(&&connection) > 0;
                        if is_busy && state.may_grow(self.0.most) {
                            drop(self.dial(&mut state));
                        }
                        return Ok(connection);
                    }
                    None => self.dial(&mut state),
                }
            };
            dialling.await?;
        }
    }

    /// Begins to dial, unless somebody does already. It goes on if nobody waits for it.
    fn dial(&self, state: &mut State) -> Dialling {
        if let Some(dialling) = &state.dialling {
            return dialling.clone();
        }
        let pool = self.clone();
        let dialled = self.0.runtime.spawn(async move {
            let dialled = dial(&pool.0).await;
            let mut state = pool.0.lock();
            state.dialling = None;
            match dialled {
                Ok(connection) => {
                    state.connections.push(connection);
                    Ok(())
                }
                Err(error) => {
                    state.grow_after = Some(Instant::now() + GROW_AGAIN);
                    Err(error)
                }
            }
        });
        let broke_off = |_| BackendError::Failed("a connection broke off".to_owned());
        let dialling = dialled
            .map_err(broke_off)
            .map(|dialled| dialled.and_then(|dialled| dialled))
            .boxed()
            .shared();
        state.dialling = Some(dialling.clone());
        dialling
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_grow(&self, most: usize) -> bool {
        self.connections.len() < most
            && self.dialling.is_none()
            && self.grow_after.is_none_or(|time| time <= Instant::now())
    }
}

/// A statement without an answer.
struct InFlight {
    connection: Arc<Connection>,
    pool: Pool,
    is_answered: bool,
}

impl InFlight {
    fn on(connection: Arc<Connection>, pool: &Pool) -> Self {
        connection.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            connection,
            pool: pool.clone(),
            is_answered: false,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.connection.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.is_answered {
            return;
        }
        // The caller has given up waiting. Whether the server is silent is found out without it.
        let (connection, pool) = (self.connection.clone(), self.pool.clone());
        self.pool.0.runtime.spawn(async move {
            let answer = connection.client.check_connection();
            if timeout(RESPONSE_TIMEOUT, answer).await.is_err() {
                pool.give_up(&connection);
            }
        });
    }
}

/// Everything of the answer, up to where the server is ready for the next statement: the commit comes after the rows.
async fn ask(
    client: &Client,
    statement: &str,
    parameters: &[Parameter<'_>],
) -> Result<Answer, Error> {
    let parameters = parameters
        .iter()
        .map(|(value, kind)| (*value, kind.clone()));
    let stream = client.query_typed_raw(statement, parameters).await?;
    let mut stream = std::pin::pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await {
        rows.push(row?);
    }
    let count = stream.rows_affected().unwrap_or(0);
    Ok(Answer { rows, count })
}

/// Asks all servers at once; the first that takes writes is it. A server whose packets are dropped delays nobody.
async fn dial(pool: &Inner) -> Result<Arc<Connection>, BackendError> {
    let mut dialled: FuturesUnordered<_> = pool
        .servers
        .servers
        .iter()
        .map(|server| async move {
            let limit = server.config.get_connect_timeout();
            let connected = connect(server, pool);
            let result = timeout(limit.copied().unwrap_or(CONNECT_TIMEOUT), connected).await;
            let late = || Err("PostgreSQL does not answer in time".to_owned());
            result
                .unwrap_or_else(|_| late())
                .map_err(|reason| format!("{}: {reason}", server.name))
        })
        .collect();
    let mut reasons = Vec::new();
    while let Some(result) = dialled.next().await {
        match result {
            Ok(connection) => return Ok(Arc::new(connection)),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(BackendError::Failed(reasons.join("; ")))
}

async fn connect(server: &Server, pool: &Inner) -> Result<Connection, String> {
    let connected = server.config.connect(pool.connector.clone()).await;
    let (client, mut connection) = connected.map_err(|error| describe(&error))?;
    let warnings = Arc::new(AtomicUsize::new(0));
    let warned = warnings.clone();
    let driver = pool.runtime.spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            let AsyncMessage::Notice(notice) = message else {
                continue;
            };
            if notice.parsed_severity() == Some(Severity::Warning) {
                tracing::warn!("PostgreSQL warns: {}", notice.code().code());
                warned.fetch_add(1, Ordering::Release);
            }
        }
    });
    let connection = Connection {
        client,
        warnings,
        in_flight: AtomicUsize::new(0),
        driver: driver.abort_handle(),
    };
    let checked = connection.client.query_typed_one(CHECK, &[]).await;
    let checked = checked.map_err(|error| describe(&error))?;
    let is = |column| checked.try_get::<_, bool>(column).unwrap_or(true);
    if is(0) {
        Err("it takes no writes".to_owned())
    } else if is(1) {
        Err(
            "`synchronous_commit` or `fsync` is off there: it would lose what it has acknowledged"
                .to_owned(),
        )
    } else if is(2) {
        Err("the encoding of the database is not UTF8".to_owned())
    } else {
        Ok(connection)
    }
}
