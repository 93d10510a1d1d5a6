//! One connection: HTTP/1.1 to the client, requests to the component.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{EXPECT, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use latchkey_component::api::headers;
use tokio::net::TcpStream;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;

use super::answer::Answer;
use super::body::Drained;
use super::dispatch::Dispatcher;
use super::limits::Limits;
use super::observation::Observation;
use super::thread::Thread;
use crate::metrics::Metrics;

const CLIENT_ADDRESS: HeaderName = HeaderName::from_static(headers::CLIENT_ADDRESS);

/// The buffer of a connection: a longer header is refused.
const BUFFER: usize = 64 << 10;

/// What all connections share.
pub(super) struct Shared {
    pub(super) dispatcher: Dispatcher,
    /// The thread of each serving worker, by the worker's number.
    pub(super) serving_threads: Vec<Thread>,
    pub(super) _sign_in_thread: Thread,
    pub(super) limits: Limits,
    pub(super) metrics: Option<Arc<Metrics>>,
}

/// Serves one connection until the client closes it; after a shutdown has begun, until the request in flight is answered.
pub(super) async fn serve(
    shared: Arc<Shared>,
    worker: usize,
    stream: std::net::TcpStream,
    client: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::warn!("connection from {client}: {error}"),
    };
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    // A client that does not read its answer would keep its connection for ever.
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(shared.limits.write_time));
    let local = stream.local_addr().ok();
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(respond(&shared, worker, request, client, local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_time)
        .max_buf_size(BUFFER)
        // A client may close its side after the request and still wait for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let shutdown_begun = async { drop(shutdown.wait_for(|begun| *begun).await) };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown_begun => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!("connection from {client}: {error}");
    }
}

async fn respond(
    shared: &Shared,
    worker: usize,
    mut request: Request<Incoming>,
    client: SocketAddr,
    local: Option<SocketAddr>,
) -> Answer {
    let observation = Observation::begin(&mut request, client, shared.metrics.clone());
    let request = prepare(request, client, local, shared.limits.body_time);
    let credentials = observation.credentials.as_ref();
    let answer = shared.dispatcher.dispatch(worker, credentials, request);
    let mut response = match answer.await {
        Ok(answer) => answer,
        Err(failure) => failure.response(),
    };
    observation.end(&mut response);
    response
}

/// The request as the component expects it: with a scheme and an authority, and with the client's address.
fn prepare(
    request: Request<Incoming>,
    client: SocketAddr,
    local: Option<SocketAddr>,
    body_time: Duration,
) -> Request<WasiBody> {
    let (mut head, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Empty::new().map_err(|never| match never {}).boxed_unsync()
    } else {
        let expects_continue = head.headers.contains_key(EXPECT);
        Drained::new(body, expects_continue, body_time).boxed_unsync()
    };

    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme.get_or_insert(Scheme::HTTP);
    if uri.authority.is_none() {
        let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
        uri.authority = host
            .and_then(|host| Authority::try_from(host).ok())
            // Before HTTP/1.1 a request needed no host, and this is the one that it reached.
            .or_else(|| Authority::try_from(local?.to_string()).ok())
            .or(Some(Authority::from_static("localhost")));
    }
    uri.path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    // All three parts are there, so they make a URI.
    head.uri = Uri::from_parts(uri).unwrap_or_default();

    if let Ok(client) = HeaderValue::try_from(client.to_string()) {
        head.headers.append(CLIENT_ADDRESS, client);
    }
    Request::from_parts(head, body)
}
