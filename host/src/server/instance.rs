//! Instances of a component, as workers need them.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use wasmtime::{Engine, Store};

use super::body::RequestBody;
use super::buffered::{self, BUFFERED_HANDLER};
use super::call;
use super::compose::HANDLER;
use super::engine::PROXIES;
use super::guest::{self, Guest, Linked};
use super::handler;
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
        let handle = call::function(&instance, &mut store, HANDLER)?
            .ok_or_else(|| wasmtime::format_err!("no {HANDLER}"))?;
        let buffered_handle = call::function(&instance, &mut store, BUFFERED_HANDLER)?;
        let _counted = self.metrics.as_deref().map(Metrics::instance);
        let serving = store.run_concurrent(async |accessor| {
            let respond = async |request: Request<RequestBody>| {
                let (head, body) = request.into_parts();
                // What is left of a body is read for a limited time, which begins when this is dropped: after the answer.
                let _unread;
                let (buffered_handle, body) = match (buffered_handle, body) {
                    (Some(handle), RequestBody::Buffered(body)) => (handle, body),
                    // By this handler the component itself is called, nothing in front of it.
                    (Some(handle), RequestBody::Unread(body)) => {
                        _unread = body;
                        (handle, Bytes::new())
                    }
                    (_, body) => {
                        let request = Request::from_parts(head, body.into_stream());
                        return handler::respond(accessor, handle, request, self).await;
                    }
                };
                let revision = self.variables.revision();
                buffered::respond(accessor, buffered_handle, head, body, revision).await
            };
            worker::serve_jobs(jobs, &self.limits, &progress, respond).await
        });
        let serving = async { serving.await? };
        Ok(worker::watched(serving, &progress, &self.limits).await)
    }
}
