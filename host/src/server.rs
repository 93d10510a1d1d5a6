//! Serves one component over HTTP.
//!
//! A [`Server`] is made of a component, its stores and its variables; [`Server::check`] asks the component once whether
//! its configuration is good, and [`Server::serve`] is a function of a bound listener and a shutdown future. So the binary,
//! the tests and a benchmark use the same code.
//!
//! Requests go to instances that live long and serve several requests at once. The bounds are in [`Limits`]; each says
//! what it protects.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use tokio::sync::Semaphore;
use wasmtime_wasi_http::handler::ProxyHandler;

use crate::keyvalue::Backend;
use crate::keyvalue::wit::Stores;
use crate::variables::Variables;

mod answer;
mod body;
mod connection;
mod engine;
mod guest;
mod instances;
mod listener;

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
}

/// The bounds of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that are open at a time; beyond it, clients wait to be accepted.
    pub connections: usize,
    /// Requests that are with the component at a time; beyond it, they wait. Also bounds the instances, and with them
    /// the memory of the process.
    pub requests: usize,
    /// Requests that one instance serves at a time.
    pub requests_per_instance: usize,
    /// Requests that one instance serves in its life, so that nothing it might leak grows for ever.
    pub instance_life: usize,
    /// How long an instance without work is kept.
    pub instance_idle: Duration,
    /// How many instances are kept for much longer than that, for what they remember: the next request after a quiet
    /// hour should be as fast as any other.
    pub instances_kept: usize,
    /// The linear memory of an instance, in bytes.
    pub instance_memory: usize,
    /// How long a request may take, from the end of its header to the beginning of the answer.
    pub request_time: Duration,
    /// How long a client may take to send the header of a request, and how long a connection may lie idle before it.
    pub header_time: Duration,
    /// How long requests in flight may go on after a shutdown has begun.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connections: 2048,
            requests: 128,
            requests_per_instance: 16,
            instance_life: 100_000,
            instance_idle: Duration::from_secs(5),
            instances_kept: processors,
            instance_memory: 128 << 20,
            request_time: Duration::from_secs(30),
            header_time: Duration::from_secs(30),
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
    _ending: instances::Ending,
    /// Keeps the clock of the engine running.
    _ticker: engine::Ticker,
}

/// What all connections share.
struct Shared {
    handler: ProxyHandler<instances::Instances>,
    /// One permit per request that is with the component.
    requests: Arc<Semaphore>,
    limits: Limits,
}

impl Server {
    /// Compiles and links the component. This takes a while and blocks the thread, unless an earlier start has left the
    /// result in the cache.
    pub fn new(application: Application, limits: Limits) -> Result<Self, StartError> {
        let engine = engine::new(&limits)?;
        let component = engine::compile(&engine, &application.component)?;
        let stores = Stores::new(application.backend, application.key_value_stores);
        let variables = Arc::new(application.variables);
        let pre = guest::link(&engine, &component)?;
        let ticker = engine::Ticker::start(&engine);
        let instances = instances::Instances::new(pre, stores, variables, limits.clone());
        Ok(Self {
            _ending: instances.ending(),
            shared: Arc::new(Shared {
                handler: ProxyHandler::new(instances),
                requests: Arc::new(Semaphore::new(limits.requests)),
                limits,
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
        let response = connection::handle(&self.shared, request)
            .await
            .map_err(|failure| StartError::Failed(failure.to_string()))?;
        if response.status() != http::StatusCode::SERVICE_UNAVAILABLE {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| StartError::Failed(one_line(&error)))?;
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
