//! A worker: a queue of requests, and one instance after the other that serves them.
//!
//! If an instance fails, so do the requests that it was serving. Those in the queue are served by the next one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Request;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::answer::{Answer, Failure};
use super::body::RequestBody;
use super::limits::Limits;
use super::traffic::{Moved, Traffic, expired};

/// The sending end of a worker's queue.
pub(super) struct Queue {
    sender: mpsc::UnboundedSender<Job>,
    moved: Moved,
}

/// The receiving end.
pub(super) struct Jobs {
    receiver: mpsc::UnboundedReceiver<Job>,
    /// The next one, if it has been received already.
    waiting: Option<Job>,
    /// Counts what goes in and out of the worker in streams.
    pub(super) moved: Moved,
}

/// A request on its way to an instance.
struct Job {
    request: Request<RequestBody>,
    begun: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

/// A new queue. It needs no bound: there is at most one request for each connection.
pub(super) fn queue() -> (Queue, Jobs) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let moved = Moved::default();
    let jobs = Jobs {
        receiver,
        waiting: None,
        moved: moved.clone(),
    };
    (Queue { sender, moved }, jobs)
}

impl Queue {
    /// For the streams of a new request.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic::new(self.moved.clone())
    }

    /// Waits for the answer, for at most `time`; if the request has [`Traffic`], for as long as that goes on. If this is
    /// dropped before the worker has begun, the request is skipped.
    pub(super) async fn request(
        &self,
        request: Request<RequestBody>,
        time: Duration,
    ) -> Result<Answer, Failure> {
        let begun = Arc::new(AtomicBool::new(false));
        let (answer, answered) = oneshot::channel();
        let traffic = request.extensions().get::<Traffic>().cloned();
        let job = Job {
            request,
            begun: begun.clone(),
            answer,
        };
        // If the worker has ended, `answered` says so.
        let _ = self.sender.send(job);
        tokio::select! {
            biased;
            // Without an answer the instance has ended, and the log says why.
            answer = answered => answer.unwrap_or(Err(Failure::Trap)),
            () = expired(traffic, time) => match begun.load(Ordering::Relaxed) {
                true => {
                    tracing::error!("the component did not answer in time");
                    Err(Failure::Timeout)
                }
                false => Err(Failure::Overload),
            },
        }
    }
}

impl Jobs {
    /// The next request whose client still waits; `None` when there will be no more.
    async fn next(&mut self) -> Option<Job> {
        loop {
            let job = match self.waiting.take() {
                Some(job) => job,
                None => self.receiver.recv().await?,
            };
            if !job.answer.is_closed() {
                job.begun.store(true, Ordering::Relaxed);
                return Some(job);
            }
        }
    }

    /// Waits until there is one. `false` if there will be no more.
    async fn are_there(&mut self) -> bool {
        if self.waiting.is_none() {
            self.waiting = self.receiver.recv().await;
        }
        self.waiting.is_some()
    }
}

/// Makes instances.
pub(super) trait Instances: Send + Sync {
    /// Makes an instance, serves jobs with it, and returns why it ended.
    ///
    /// # Errors
    ///
    /// No instance can be made.
    fn serve(&self, jobs: &mut Jobs) -> impl Future<Output = wasmtime::Result<End>> + Send;
}

/// Why an instance has ended.
pub(super) enum End {
    /// It has served as many requests as it may, or the queue is closed.
    Finished,
    /// It has answered nothing for longer than a request may take.
    Stalled,
    /// It trapped.
    Trapped(wasmtime::Error),
}

/// Serves jobs until the queue is closed. There is no instance before there is a job.
pub(super) async fn run(instances: Arc<impl Instances>, mut jobs: Jobs) {
    while jobs.are_there().await {
        let serving = AssertUnwindSafe(instances.serve(&mut jobs));
        match serving.catch_unwind().await {
            Ok(Ok(End::Finished)) => {}
            Ok(Ok(End::Stalled)) => {
                tracing::error!("an instance of the component is stopped: it does not answer");
            }
            Ok(Ok(End::Trapped(error))) => {
                tracing::error!("an instance of the component has ended: {error:?}");
            }
            Ok(Err(error)) => {
                tracing::error!("no instance can be made: {error:#}");
                // One request fails for each try, so that this does not spin.
                if let Some(job) = jobs.next().await {
                    let _ = job.answer.send(Err(Failure::Overload));
                }
            }
            Err(_) => tracing::error!("a worker has panicked, and goes on with another instance"),
        }
    }
}

/// Answers jobs with `respond`, several at a time, until the queue is closed or `limits.instance_life` is reached.
///
/// # Errors
///
/// `respond` fails: the instance has trapped.
pub(super) async fn serve_jobs<R>(
    jobs: &mut Jobs,
    limits: &Limits,
    progress: &Progress,
    respond: impl Fn(Request<RequestBody>) -> R,
) -> wasmtime::Result<()>
where
    R: Future<Output = wasmtime::Result<Result<Answer, Failure>>>,
{
    let mut calls = FuturesUnordered::new();
    let mut left = limits.instance_life;
    loop {
        tokio::select! {
            biased;
            Some(result) = calls.next() => {
                progress.call_ended();
                result?;
            }
            job = jobs.next(), if left > 0 && calls.len() < limits.requests_per_instance => {
                let Some(Job { request, answer, .. }) = job else {
                    left = 0;
                    continue;
                };
                left -= 1;
                progress.call_began();
                let call = respond(request);
                calls.push(async move {
                    // The client may have gone.
                    let _ = answer.send(call.await?);
                    wasmtime::error::Ok(())
                });
            }
            else => return Ok(()),
        }
    }
}

/// Counts the calls of an instance, to see whether they come to an end.
#[derive(Default)]
pub(super) struct Progress {
    moved: Moved,
    in_flight: AtomicUsize,
    begun: AtomicU64,
    ended: AtomicU64,
}

const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

impl Progress {
    /// Of an instance that serves these jobs.
    pub(super) fn of(jobs: &Jobs) -> Self {
        Self {
            moved: jobs.moved.clone(),
            ..Self::default()
        }
    }

    fn call_began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn call_ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when calls have been in flight, and none has ended and nothing has been streamed, for longer than `time`; for
    /// twice as long if calls have begun since, which may be well while another one hangs.
    async fn stalled(&self, time: Duration) {
        let (mut begun, mut ended, mut moved) = (0, 0, 0);
        let (mut last_begun, mut since) = (Instant::now(), Instant::now());
        while since.elapsed() <= time
            || (last_begun.elapsed() <= time && since.elapsed() <= 2 * time)
        {
            sleep(PROGRESS_PERIOD).await;
            if self.begun.load(Ordering::Relaxed) != begun {
                begun = self.begun.load(Ordering::Relaxed);
                last_begun = Instant::now();
            }
            if self.ended.load(Ordering::Relaxed) != ended
                || self.moved.count() != moved
                || self.in_flight.load(Ordering::Relaxed) == 0
            {
                ended = self.ended.load(Ordering::Relaxed);
                moved = self.moved.count();
                since = Instant::now();
            }
        }
    }
}

/// Runs an instance to its end, or until it is stalled.
///
/// The watch is outside of `serving`: while the guest computes, or waits in a call that it made synchronously, wasmtime
/// polls nothing within `run_concurrent` (bytecodealliance/wasmtime issues 11869 and 11870).
pub(super) async fn watched(
    serving: impl Future<Output = wasmtime::Result<()>>,
    progress: &Progress,
    limits: &Limits,
) -> End {
    tokio::select! {
        result = serving => result.map_or_else(End::Trapped, |()| End::Finished),
        () = progress.stalled(limits.request_time) => End::Stalled,
    }
}

#[cfg(test)]
mod tests;
