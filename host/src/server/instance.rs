//! Instances of the component, as workers need them.

use std::pin::Pin;
use std::sync::Arc;

use http::{Method, Request};
use wasmtime::component::Accessor;
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p3::bindings::Service;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

use super::answer::{self, Answer, Failure};
use super::engine::PROXIES;
use super::guest::{self, Guest, Linked};
use super::limits::Limits;
use super::output::AuditLog;
use super::proxy;
use super::worker::{self, End, Instances, Jobs, Progress};
use crate::keyvalue::wit::Stores;
use crate::metrics::Metrics;
use crate::variables::live::LiveVariables;

#[derive(Clone)]
pub(super) struct ComponentInstances {
    pub(super) engine: Engine,
    pub(super) linked: Arc<Linked>,
    pub(super) stores: Stores,
    pub(super) variables: Arc<LiveVariables>,
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) audit: AuditLog,
    pub(super) limits: Limits,
}

impl ComponentInstances {
    /// The store of a new instance.
    pub(super) fn store(&self) -> Store<Guest> {
        let guest = Guest::new(
            self.stores.clone(),
            self.variables.clone(),
            self.audit.clone(),
            self.metrics.clone(),
        );
        guest::store(&self.engine, guest)
    }
}

impl Instances for ComponentInstances {
    async fn serve(&self, jobs: &mut Jobs) -> wasmtime::Result<End> {
        let progress = Progress::default();
        let service = match &*self.linked {
            Linked::Service(service) => service,
            Linked::Proxy(proxy) => {
                let limits = Limits {
                    requests_per_instance: self.limits.requests_per_instance.min(PROXIES),
                    ..self.limits.clone()
                };
                let respond = async |request| Ok(proxy::respond(self, proxy, request).await);
                let serving = worker::serve_jobs(jobs, &limits, &progress, respond);
                return Ok(worker::watched(serving, &progress, &limits).await);
            }
        };
        let mut store = self.store();
        let service = service.instantiate_async(&mut store).await?;
        let _counted = self.metrics.as_deref().map(Metrics::instance);
        let serving = store.run_concurrent(async |accessor| {
            let respond = |request| respond(accessor, &service, request);
            worker::serve_jobs(jobs, &self.limits, &progress, respond).await
        });
        let serving = async { serving.await? };
        Ok(worker::watched(serving, &progress, &self.limits).await)
    }
}

/// Tells how sending a request's body to the component went.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// Calls the component. Fails if the instance traps.
async fn respond(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: Request<WasiBody>,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let head = request.method() == Method::HEAD;
    let (request, sent) = accessor.with(|mut access| {
        let view = access.get().http();
        let (request, sent) = p3::Request::from_http(view.hooks, request);
        // Boxed, since its type names a borrow that its value does not have.
        let sent: Sent = Box::pin(sent);
        wasmtime::error::Ok((view.table.push(request)?, sent))
    })?;
    let handler = service.wasi_http_handler();
    let response = match handler.call_handle(accessor, request).await? {
        Ok(response) => accessor.with(|mut access| {
            let response = access.get().http().table.delete(response)?;
            response.into_http(&mut access, sent)
        })?,
        Err(code) => {
            tracing::error!("the component failed: {code:?}");
            return Ok(Err(Failure::Trap));
        }
    };
    Ok(answer::collect(response, head).await)
}
