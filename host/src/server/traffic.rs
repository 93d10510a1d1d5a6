//! Bodies that are streamed through, and whether anything moves in them.
//!
//! Latchkey's own requests are short, so a fixed time bounds them. A stream may take as long as it likes, while it moves.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::activity::Activity;

/// How many parts of bodies have been streamed so far.
#[derive(Clone, Default)]
pub(super) struct Moved(Arc<AtomicU64>);

impl Moved {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What is streamed in the bodies of one request and its answer.
#[derive(Clone)]
pub(super) struct Traffic {
    request: Moved,
    /// For all that a worker serves.
    worker: Moved,
}

impl Traffic {
    pub(super) fn new(worker: Moved) -> Self {
        let request = Moved::default();
        Self { request, worker }
    }

    /// Returns when nothing has moved for `time`, or for a little longer.
    pub(super) async fn idle(&self, time: Duration) {
        let (mut moved, mut since) = (self.request.count(), Instant::now());
        while since.elapsed() < time {
            sleep(time / 8).await;
            if self.request.count() != moved {
                (moved, since) = (self.request.count(), Instant::now());
            }
        }
    }
}

/// Returns after `time`; for a request with [`Traffic`], when nothing has moved for so long.
pub(super) async fn expired(traffic: Option<Traffic>, time: Duration) {
    match traffic {
        None => sleep(time).await,
        Some(traffic) => traffic.idle(time).await,
    }
}

/// A body that counts what moves in it.
pub(super) struct Streamed {
    body: WasiBody,
    counted: [Moved; 2],
    /// The activity of the connection that it comes from or goes to.
    activity: Option<Arc<Activity>>,
    /// How long its other end may take for the next part.
    time: Option<Duration>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Streamed {
    pub(super) fn new(body: WasiBody, traffic: &Traffic) -> Self {
        Self {
            body,
            counted: [traffic.request.clone(), traffic.worker.clone()],
            activity: None,
            time: None,
            deadline: None,
        }
    }

    /// Keeps a connection from being idle.
    pub(super) fn keeps(mut self, activity: Option<&Arc<Activity>>) -> Self {
        self.activity = activity.cloned();
        self
    }

    /// Breaks off when the next part takes longer than this.
    pub(super) fn within(mut self, time: Option<Duration>) -> Self {
        self.time = time;
        self
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            for moved in &self.counted {
                moved.add();
            }
            if let Some(activity) = &self.activity {
                activity.touch();
            }
            self.deadline = None;
            return Poll::Ready(frame);
        }
        let Some(time) = self.time else {
            return Poll::Pending;
        };
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::advance;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    /// A body with a part every so often.
    fn body(pauses: &'static [u64]) -> WasiBody {
        let parts = stream::iter(pauses);
        let parts = futures_util::StreamExt::then(parts, |pause| async move {
            sleep(Duration::from_secs(*pause)).await;
            Ok(Frame::data(Bytes::from_static(b"part")))
        });
        StreamBody::new(parts).boxed_unsync()
    }

    #[tokio::test(start_paused = true)]
    async fn what_moves_is_not_idle() {
        let traffic = Traffic::new(Moved::default());
        let mut idle = Box::pin(traffic.idle(TIME));
        let mut streamed = Streamed::new(body(&[20, 20, 20, 20]), &traffic).boxed_unsync();
        for _ in 0..4 {
            assert!(streamed.frame().await.is_some());
            assert!((&mut idle).now_or_never().is_none());
        }
        assert_eq!(traffic.worker.count(), 4);
        advance(2 * TIME).await;
        idle.await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_breaks_off() {
        let traffic = Traffic::new(Moved::default());
        let streamed = Streamed::new(body(&[29, 29, 31]), &traffic);
        let mut streamed = streamed.within(Some(TIME));
        for is_well in [true, true, false] {
            let frame = streamed.frame().await.expect("a frame");
            assert_eq!(frame.is_ok(), is_well);
        }
    }
}
