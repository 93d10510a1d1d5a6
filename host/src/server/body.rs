//! The body of a request.
//!
//! An instance serves so many requests at a time. One that waits for its body there takes the place of others, for as long as
//! its client likes. So a body is read before the component is asked.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::Version;
use http::header::EXPECT;
use http::request::Parts;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use latchkey_component::api::MAX_BYTES;
use tokio::time::{Sleep, sleep};
use wasmtime_wasi_http::{Error, WasiBody};

/// How much of a body that the component has not read is read and dropped, and for how long.
const DRAIN_BYTES: u64 = 8 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// The body of a request to an instance.
pub(super) enum RequestBody {
    /// All of it.
    Buffered(Bytes),
    /// One that Latchkey does not read. What stands in front of Latchkey may.
    Unread(WasiBody),
    Stream(WasiBody),
}

impl RequestBody {
    pub(super) fn empty() -> Self {
        Self::Buffered(Bytes::new())
    }

    pub(super) fn into_stream(self) -> WasiBody {
        match self {
            Self::Buffered(bytes) => boxed(Full::new(bytes)),
            Self::Unread(stream) | Self::Stream(stream) => stream,
        }
    }
}

/// As a boxed body.
pub(super) fn boxed(buffered: Full<Bytes>) -> WasiBody {
    buffered.map_err(|never| match never {}).boxed_unsync()
}

/// A body that is read to its end even if the component drops it.
///
/// Many clients send all of a body before they look at the answer. Were the connection closed with a part of the body
/// unread, the system would reset it, and the client would never see the 401 or 413 that explains why.
///
/// A body that takes too long is an error to the component, as any incomplete body is.
pub(super) struct Drained {
    body: Option<Incoming>,
    /// How long it may take as a whole, from the first wait for it.
    time: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    held_back: HeldBack,
}

/// Whether the client may be waiting for "100 Continue" (RFC 9110, section 10.1.1), and so has sent nothing of the body. It may
/// with any `Expect`: that is a list.
#[derive(Clone)]
pub(super) struct HeldBack(Option<Arc<AtomicBool>>);

impl HeldBack {
    fn new(body: &Incoming, head: &Parts) -> Self {
        let is_held_back = head.version == Version::HTTP_11
            && head.headers.contains_key(EXPECT)
            && !body.is_end_stream();
        Self(is_held_back.then(|| Arc::new(AtomicBool::new(true))))
    }

    /// Whether that is so now.
    pub(super) fn get(&self) -> bool {
        self.0.as_ref().is_some_and(|is| is.load(Ordering::Relaxed))
    }

    /// The client is asked for the body.
    fn end(&self) {
        if let Some(is_held_back) = &self.0 {
            is_held_back.store(false, Ordering::Relaxed);
        }
    }
}

impl Drained {
    pub(super) fn new(body: Incoming, head: &Parts, time: Duration) -> Self {
        Self {
            held_back: HeldBack::new(&body, head),
            body: Some(body),
            time,
            deadline: None,
        }
    }

    /// Whether the component refuses it for its length.
    pub(super) fn is_too_large(&self) -> bool {
        self.size_hint().lower() > MAX_BYTES as u64
    }

    pub(super) fn held_back(&self) -> &HeldBack {
        &self.held_back
    }

    /// Reads it. If it breaks off, takes too long or is too large, what the component gets of it breaks off, too; of a body
    /// that is too large it gets more than it accepts.
    pub(super) async fn read(mut self) -> RequestBody {
        let mut read = BytesMut::new();
        let error = loop {
            match self.frame().await {
                None => return RequestBody::Buffered(read.freeze()),
                Some(Ok(frame)) => {
                    read.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
                    if read.len() > MAX_BYTES {
                        break Error::HttpRequestBodySize(None);
                    }
                }
                Some(Err(error)) => break error,
            }
        };
        let read = Ok(Frame::data(read.freeze()));
        RequestBody::Stream(StreamBody::new(stream::iter([read, Err(error)])).boxed_unsync())
    }
}

/// Stands for a body that its client sends only when it is asked for. It fails when it is read, and remembers that.
#[derive(Clone, Default)]
pub(super) struct Unsent {
    wanted: Arc<AtomicBool>,
}

impl Unsent {
    /// Whether the component wanted to read it.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

impl Body for Unsent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.wanted.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(Error::HttpRequestBodySize(None))))
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.held_back.end();
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(cx) {
            // Not by `Error::from`, which logs a warning: a client that hangs up is nothing to warn of.
            return Poll::Ready(frame.map(|frame| frame.map_err(|_| Error::HttpProtocolError)));
        }
        let time = self.time;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(time)));
        deadline
            .as_mut()
            .poll(cx)
            .map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        if let Some(body) = self.body.take()
            && !self.held_back.get()
            && !body.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(DRAIN_TIME, drain(body)));
        }
    }
}

async fn drain(mut body: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = body.frame().await {
        let read = frame.data_ref().map_or(0, Bytes::len) as u64;
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}
