//! The life of instances: when one is made, what it takes on, and when it goes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::p3::bindings::ServicePre;

use super::Limits;
use super::guest::{self, Guest};
use crate::keyvalue::wit::Stores;
use crate::variables::Variables;

/// How long the few instances that are kept stay without work.
const KEPT_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes instances.
pub(super) struct Instances {
    pre: ProxyPre<Guest>,
    stores: Stores,
    variables: Arc<Variables>,
    limits: Limits,
    /// One permit per instance that is kept although it has no work.
    kept: Arc<Semaphore>,
    /// Whether instances are ended because the server is.
    ending: Arc<AtomicBool>,
}

/// Tells, when it is dropped, that instances now end for no fault of theirs.
pub(super) struct Ending(Arc<AtomicBool>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Instances {
    pub(super) fn new(
        pre: ServicePre<Guest>,
        stores: Stores,
        variables: Arc<Variables>,
        limits: Limits,
    ) -> Self {
        Self {
            pre: ProxyPre::P3(pre),
            stores,
            variables,
            kept: Arc::new(Semaphore::new(limits.instances_kept)),
            limits,
            ending: Arc::default(),
        }
    }

    pub(super) fn ending(&self) -> Ending {
        Ending(self.ending.clone())
    }
}

impl HandlerState for Instances {
    type StoreData = Guest;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<Guest, Expiration, Worker>> {
        let ProxyPre::P3(service) = &self.pre;
        let guest = Guest::new(self.stores.clone(), self.variables.clone());
        let mut store = guest::store(service.engine(), guest);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        let kept = self.kept.clone().try_acquire_owned().ok();
        let idle = match kept {
            Some(_) => KEPT_IDLE,
            None => self.limits.instance_idle,
        };
        Ok(Instance {
            store,
            proxy,
            view: Guest::http,
            expiration: Expiration {
                idle,
                request_time: self.limits.request_time,
                deadline: Box::pin(sleep(idle)),
                _kept: kept,
            },
            state: Worker {
                at_a_time: self.limits.requests_per_instance,
                life: self.limits.instance_life,
                request_time: self.limits.request_time,
                ending: self.ending.clone(),
            },
        })
    }
}

/// What one instance takes on.
pub(super) struct Worker {
    at_a_time: usize,
    life: usize,
    request_time: Duration,
    ending: Arc<AtomicBool>,
}

impl WorkerState for Worker {
    type StoreData = Guest;
    /// The permit of the request.
    type RequestData = OwnedSemaphorePermit;

    fn should_accept_request(&self, now: usize, total: usize) -> ShouldAccept {
        if total >= self.life {
            ShouldAccept::Never
        } else if now >= self.at_a_time {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _: StoreContextMut<'_, Guest>,
        permit: OwnedSemaphorePermit,
        _: wasmtime::component::GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        // The permit goes back when the component is done with the request, not when a client that has hung up no longer
        // waits for it: otherwise such clients could have any number of instances made.
        let timeout = sleep(self.request_time);
        Box::pin(async move {
            timeout.await;
            drop(permit);
        })
    }

    fn drop(&self, store: Store<Guest>, result: wasmtime::Result<()>) {
        if let Err(error) = result
            && !self.ending.load(Ordering::Relaxed)
        {
            tracing::error!("an instance of the component has ended: {error:?}");
        }
        drop(store);
    }
}

/// When one instance goes: after some time without work, or at once when a request has kept it for too long. This is
/// polled even while the component computes or waits in a synchronous call, when the timeout of the request is not.
pub(super) struct Expiration {
    idle: Duration,
    request_time: Duration,
    deadline: Pin<Box<Sleep>>,
    _kept: Option<OwnedSemaphorePermit>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        start: Instant,
    ) -> Poll<()> {
        let time = match status {
            WorkerStatus::Idle => self.idle,
            WorkerStatus::Requests | WorkerStatus::PostReturn => self.request_time,
        };
        let deadline = (start + time).into();
        if self.deadline.deadline() != deadline {
            self.deadline.as_mut().reset(deadline);
        }
        self.deadline.as_mut().poll(cx)
    }
}
