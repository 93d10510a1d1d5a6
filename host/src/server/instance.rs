//! Instances of a component, as workers need them.

use std::pin::Pin;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Method, Request};
use wasmtime::component::{
    Accessor, ComponentNamedList, Instance, Lift, Lower, Resource, TypedFunc,
};
use wasmtime::{Engine, Store};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

use super::answer::{self, Answer, Failure};
use super::body::RequestBody;
use super::buffered::{self, BUFFERED_HANDLER};
use super::compose::HANDLER;
use super::engine::PROXIES;
use super::guest::{self, Guest, Linked};
use super::limits::Limits;
use super::outgoing::{Outgoing, Ways};
use super::output::AuditLog;
use super::proxy;
use super::worker::{self, End, Instances, Jobs, Progress};
use crate::keyvalue::wit::Stores;
use crate::metrics::Metrics;
use crate::variables::live::LiveVariables;

/// The instances of one component that one worker makes.
#[derive(Clone)]
pub(super) struct ComponentInstances {
    pub(super) engine: Engine,
    pub(super) linked: Arc<Linked>,
    pub(super) stores: Stores,
    pub(super) variables: Arc<LiveVariables>,
    pub(super) metrics: Option<Arc<Metrics>>,
    pub(super) audit: AuditLog,
    pub(super) limits: Limits,
    /// Answers up to this length are collected.
    pub(super) max_collected: u64,
    /// Whether the component gets the header `Host`, as under Spin. Latchkey has no use for it.
    pub(super) gets_host: bool,
    pub(super) ways: Ways,
}

impl ComponentInstances {
    /// The store of a new instance.
    pub(super) fn store(&self) -> Store<Guest> {
        let guest = Guest::new(
            self.stores.clone(),
            self.variables.clone(),
            self.audit.clone(),
            self.metrics.clone(),
            Outgoing::new(self.ways.clone()),
        );
        guest::store(&self.engine, guest)
    }
}

impl Instances for ComponentInstances {
    async fn serve(&self, jobs: &mut Jobs) -> wasmtime::Result<End> {
        let progress = Progress::of(jobs);
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
        let instance = service.instance_pre().instantiate_async(&mut store).await?;
        let handle: Handle = function(&instance, &mut store, HANDLER)?
            .ok_or_else(|| wasmtime::format_err!("no {HANDLER}"))?;
        let buffered = function(&instance, &mut store, BUFFERED_HANDLER)?;
        let _counted = self.metrics.as_deref().map(Metrics::instance);
        let serving = store.run_concurrent(async |accessor| {
            let respond = async |request: Request<RequestBody>| {
                let (head, body) = request.into_parts();
                match (body, buffered) {
                    (RequestBody::Buffered(body), Some(handle)) => {
                        let revision = self.variables.revision();
                        buffered::respond(accessor, handle, head, body, revision).await
                    }
                    (body, _) => {
                        let request = Request::from_parts(head, body.into_stream());
                        respond(accessor, handle, request, self).await
                    }
                }
            };
            worker::serve_jobs(jobs, &self.limits, &progress, respond).await
        });
        let serving = async { serving.await? };
        Ok(worker::watched(serving, &progress, &self.limits).await)
    }
}

/// Tells how sending a request's body to the component went.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// `wasi:http/handler.handle`. The library's own binding to it does not tell which call is which.
type Handle = TypedFunc<(Resource<p3::Request>,), (Result<Resource<p3::Response>, ErrorCode>,)>;

/// The function `handle` of an interface, if the component exports that. Fails if it is of another type.
fn function<P, R>(
    instance: &Instance,
    store: &mut Store<Guest>,
    interface: &str,
) -> wasmtime::Result<Option<TypedFunc<P, R>>>
where
    P: ComponentNamedList + Lower,
    R: ComponentNamedList + Lift,
{
    let interface = instance.get_export_index(&mut *store, None, interface);
    interface
        .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), "handle"))
        .map(|function| instance.get_typed_func(store, function))
        .transpose()
}

/// The value of `Host`, if the request has it: where its target names another, that one (RFC 9112, section 3.2.2).
fn host(request: &Request<WasiBody>) -> Option<HeaderValue> {
    let host = request.headers().get(HOST)?;
    let authority = request.uri().authority();
    match authority.is_none_or(|authority| authority.as_str().as_bytes() == host.as_bytes()) {
        true => Some(host.clone()),
        false => HeaderValue::try_from(authority?.as_str()).ok(),
    }
}

/// Calls the component. Fails if the instance traps.
async fn respond(
    accessor: &Accessor<Guest>,
    handle: Handle,
    request: Request<WasiBody>,
    instances: &ComponentInstances,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let depth = request.extensions().get().copied().unwrap_or_default();
    let head = request.method() == Method::HEAD;
    let host = host(&request).filter(|_| instances.gets_host);
    let (call, sent) = accessor.with(|mut access| {
        let view = access.get().http();
        let (mut request, sent) = p3::Request::from_http(view.hooks, request);
        if let Some(host) = host {
            // The library has removed it, as it is not for components to set.
            request.headers.set_mutable(usize::MAX);
            request.headers.append_raw(HOST, host)?;
            request.headers.set_immutable();
        }
        // Boxed, since its type names a borrow that its value does not have.
        let sent: Sent = Box::pin(sent);
        let request = view.table.push(request)?;
        let call = handle.start_call_concurrent(&mut access, (request,))?;
        access.data_mut().outgoing().began(call.task(), depth);
        wasmtime::error::Ok((call, sent))
    })?;
    let task = call.task();
    let (answer,) = handle.finish_call_concurrent(accessor, call).await?;
    accessor.with(|mut access| access.data_mut().outgoing().ended(task));
    let response = match answer {
        Ok(response) => accessor.with(|mut access| {
            let response = access.get().http().table.delete(response)?;
            response.into_http(&mut access, sent)
        })?,
        Err(code) => {
            tracing::error!("the component failed: {code:?}");
            return Ok(Err(Failure::Trap));
        }
    };
    Ok(answer::collect(response, head, instances.max_collected).await)
}
