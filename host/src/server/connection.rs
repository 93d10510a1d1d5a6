//! One connection: HTTP/1.1 to the client, requests to components.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HOST};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use latchkey_component::api::headers::CLIENT_ADDRESS;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::activity::Activity;
use super::answer::{Answer, Failure};
use super::body::{Drained, RequestBody, Unsent};
use super::limits::Limits;
use super::observation::Observation;
use super::rebinding::{is_host_clear, is_rebound};
use super::services::{Route, Service, Services, drop_headers_of_host};
use super::target::Encoded;
use super::thread::Thread;
use crate::metrics::Metrics;

/// The buffer of a connection: a longer header is refused.
const BUFFER: usize = 64 << 10;

/// What all connections share.
pub(super) struct Shared {
    pub(super) services: Arc<Services>,
    /// The thread of each serving worker, by the worker's number.
    pub(super) serving_threads: Vec<Thread>,
    pub(super) _sign_in_thread: Thread,
    pub(super) limits: Limits,
    pub(super) metrics: Option<Arc<Metrics>>,
}

/// The addresses of a connection.
struct Addresses {
    client: SocketAddr,
    /// As the value of a header.
    client_value: Option<HeaderValue>,
    local: Option<SocketAddr>,
    /// That of the listener, which may stand for several.
    listener: SocketAddr,
}

/// Serves one connection until the client closes it, or until the listener does for want of room; after a shutdown has begun,
/// until the request in flight is answered.
pub(super) async fn serve(
    shared: Arc<Shared>,
    worker: usize,
    stream: std::net::TcpStream,
    client: SocketAddr,
    listener: SocketAddr,
    activity: Arc<Activity>,
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
    let addresses = Addresses {
        client,
        client_value: HeaderValue::try_from(client.to_string()).ok(),
        local: stream.local_addr().ok(),
        listener,
    };
    let service = service_fn(|request| {
        let answer = respond(&shared, worker, request, &addresses, &activity);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_time)
        .max_buf_size(BUFFER)
        // A client may close its side after the request and still wait for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Encoded::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let shutdown_begun = async { drop(shutdown.wait_for(|begun| *begun).await) };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = activity.closed() => return,
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
    addresses: &Addresses,
    activity: &Arc<Activity>,
) -> Answer {
    let Route { service, class } = shared.services.route(&request);
    let (client, metrics) = (addresses.client, shared.metrics.clone());
    let observation = Observation::begin(&mut request, class, client, metrics);
    let (mut head, body) = request.into_parts();
    prepare(&mut head, addresses);
    let is_latchkey = service.is_some_and(|service| service.is_latchkey);
    // Of others it is bounded by its pauses, not as a whole.
    let body_time = match is_latchkey {
        true => shared.limits.body_time,
        false => Duration::MAX,
    };
    let body = Drained::new(body, &head, body_time);
    let held_back = body.held_back().clone();
    let authority = head.uri.authority();
    let is_odd = addresses.listener.ip().is_loopback() && !is_host_clear(&head.headers);
    let answer = if is_odd || authority.is_some_and(|name| is_rebound(name, addresses.listener)) {
        Err(Failure::Misdirected)
    } else {
        match service {
            Some(service) if is_latchkey => {
                ask_latchkey(service, worker, (head, body), &observation, activity).await
            }
            Some(service) => {
                let _busy = activity.busy().await;
                let request = Request::from_parts(head, body.boxed_unsync());
                let time = Some(shared.limits.body_time);
                service.stream(worker, request, Some(activity), time).await
            }
            None => Err(Failure::NotFound),
        }
    };
    let mut response = answer.unwrap_or_else(Failure::response);
    // A body that nobody has asked for is not waited for, so no other request can follow it (RFC 9110, section 10.1.1).
    if held_back.get() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    observation.end(&mut response);
    response
}

/// Has Latchkey answer, which gets no body before all of it is there.
async fn ask_latchkey(
    latchkey: &Service,
    worker: usize,
    (head, body): (Parts, Drained),
    observation: &Observation,
    activity: &Activity,
) -> Result<Answer, Failure> {
    let dispatch = async |head, body| {
        let _busy = activity.busy().await;
        let request = Request::from_parts(head, body);
        let credentials = observation.credentials.as_ref();
        latchkey
            .dispatcher
            .dispatch(worker, credentials, request)
            .await
    };
    if body.is_end_stream() {
        dispatch(head, RequestBody::empty()).await
    } else if !observation.class.reads_body {
        dispatch(head, RequestBody::Unread(body.boxed_unsync())).await
    } else if body.is_too_large() {
        dispatch(head, RequestBody::Stream(body.boxed_unsync())).await
    } else if !body.held_back().get() {
        dispatch(head, body.read().await).await
    } else {
        // By the header alone, the component may refuse the request. Only if it wants the body is the client asked for it.
        let unsent = Unsent::default();
        let stand_in = RequestBody::Stream(unsent.clone().boxed_unsync());
        match dispatch(head.clone(), stand_in).await {
            Ok(_) if unsent.is_wanted() => dispatch(head, body.read().await).await,
            answer => answer,
        }
    }
}

/// Completes the head of a request as the component expects it: with a scheme and an authority, and with the client's address.
fn prepare(head: &mut Parts, addresses: &Addresses) {
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    uri.scheme.get_or_insert(Scheme::HTTP);
    if uri.authority.is_none() {
        let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
        uri.authority = host
            .and_then(|host| Authority::try_from(host).ok())
            // Before HTTP/1.1 a request needed no host, and this is the one that it reached.
            .or_else(|| Authority::try_from(addresses.local?.to_string()).ok())
            .or(Some(Authority::from_static("localhost")));
    }
    uri.path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    // All three parts are there, so they make a URI.
    head.uri = Uri::from_parts(uri).unwrap_or_default();

    drop_headers_of_host(&mut head.headers);
    if let Some(client) = &addresses.client_value {
        head.headers.append(CLIENT_ADDRESS, client.clone());
    }
}
