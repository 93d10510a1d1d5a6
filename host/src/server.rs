//! Serves one component over HTTP.
//!
//! A [`Server`] is made of a component, its stores and its variables; [`Server::check`] asks the component once whether
//! its configuration is good, and [`Server::serve`] is a function of a bound listener and a shutdown future. So the binary,
//! the tests and a benchmark use the same code.
//!
//! Requests go to a few instances that live long and serve many requests at once. The bounds are in [`Limits`]; each says
//! what it protects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};

use crate::keyvalue::Backend;
use crate::keyvalue::measured::Measured;
use crate::keyvalue::wit::Stores;
use crate::metrics::Metrics;
use crate::variables::Variables;

use dispatch::Dispatcher;
use instance::Factory;
use target::Target;
use threads::Threads;

mod answer;
mod basic;
mod body;
mod callers;
mod connection;
mod dispatch;
mod engine;
mod guest;
mod instance;
mod listener;
mod observation;
mod output;
mod target;
mod threads;

/// What the server is made of.
pub struct Application {
    /// The bytes of the component.
    pub component: Vec<u8>,
    /// The labels of the stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// The store behind the label `default`.
    pub backend: Arc<dyn Backend>,
    /// What it may ask of `spin:variables`.
    pub variables: Variables,
    /// What counts what happens, if anything does.
    pub metrics: Option<Arc<Metrics>>,
}

/// The bounds of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that are open at a time, and so requests; beyond it, clients wait to be accepted.
    pub connections: usize,
    /// Instances that are kept, besides the one that receives strangers: as many as can compute at a time, each on a
    /// thread of its own.
    pub instances: usize,
    /// Instances that there may be where some of them wait for the store, besides the same one.
    pub instances_at_most: usize,
    /// Requests that one instance serves at a time.
    pub requests_per_instance: usize,
    /// Requests that one instance serves in its life, so that nothing it might leak grows for ever.
    pub instance_life: usize,
    /// How long an instance beyond those that are kept stays without work.
    pub instance_idle: Duration,
    /// The linear memory of an instance, in bytes.
    pub instance_memory: usize,
    /// How long a request may take, from the end of its header to the beginning of the answer.
    pub request_time: Duration,
    /// How long a client may take to send the body of a request, once it is waited for.
    pub body_time: Duration,
    /// How long a client may take to send the header of a request, and how long a connection may lie idle before it.
    pub header_time: Duration,
    /// How long a client may leave an answer unread that does not fit into the buffers on the way. On Linux only.
    pub write_time: Duration,
    /// How long requests in flight may go on after a shutdown has begun.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connections: 1024,
            instances: processors.min(32),
            instances_at_most: processors.min(32) + 6,
            requests_per_instance: 64,
            instance_life: 10_000_000,
            instance_idle: Duration::from_secs(60),
            instance_memory: 128 << 20,
            request_time: Duration::from_secs(30),
            body_time: Duration::from_secs(20),
            header_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(10),
        }
    }
}

/// Why a component cannot be served. Each text is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine does not work on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The file is not a component, or not a valid one.
    #[error("it is not a valid WebAssembly component: {0}")]
    Component(String),
    /// It needs something that this host does not offer, or does not serve HTTP.
    #[error("it does not fit this host: {0}")]
    Fit(String),
    /// It failed at the first request.
    #[error("it failed at its first request: {0}")]
    Failed(String),
    /// It says that its configuration is no good. The text is its own.
    #[error("{0}")]
    Configuration(String),
}

/// A component that is ready to be served.
pub struct Server {
    shared: Arc<Shared>,
    /// Keeps the clock of the engine running.
    _ticker: engine::Ticker,
}

/// What all connections share.
struct Shared {
    dispatcher: Dispatcher,
    threads: Arc<Threads>,
    limits: Limits,
    metrics: Option<Arc<Metrics>>,
}

impl Server {
    /// Compiles and links the component. This takes a while and blocks the thread, unless an earlier start has left the
    /// result in the cache.
    pub fn new(application: Application, limits: Limits) -> Result<Self, StartError> {
        let engine = engine::new(&limits)?;
        let component = engine::compile(&engine, &application.component)?;
        let metrics = application.metrics;
        let backend = match &metrics {
            Some(metrics) => Arc::new(Measured::new(application.backend, metrics.clone())),
            None => application.backend,
        };
        let stores = Stores::new(backend, application.key_value_stores);
        let variables = Arc::new(application.variables);
        let pre = guest::link(&engine, &component)?;
        let ticker = engine::Ticker::start(&engine);
        let factory = Factory {
            pre,
            stores,
            variables,
            metrics: metrics.clone(),
        };
        let threads = Threads::start(limits.instances);
        let threads = Arc::new(threads.map_err(|error| StartError::Engine(error.to_string()))?);
        Ok(Self {
            shared: Arc::new(Shared {
                dispatcher: Dispatcher::new(factory, limits.clone(), threads.clone()),
                threads,
                limits,
                metrics,
            }),
            _ticker: ticker,
        })
    }

    /// Makes an instance and one request to it, so that a component that cannot work is found before anybody connects,
    /// and so that the first client does not wait.
    pub async fn check(&self) -> Result<(), StartError> {
        let request = http::Request::get("http://localhost/api/v1alpha/token")
            .header(http::header::HOST, "localhost")
            .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| StartError::Failed(error.to_string()))?;
        let target = Target::of(request.method(), request.uri());
        let response = self.shared.dispatcher.handle(0, target, request).await;
        let response = response.map_err(|failure| StartError::Failed(failure.to_string()))?;
        let response = response.0;
        if response.status() != http::StatusCode::SERVICE_UNAVAILABLE {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| StartError::Failed(error.to_string()))?;
        match serde_json::from_slice::<Refusal>(&body.to_bytes()) {
            Ok(refusal) if matches!(&*refusal.code, "not_configured" | "misconfigured") => {
                Err(StartError::Configuration(refusal.message))
            }
            // Something else is out of order, which may pass; the server starts and says so to each client.
            _ => Ok(()),
        }
    }

    /// Accepts connections from `listener` until `shutdown` is ready, then answers the requests in flight and returns.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()>,
    ) {
        listener::serve(&self.shared, listener, shutdown).await;
    }
}

/// The part of an error of the component that [`Server::check`] reads.
#[derive(serde::Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// An error and its causes in one line.
fn one_line(error: &dyn std::fmt::Display) -> String {
    let text = format!("{error:#}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
