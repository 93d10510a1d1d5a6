//! Serves components over HTTP.
//!
//! A [`Server`] is made of components, their stores and their variables; [`Server::check`] asks Latchkey once whether
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
//! | `services` | finds the component: by route from outside, by name from inside |
//! | `traffic` | streams to other components than Latchkey, and sees whether anything moves |
//! | `dispatch` | decides which worker serves the request |
//! | `worker` | a queue, and one instance after the other that serves it |
//! | `instance` | calls the component |
//! | `proxy` | calls a component of WASI 0.2 |
//! | `guest` | what the component may use |
//! | `outgoing` | sends the requests of a component, over the network or to another one |
//!
//! Before that, `compose` makes one component of each and its middleware.
//!
//! A worker has a thread of its own for its connections, and for each component a queue and an instance. No lock and no queue
//! is shared by all requests. The bounds are in [`Limits`].
//!
//! What the host knows of requests, it knows of Latchkey's: who signs in has a worker of its own, a body is read before the
//! component is asked, and an answer is sent in one piece. All of that is right only for short bodies; to other components
//! the host streams, without a bound on the length or, while something moves, on the time.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use http_body_util::{BodyExt, Empty};
use wasmtime_wasi_http::WasiBody;

use crate::keyvalue::Backend;
use crate::keyvalue::measured::Measured;
use crate::keyvalue::wit::Stores;
use crate::manifest::route::{Route, Routes};
use crate::metrics::Metrics;
use crate::outbound::AllowedHosts;
use crate::variables::Variables;
use crate::variables::live::LiveVariables;

use answer::{Answer, Failure};
use connection::Shared;
use dispatch::Dispatcher;
use instance::ComponentInstances;
use outgoing::Ways;
use services::Services;
use thread::Thread;
use traffic::Moved;

mod activity;
mod answer;
mod body;
mod compose;
mod connection;
mod dispatch;
mod engine;
mod guest;
mod instance;
mod known_credentials;
mod limits;
mod listener;
mod observation;
mod outgoing;
mod output;
mod proxy;
pub(crate) mod rebinding;
mod route_class;
mod services;
mod start_error;
mod target;
mod thread;
mod traffic;
mod worker;

pub use compose::Middleware;
pub use limits::Limits;
pub use output::AuditLog;
pub use start_error::StartError;

/// What the server is made of.
pub struct Application {
    /// What it serves.
    pub services: Vec<Service>,
    /// The store behind the label `default`.
    pub backend: Arc<dyn Backend>,
    /// The metrics, if they are wanted.
    pub metrics: Option<Arc<Metrics>>,
    /// Where audit lines go.
    pub audit: AuditLog,
}

/// A component that is served, with the middleware in front of it and all that they are granted.
pub struct Service {
    /// Its id in the manifest.
    pub name: String,
    /// The bytes of the component.
    pub component: Vec<u8>,
    /// The first is asked first.
    pub middleware: Vec<Middleware>,
    /// The labels of the stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// What it may ask of `spin:variables`.
    pub variables: Variables,
    /// Where it may send requests to.
    pub allowed_hosts: AllowedHosts,
    /// The paths that lead to it from outside.
    pub routes: Vec<Route>,
    /// Whether requests from inside lead to it, by its name.
    pub is_chained: bool,
    /// Whether it is Latchkey, whose requests the host knows.
    pub is_latchkey: bool,
}

impl Service {
    /// Latchkey alone, at every path, with the store `default`.
    pub fn latchkey(component: Vec<u8>, variables: Variables) -> Self {
        Self {
            name: "latchkey".to_owned(),
            component,
            middleware: Vec::new(),
            key_value_stores: BTreeSet::from(["default".to_owned()]),
            variables,
            allowed_hosts: AllowedHosts::default(),
            routes: Vec::from_iter("/...".parse()),
            is_chained: true,
            is_latchkey: true,
        }
    }
}

/// Compiled components and their running workers.
pub struct Server {
    shared: Arc<Shared>,
    /// What makes the instances of each service, in the order of the application.
    instances: Vec<ComponentInstances>,
}

impl Server {
    /// Compiles and links the components, and starts the workers. This takes a while and blocks the thread, unless an earlier
    /// start has left the compiled components in the cache.
    pub fn new(application: Application, limits: Limits) -> Result<Self, StartError> {
        limits.check()?;
        let parts = application.services.iter();
        let parts = parts.map(|service| 1 + service.middleware.len()).sum();
        let engine = engine::new(&limits, parts)?;
        engine::start_clock(&engine);
        let metrics = application.metrics;
        let backend = match &metrics {
            Some(metrics) => Arc::new(Measured::new(application.backend, metrics.clone())),
            None => application.backend,
        };
        let start_thread = |name: String| {
            Thread::start(name).map_err(|error| StartError::Engine(error.to_string()))
        };
        let sign_in_thread = start_thread("sign-in".to_owned())?;
        let serving_threads: Vec<_> = (0..limits.serving_workers)
            .map(|number| start_thread(format!("serving-{number}")))
            .collect::<Result<_, _>>()?;

        let is_alone = application.services.len() == 1;
        let link = Arc::new(OnceLock::new());
        let (mut all, mut routes, mut every) = (Vec::new(), Vec::new(), Vec::new());
        for (number, service) in application.services.into_iter().enumerate() {
            for route in service.routes {
                // A label must outlive all metrics; there are as many as the manifest has routes.
                let label: &'static str = route.to_string().leak();
                routes.push((route, (number, label)));
            }
            let component = compose::compose(&service.middleware, service.component)
                .and_then(|component| engine::compile(&engine, &component))
                .and_then(|component| guest::link(&engine, &component))
                .map_err(|error| match is_alone {
                    true => error,
                    false => StartError::Service(service.name.clone(), Box::new(error)),
                })?;
            let instances = ComponentInstances {
                engine: engine.clone(),
                linked: Arc::new(component),
                stores: Stores::new(backend.clone(), service.key_value_stores),
                variables: Arc::new(LiveVariables::new(service.variables)),
                metrics: metrics.clone(),
                audit: application.audit.clone(),
                limits: limits_of(&limits, service.is_latchkey),
                max_collected: answer::max_collected(service.is_latchkey),
                gets_host: !service.is_latchkey,
                ways: Ways {
                    services: link.clone(),
                    allowed: Arc::new(service.allowed_hosts),
                    home: 0,
                    moved: Moved::default(),
                    time: limits.request_time * 9 / 10,
                },
            };
            let start_worker = |home: usize, thread: &Thread| {
                let (queue, jobs) = worker::queue();
                let mut instances = instances.clone();
                instances.ways.home = home;
                instances.ways.moved = jobs.moved.clone();
                thread.runtime.spawn(worker::run(Arc::new(instances), jobs));
                queue
            };
            let sign_in = (service.is_latchkey).then(|| start_worker(0, &sign_in_thread));
            let serving = serving_threads.iter().enumerate();
            let serving = serving.map(|(home, thread)| start_worker(home, thread));
            all.push(services::Service {
                chained_name: service.is_chained.then_some(service.name),
                is_latchkey: service.is_latchkey,
                dispatcher: Dispatcher::new(sign_in, serving.collect(), limits.request_time),
            });
            every.push(instances);
        }
        let services = Arc::new(Services {
            all,
            routes: Routes::new(routes).map_err(StartError::Routes)?,
            metrics: metrics.clone(),
        });
        // Nobody else sets it.
        let _ = link.set(Arc::downgrade(&services));
        Ok(Self {
            shared: Arc::new(Shared {
                services,
                serving_threads,
                _sign_in_thread: sign_in_thread,
                limits,
                metrics,
            }),
            instances: every,
        })
    }

    /// Makes one request to Latchkey, so that one that cannot work is found before anybody connects.
    pub async fn check(&self) -> Result<(), StartError> {
        let services = self.shared.services.all.iter();
        for latchkey in services.filter(|service| service.is_latchkey) {
            let answer = latchkey.dispatcher.dispatch(0, None, question()?);
            judge(answer.await).await?;
        }
        Ok(())
    }

    /// Gives each service other variables, in the order of the application, if Latchkey can work with its own: asks an instance
    /// of its own first. Those that it cannot work with are refused, and the ones before stay, for all services.
    ///
    /// # Errors
    ///
    /// [`StartError::Configuration`] says why they are refused; any other error may pass.
    pub async fn reconfigure(&self, variables: Vec<Variables>) -> Result<(), StartError> {
        for ((service, instances), variables) in self.services().zip(&variables) {
            if service.is_latchkey
                && let Err(error) = self.try_variables(instances, variables).await
            {
                self.refuse_variables();
                return Err(error);
            }
        }
        for (instances, variables) in self.instances.iter().zip(variables) {
            instances.variables.replace(variables);
        }
        self.count_refused(false);
        Ok(())
    }

    fn services(&self) -> impl Iterator<Item = (&services::Service, &ComponentInstances)> {
        self.shared.services.all.iter().zip(&self.instances)
    }

    async fn try_variables(
        &self,
        instances: &ComponentInstances,
        variables: &Variables,
    ) -> Result<(), StartError> {
        let trial = ComponentInstances {
            variables: Arc::new(LiveVariables::new(variables.clone())),
            metrics: None,
            ..instances.clone()
        };
        let (queue, jobs) = worker::queue();
        let request = question()?;
        let time = self.shared.limits.request_time;
        // The instance ends with its queue.
        let ask = async move { queue.request(request, time).await };
        let ((), answer) = tokio::join!(worker::run(Arc::new(trial), jobs), ask);
        judge(answer).await
    }

    /// Shows, in the component's readiness and in a metric, that there are variables that it cannot be given.
    pub fn refuse_variables(&self) {
        for (service, instances) in self.services() {
            if service.is_latchkey {
                instances.variables.refuse_newer();
            }
        }
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

/// Latchkey answers soon, and its requests wait for each other. Other components may stream for as long as their clients do: a few
/// slow ones must not take all places of an instance.
fn limits_of(limits: &Limits, is_latchkey: bool) -> Limits {
    let mut limits = limits.clone();
    if !is_latchkey {
        limits.requests_per_instance = limits.requests_per_instance.max(limits.connections);
    }
    limits
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

/// What [`Server::check`] reads of the component's error.
#[derive(serde::Deserialize)]
struct Refusal {
    code: String,
    message: String,
}
