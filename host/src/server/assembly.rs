//! Puts a server together: compiles and links the components, and starts the workers that serve them.

use std::sync::{Arc, OnceLock, Weak};

use wasmtime::Engine;

use super::connection::Shared;
use super::dispatch::Dispatcher;
use super::instance::ComponentInstances;
use super::outgoing::Ways;
use super::output::AuditLog;
use super::services::{self, Services};
use super::thread::Thread;
use super::traffic::Moved;
use super::worker::{self, Queue};
use super::{Application, Limits, Service, StartError, answer, compose, engine, guest};
use crate::keyvalue::measured::Measured;
use crate::keyvalue::wit::Stores;
use crate::manifest::route::Routes;
use crate::metrics::Metrics;
use crate::variables::live::LiveVariables;

/// What all services of a server have in common.
struct Assembly {
    engine: Engine,
    stores: Stores,
    metrics: Option<Arc<Metrics>>,
    audit: AuditLog,
    limits: Limits,
    threads: Threads,
    /// By which a component finds the others. Set when all are there.
    services: Arc<OnceLock<Weak<Services>>>,
}

/// The threads of the workers.
struct Threads {
    sign_in: Thread,
    /// By the numbers of the serving workers.
    serving: Vec<Thread>,
}

/// Starts all that serves `application`.
pub(super) fn assemble(application: Application, limits: Limits) -> Result<Shared, StartError> {
    let Application {
        services,
        backend,
        metrics,
        audit,
    } = application;
    let components = services.iter().map(|service| 1 + service.middleware.len());
    let engine = engine::new(&limits, components.sum())?;
    engine::start_clock(&engine);
    let backend = match &metrics {
        Some(metrics) => Arc::new(Measured::new(backend, metrics.clone())),
        None => backend,
    };
    let assembly = Assembly {
        engine,
        stores: Stores::new(backend),
        metrics,
        audit,
        threads: Threads::start(limits.serving_workers)?,
        limits,
        services: Arc::default(),
    };
    let is_alone = services.len() == 1;
    let mut all = Vec::with_capacity(services.len());
    let mut routes = Vec::new();
    for (number, service) in services.into_iter().enumerate() {
        for route in &service.routes {
            // A label must outlive all metrics; there are as many as the manifest has routes.
            let label: &'static str = route.to_string().leak();
            routes.push((route.clone(), (number, label)));
        }
        let name = service.name.clone();
        let service = assembly.serve(service).map_err(|error| match is_alone {
            true => error,
            false => StartError::Service(name, Box::new(error)),
        })?;
        all.push(service);
    }
    let services = Arc::new(Services {
        all,
        routes: Routes::new(routes).map_err(StartError::Routes)?,
        metrics: assembly.metrics.clone(),
    });
    // Nobody else sets it.
    let _ = assembly.services.set(Arc::downgrade(&services));
    Ok(Shared {
        services,
        serving_threads: assembly.threads.serving,
        _sign_in_thread: assembly.threads.sign_in,
        limits: assembly.limits,
        metrics: assembly.metrics,
    })
}

impl Threads {
    fn start(serving: usize) -> Result<Self, StartError> {
        let start = |name: String| {
            Thread::start(name).map_err(|error| StartError::Engine(error.to_string()))
        };
        let serving = (0..serving).map(|number| start(format!("serving-{number}")));
        Ok(Self {
            sign_in: start("sign-in".to_owned())?,
            serving: serving.collect::<Result<_, _>>()?,
        })
    }
}

impl Assembly {
    /// Compiles and links the component of `service` with its middleware, and starts a worker of it on each thread.
    fn serve(&self, service: Service) -> Result<services::Service, StartError> {
        let component = compose::compose(&service.middleware, service.component)?;
        let component = engine::compile(&self.engine, &component)?;
        let instances = ComponentInstances {
            engine: self.engine.clone(),
            linked: Arc::new(guest::link(&self.engine, &component)?),
            stores: self.stores.granting(service.key_value_stores),
            variables: Arc::new(LiveVariables::new(service.variables)),
            metrics: self.metrics.clone(),
            audit: self.audit.clone(),
            limits: self.limits_of(service.is_latchkey),
            max_collected: answer::max_collected(service.is_latchkey),
            gets_host: !service.is_latchkey,
            ways: Ways {
                services: self.services.clone(),
                allowed: Arc::new(service.allowed_hosts),
                // Each worker has its own of these two.
                home: 0,
                moved: Moved::default(),
                time: self.limits.request_time * 9 / 10,
            },
        };
        let sign_in =
            (service.is_latchkey).then(|| start_worker(&instances, 0, &self.threads.sign_in));
        let threads = self.threads.serving.iter().enumerate();
        let serving = threads.map(|(home, thread)| start_worker(&instances, home, thread));
        let dispatcher = Dispatcher::new(sign_in, serving.collect(), self.limits.request_time);
        Ok(services::Service {
            chained_name: service.is_chained.then_some(service.name),
            is_latchkey: service.is_latchkey,
            dispatcher,
            instances,
        })
    }

    /// Latchkey answers soon, and its requests wait for each other. Other components may stream for as long as their clients
    /// do: a few slow ones must not take all places of an instance.
    fn limits_of(&self, is_latchkey: bool) -> Limits {
        let mut limits = self.limits.clone();
        if !is_latchkey {
            limits.requests_per_instance = limits.requests_per_instance.max(limits.connections);
        }
        limits
    }
}

/// Starts a worker on `thread`. The serving worker `home` answers what its component sends within the application.
fn start_worker(instances: &ComponentInstances, home: usize, thread: &Thread) -> Queue {
    let (queue, jobs) = worker::queue();
    let mut instances = instances.clone();
    instances.ways.home = home;
    instances.ways.moved = jobs.moved.clone();
    thread.runtime.spawn(worker::run(Arc::new(instances), jobs));
    queue
}
