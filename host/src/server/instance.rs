//! One instance of the component, and the task that runs it for as long as it lives.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, Stream};
use http::{Request, Response};
use tokio::time::{Sleep, sleep};
use wasmtime::component::Accessor;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::{Service, ServicePre};

use super::Limits;
use super::answer::{Answer, Failure};
use super::callers::{Caller, Evidence, Slot};
use super::dispatch::{Job, Line};
use super::guest::{self, Guest};
use crate::keyvalue::wit::Stores;
use crate::metrics::Metrics;
use crate::occupation::Occupation;
use crate::variables::Variables;

/// What instances are made of.
pub(super) struct Factory {
    pub(super) pre: ServicePre<Guest>,
    pub(super) stores: Stores,
    pub(super) variables: Arc<Variables>,
    pub(super) metrics: Option<Arc<Metrics>>,
}

/// Why an instance has ended. Only the first is as it should be.
enum End {
    /// It has had nothing to do, or has done enough, or the server ends.
    Due,
    /// A request has taken too long.
    Late,
    /// It trapped.
    Trap(wasmtime::Error),
}

/// Makes an instance and runs it for as long as it lives.
pub(super) async fn live(line: Arc<Line>, slot: Slot) {
    // However this ends, even in a panic: the place is free for another.
    struct Gone(Arc<Line>, Slot);
    impl Drop for Gone {
        fn drop(&mut self) {
            if let Some(metrics) = &self.0.factory.metrics {
                metrics.instance_ended();
            }
            self.0.gone(self.1);
        }
    }
    let gone = Gone(line.clone(), slot);
    if let Some(metrics) = &line.factory.metrics {
        metrics.instance_began();
    }
    match run(&line, slot).await {
        Ok(End::Due) => {}
        Ok(End::Late) => tracing::error!("an instance is ended: a request took too long"),
        Ok(End::Trap(error)) => {
            tracing::error!("an instance of the component has ended: {error:?}");
        }
        Err(error) => {
            tracing::error!("no instance can be made: {error:#}");
            line.refuse_all();
        }
    }
    drop(gone);
}

async fn run(line: &Arc<Line>, slot: Slot) -> wasmtime::Result<End> {
    let Factory {
        pre,
        stores,
        variables,
        metrics,
    } = &line.factory;
    let occupation = Occupation::default();
    let guest = Guest::new(stores.clone(), variables.clone(), metrics.clone());
    let mut store = guest::store(pre.engine(), guest, occupation.clone());
    let service = pre.instantiate_async(&mut store).await?;
    let calls = Calls::new(&line.limits);
    let mut watch = Watch::new(&line.limits, slot);
    let mut life = pin!(store.run_concurrent(async |accessor| {
        let mut futures = pin!(FuturesUnordered::new());
        poll_fn(|cx| {
            loop {
                match futures.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(()))) => continue,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(End::Trap(error)),
                    Poll::Ready(None) if line.is_ending() || calls.are_over() => {
                        return Poll::Ready(End::Due);
                    }
                    Poll::Ready(None) | Poll::Pending => {}
                }
                if !calls.may_begin() {
                    return Poll::Pending;
                }
                let Some((caller, job)) = line.take(slot) else {
                    return Poll::Pending;
                };
                let call = Call {
                    line,
                    slot,
                    caller,
                    evidence: Evidence::None,
                    _begun: calls.begin(),
                };
                futures.push(call.serve(accessor, &service, job));
                // The component runs when this returns, and then it is asked again. So the next request is taken when this
                // one waits or is done: if it computes, those behind it can still go elsewhere.
                match futures.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(End::Trap(error)),
                    Poll::Ready(_) => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }));
    Ok(poll_fn(|cx| {
        loop {
            line.working(slot);
            occupation.resumed();
            if let Poll::Ready(end) = life.as_mut().poll(cx) {
                return Poll::Ready(end.unwrap_or_else(End::Trap));
            }
            if let Poll::Ready(end) = watch.poll(cx, &calls) {
                return Poll::Ready(end);
            }
            let occupied = occupation.is_occupied() || !calls.may_begin();
            if !line.rests(slot, occupied, cx.waker()) {
                return Poll::Pending;
            }
        }
    })
    .await)
}

/// Tells how sending a request's body to the component went.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// A request that an instance serves.
struct Call<'a> {
    line: &'a Arc<Line>,
    slot: Slot,
    caller: Caller,
    /// What the answer says of the caller.
    evidence: Evidence,
    _begun: Begun<'a>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.line.answered(self.slot, self.caller, self.evidence);
    }
}

impl Call<'_> {
    /// Fails if the instance has trapped.
    async fn serve(
        mut self,
        accessor: &Accessor<Guest>,
        service: &Service,
        job: Job,
    ) -> wasmtime::Result<()> {
        let Job {
            target,
            request,
            head,
            answer,
            ..
        } = job;
        let result = match respond(accessor, service, request).await? {
            Ok(response) => Answer::new(response, head).await,
            Err(failure) => Err(failure),
        };
        let status = result.as_ref().ok().map(Answer::status);
        self.evidence = Evidence::of(target, status);
        // Nobody may be left to hear it.
        let _ = answer.send(result);
        Ok(())
    }
}

/// The component's response.
async fn respond(
    accessor: &Accessor<Guest>,
    service: &Service,
    request: Request<WasiBody>,
) -> wasmtime::Result<Result<Response<WasiBody>, Failure>> {
    let (request, sent) = accessor.with(|mut access| {
        let view = access.get().http();
        let (request, sent) = p3::Request::from_http(view.hooks, request);
        // Boxed, since its type names a borrow that its value does not have.
        let sent: Sent = Box::pin(sent);
        wasmtime::error::Ok((view.table.push(request)?, sent))
    })?;
    let handler = service.wasi_http_handler();
    match handler.call_handle(accessor, request).await? {
        Ok(response) => accessor.with(|mut access| {
            let response = access.get().http().table.delete(response)?;
            response.into_http(&mut access, sent).map(Ok)
        }),
        Err(code) => {
            tracing::error!("the component failed: {code:?}");
            Ok(Err(Failure::Trap))
        }
    }
}

/// The calls of an instance: how many there are, and since when.
struct Calls {
    begun: Mutex<Vec<Instant>>,
    at_a_time: usize,
    /// How many may yet begin.
    left: AtomicUsize,
}

impl Calls {
    fn new(limits: &Limits) -> Self {
        Self {
            begun: Mutex::default(),
            at_a_time: limits.requests_per_instance,
            left: AtomicUsize::new(limits.instance_life),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instant>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_begin(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0 && self.lock().len() < self.at_a_time
    }

    /// Whether there will be no more.
    fn are_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    fn end(&self) {
        self.left.store(0, Ordering::Relaxed);
    }

    fn begin(&self) -> Begun<'_> {
        // There is one task that counts.
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        let at = Instant::now();
        self.lock().push(at);
        Begun { calls: self, at }
    }
}

/// One call, until this is dropped.
struct Begun<'a> {
    calls: &'a Calls,
    at: Instant,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut begun = self.calls.lock();
        if let Some(place) = begun.iter().position(|at| *at == self.at) {
            begun.swap_remove(place);
        }
    }
}

/// Looks after an instance from outside: also while it computes or waits in a synchronous call, when nothing inside it
/// moves.
struct Watch {
    /// How long it may do nothing; none where it is kept.
    idle: Option<Duration>,
    idle_since: Instant,
    request_time: Duration,
    next: Pin<Box<Sleep>>,
}

impl Watch {
    /// How often it looks.
    const PERIOD: Duration = Duration::from_secs(1);

    fn new(limits: &Limits, slot: Slot) -> Self {
        Self {
            idle: (slot > limits.instances).then_some(limits.instance_idle),
            idle_since: Instant::now(),
            request_time: limits.request_time,
            next: Box::pin(sleep(Self::PERIOD)),
        }
    }

    /// Ready when the instance has to go.
    fn poll(&mut self, cx: &mut Context<'_>, calls: &Calls) -> Poll<End> {
        while self.next.as_mut().poll(cx).is_ready() {
            self.next
                .as_mut()
                .reset(tokio::time::Instant::now() + Self::PERIOD);
            let now = Instant::now();
            let begun = calls.lock();
            let (oldest, newest) = (begun.iter().min().copied(), begun.iter().max().copied());
            drop(begun);
            let late = |begun: Option<Instant>| {
                begun.is_some_and(|begun| now.duration_since(begun) > self.request_time)
            };
            if late(newest) {
                return Poll::Ready(End::Late);
            } else if late(oldest) {
                // Something hangs in it. Those that do not may end; it takes no others.
                calls.end();
            }
            match (newest, self.idle) {
                (Some(_), _) => self.idle_since = now,
                (None, Some(idle)) if now.duration_since(self.idle_since) > idle => {
                    return Poll::Ready(End::Due);
                }
                (None, _) => {}
            }
        }
        Poll::Pending
    }
}
