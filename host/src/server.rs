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
//! | `instance` | makes instances, and chooses how to call them |
//! | `call` | the functions that an instance exports |
//! | `buffered` | calls Latchkey with a request that is in memory |
//! | `handler` | calls a component with a stream |
//! | `proxy` | calls a component of WASI 0.2 |
//! | `guest` | what the component may use |
//! | `outgoing` | sends the requests of a component, over the network or to another one |
//!
//! Before that, `assembly` puts the server together, for which `compose` makes one component of each and its middleware.
//! `trial` asks Latchkey whether its configuration is good.
//!
//! A worker has a thread of its own for its connections, and for each component a queue and an instance. No lock and no queue
//! is shared by all requests. The bounds are in [`Limits`].
//!
//! What the host knows of requests, it knows of Latchkey's: who signs in has a worker of its own, a body is read before the
//! component is asked, and an answer is sent in one piece. All of that is right only for short bodies; to other components
//! the host streams, without a bound on the length or, while something moves, on the time.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::keyvalue::Backend;
use crate::manifest::route::Route;
use crate::metrics::Metrics;
use crate::outbound::AllowedHosts;
use crate::variables::Variables;

use connection::Shared;

mod activity;
mod answer;
mod assembly;
mod body;
mod buffered;
mod call;
mod compose;
mod connection;
mod dispatch;
mod engine;
mod guest;
mod handler;
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
mod trial;
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
}

impl Server {
    /// Compiles and links the components, and starts the workers. This takes a while and blocks the thread, unless an earlier
    /// start has left the compiled components in the cache.
    pub fn new(application: Application, limits: Limits) -> Result<Self, StartError> {
        limits.check()?;
        let shared = Arc::new(assembly::assemble(application, limits)?);
        Ok(Self { shared })
    }

    /// Makes one request to Latchkey, so that one that cannot work is found before anybody connects.
    pub async fn check(&self) -> Result<(), StartError> {
        for service in self.services() {
            if service.is_latchkey {
                trial::check(service).await?;
            }
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
        let time = self.shared.limits.request_time;
        for (service, variables) in self.services().iter().zip(&variables) {
            if service.is_latchkey
                && let Err(error) = trial::try_variables(service, variables, time).await
            {
                self.refuse_variables();
                return Err(error);
            }
        }
        for (service, variables) in self.services().iter().zip(variables) {
            service.instances.variables.replace(variables);
        }
        self.count_refused(false);
        Ok(())
    }

    /// Shows, in the component's readiness and in a metric, that there are variables that it cannot be given.
    pub fn refuse_variables(&self) {
        for service in self.services() {
            if service.is_latchkey {
                service.instances.variables.refuse_newer();
            }
        }
        self.count_refused(true);
    }

    /// In the order of the application.
    fn services(&self) -> &[services::Service] {
        &self.shared.services.all
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
