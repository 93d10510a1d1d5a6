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
//! | `activity` | which connections have to go when there is no room for another |
//! | `connection` | HTTP/1.1: reads the header and the body of a request, writes the answer |
//! | `target` | encodes what no URI can hold |
//! | `dispatch` | decides which worker serves the request |
//! | `worker` | a queue, and one instance after the other that serves it |
//! | `instance` | calls the component |
//! | `proxy` | calls a component of WASI 0.2 |
//! | `guest` | what the component may use |
//!
//! Each worker has a thread of its own for its connections, its queue and its instance. No lock and no queue is shared by all
//! requests. The bounds are in [`Limits`].

use std::collections::BTreeSet;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use wasmtime_wasi_http::WasiBody;

use crate::keyvalue::Backend;
use crate::keyvalue::measured::Measured;
use crate::keyvalue::wit::Stores;
use crate::metrics::Metrics;
use crate::variables::Variables;
use crate::variables::live::LiveVariables;

use answer::{Answer, Failure};
use connection::Shared;
use dispatch::Dispatcher;
use instance::ComponentInstances;
use thread::Thread;

mod activity;
mod answer;
mod body;
mod connection;
mod dispatch;
mod engine;
mod guest;
mod instance;
mod known_credentials;
mod limits;
mod listener;
mod observation;
mod output;
mod proxy;
pub(crate) mod rebinding;
mod route_class;
mod start_error;
mod target;
mod thread;
mod worker;

pub use limits::Limits;
pub use output::AuditLog;
pub use start_error::StartError;

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

/// A compiled component and its running workers.
pub struct Server {
    shared: Arc<Shared>,
    instances: Arc<ComponentInstances>,
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
            engine: engine.clone(),
            linked: Arc::new(guest::link(&engine, &component)?),
            stores: Stores::new(backend, application.key_value_stores),
            variables: Arc::new(LiveVariables::new(application.variables)),
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
            instances,
        })
    }

    /// Makes one request, so that a component that cannot work is found before anybody connects.
    pub async fn check(&self) -> Result<(), StartError> {
        let answer = self.shared.dispatcher.dispatch(0, None, question()?);
        judge(answer.await).await
    }

    /// Gives the component other variables, if it can work with them: asks an instance of its own first. Those that it
    /// cannot work with are refused, and the ones before stay.
    ///
    /// # Errors
    ///
    /// [`StartError::Configuration`] says why they are refused; any other error may pass.
    pub async fn reconfigure(&self, variables: Variables) -> Result<(), StartError> {
        let trial = ComponentInstances {
            variables: Arc::new(LiveVariables::new(variables.clone())),
            metrics: None,
            ..ComponentInstances::clone(&self.instances)
        };
        let (queue, jobs) = worker::queue();
        let request = question()?;
        let time = self.shared.limits.request_time;
        // The instance ends with its queue.
        let ask = async move { queue.request(request, time).await };
        let ((), answer) = tokio::join!(worker::run(Arc::new(trial), jobs), ask);
        let judged = judge(answer).await;
        match &judged {
            Ok(()) => {
                self.instances.variables.replace(variables);
                self.count_refused(false);
            }
            Err(_) => self.refuse_variables(),
        }
        judged
    }

    /// Shows, in the component's readiness and in a metric, that there are variables that it cannot be given.
    pub fn refuse_variables(&self) {
        self.instances.variables.refuse_newer();
        self.count_refused(true);
    }

    fn count_refused(&self, refused: bool) {
        if let Some(metrics) = &self.shared.metrics {
            metrics.configuration_refused(refused);
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

/// A request that a component answers with 503 if its configuration cannot work.
fn question() -> Result<http::Request<WasiBody>, StartError> {
    http::Request::get("http://localhost/api/v1alpha/token")
        .header(http::header::HOST, "localhost")
        .body(Empty::new().map_err(|never| match never {}).boxed_unsync())
        .map_err(|error| StartError::Failed(error.to_string()))
}

/// Fails if the component has not answered, or says that its configuration cannot work.
async fn judge(answer: Result<Answer, Failure>) -> Result<(), StartError> {
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
        // Another failure may pass: the server starts, and each client is told.
        _ => Ok(()),
    }
}

/// What [`judge`] reads of the component's error.
#[derive(serde::Deserialize)]
struct Refusal {
    code: String,
    message: String,
}
