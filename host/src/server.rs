//! Serves one component over HTTP.
//!
//! A [`Server`] is made of a component, its stores and its variables; [`Server::check`] asks the component once whether
//! its configuration is good, and [`Server::serve`] is a function of a bound listener and a shutdown future. So the binary,
//! the tests and a benchmark use the same code.
//!
//! The way of a request:
//!
//! | module | its one job |
//! |---|---|
//! | `listener` | accepts connections, and gives each to a serving worker |
//! | `connection` | HTTP/1.1: reads the header of a request, writes the answer |
//! | `dispatch` | decides which worker serves the request |
//! | `worker` | a queue, and one instance after the other that serves it |
//! | `instance` | calls the component |
//! | `guest` | what the component may use |
//!
//! Each worker has a thread of its own, on which its connections, its queue and its instance live. No lock and no queue is
//! shared by all requests. The bounds are in [`Limits`]; each says what it protects.

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
use instance::ComponentInstances;
use thread::Thread;

mod answer;
mod body;
mod connection;
mod dispatch;
mod engine;
mod guest;
mod instance;
mod known_credentials;
mod listener;
mod observation;
mod output;
mod route_class;
mod thread;
mod worker;

pub use output::AuditLog;

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
    /// The metrics, if they are wanted.
    pub metrics: Option<Arc<Metrics>>,
    /// Where the component's audit lines go.
    pub audit: AuditLog,
}

/// The bounds of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that are open at a time, and so requests; beyond it, clients wait to be accepted.
    pub connections: usize,
    /// Workers that serve connections, each with a thread and an instance: as many as can compute at a time. There is one
    /// more, for signing in.
    pub serving_workers: usize,
    /// Requests that one instance serves at a time.
    pub requests_per_instance: usize,
    /// Requests that one instance serves in its life, so that nothing it might leak grows for ever.
    pub instance_life: usize,
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
            serving_workers: processors.min(32),
            requests_per_instance: 64,
            instance_life: 10_000_000,
            instance_memory: 128 << 20,
            request_time: Duration::from_secs(30),
            body_time: Duration::from_secs(20),
            header_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Refuses bounds with which nothing would be served, or which this machine's address space cannot hold.
    fn check(&self) -> Result<(), StartError> {
        let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        let day = 24 * 60 * 60 * 1_000;
        for (name, value, least, most) in [
            ("connections", self.connections, 1, 1 << 20),
            ("serving_workers", self.serving_workers, 1, 1_000),
            (
                "requests_per_instance",
                self.requests_per_instance,
                1,
                10_000,
            ),
            ("instance_life", self.instance_life, 1, usize::MAX),
            ("instance_memory", self.instance_memory, 1 << 20, 4 << 30),
            ("request_time", millis(self.request_time), 1, day),
            ("body_time", millis(self.body_time), 1, day),
            ("header_time", millis(self.header_time), 1, day),
            ("write_time", millis(self.write_time), 1, day),
        ] {
            if !(least..=most).contains(&value) {
                return Err(StartError::Limit(name, least, most));
            }
        }
        Ok(())
    }
}

/// Why a component cannot be served. Each text is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field of [`Limits`], in milliseconds if it is a time, the least that works and the most.
    #[error("the limit {0} must be from {1} to {2}")]
    Limit(&'static str, usize, usize),
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
}

/// What all connections share.
struct Shared {
    dispatcher: Dispatcher,
    /// The thread of each serving worker, by the worker's number.
    serving_threads: Vec<Thread>,
    _sign_in_thread: Thread,
    limits: Limits,
    metrics: Option<Arc<Metrics>>,
}

impl Server {
    /// Compiles and links the component, and starts the workers. This takes a while and blocks the thread, unless an
    /// earlier start has left the compiled component in the cache.
    pub fn new(application: Application, limits: Limits) -> Result<Self, StartError> {
        limits.check()?;
        let engine = engine::new(&limits)?;
        engine::start_clock(&engine);
        let component = engine::compile(&engine, &application.component)?;
        let metrics = application.metrics;
        let backend = match &metrics {
            Some(metrics) => Arc::new(Measured::new(application.backend, metrics.clone())),
            None => application.backend,
        };
        let instances = Arc::new(ComponentInstances {
            pre: guest::link(&engine, &component)?,
            stores: Stores::new(backend, application.key_value_stores),
            variables: Arc::new(application.variables),
            metrics: metrics.clone(),
            audit: application.audit,
            limits: limits.clone(),
        });
        let start_worker = |name: String| {
            let thread =
                Thread::start(name).map_err(|error| StartError::Engine(error.to_string()))?;
            let (queue, jobs) = worker::queue();
            thread.runtime.spawn(worker::run(instances.clone(), jobs));
            Ok((queue, thread))
        };
        let (sign_in, sign_in_thread) = start_worker("sign-in".to_owned())?;
        let serving: Vec<_> = (0..limits.serving_workers)
            .map(|number| start_worker(format!("serving-{number}")))
            .collect::<Result<_, _>>()?;
        let (serving, serving_threads) = serving.into_iter().unzip();
        Ok(Self {
            shared: Arc::new(Shared {
                dispatcher: Dispatcher::new(sign_in, serving, limits.request_time),
                serving_threads,
                _sign_in_thread: sign_in_thread,
                limits,
                metrics,
            }),
        })
    }

    /// Makes one request, so that a component that cannot work is found before anybody connects.
    pub async fn check(&self) -> Result<(), StartError> {
        let request = http::Request::get("http://localhost/api/v1alpha/token")
            .header(http::header::HOST, "localhost")
            .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
            .map_err(|error| StartError::Failed(error.to_string()))?;
        let answer = self.shared.dispatcher.dispatch(0, None, request).await;
        let response = answer.map_err(|failure| StartError::Failed(failure.to_string()))?;
        if response.status() != http::StatusCode::SERVICE_UNAVAILABLE {
            return Ok(());
        }
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| StartError::Failed(error.to_string()))?;
        match serde_json::from_slice::<Refusal>(&body.to_bytes()) {
            Ok(refusal) if matches!(&*refusal.code, "not_configured" | "misconfigured") => {
                Err(StartError::Configuration(refusal.message))
            }
            // Something else fails, which may pass: the server starts, and tells each client.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused() {
        let name = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            match limits.check() {
                Ok(()) => None,
                Err(StartError::Limit(name, ..)) => Some(name),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(name(|_| {}), None);
        assert_eq!(name(|limits| limits.shutdown_time = Duration::ZERO), None);
        for (change, expected) in [
            (
                (|limits| limits.connections = 0) as fn(&mut Limits),
                "connections",
            ),
            (|limits| limits.connections = usize::MAX, "connections"),
            (|limits| limits.serving_workers = 0, "serving_workers"),
            (|limits| limits.serving_workers = 1_001, "serving_workers"),
            (
                |limits| limits.requests_per_instance = 0,
                "requests_per_instance",
            ),
            (|limits| limits.instance_life = 0, "instance_life"),
            (|limits| limits.instance_memory = 0, "instance_memory"),
            (|limits| limits.instance_memory = 5 << 30, "instance_memory"),
            (
                |limits| limits.request_time = Duration::ZERO,
                "request_time",
            ),
            (|limits| limits.body_time = Duration::ZERO, "body_time"),
            (|limits| limits.header_time = Duration::MAX, "header_time"),
            (|limits| limits.write_time = Duration::ZERO, "write_time"),
        ] {
            assert_eq!(name(change), Some(expected));
        }
    }
}
