//! One connection: HTTP/1.1 on the outside, requests to the component on the inside.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, EXPECT, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::handler::{ExpirationError, InstantiationError};

use super::Shared;
use super::answer::Failure;
use super::body::Drained;

/// The header in which Spin tells the component the client's address; the last one counts.
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");

/// Answers up to this length are put together before they are sent, so that header and body go out in one write.
const WHOLE_ANSWER: u64 = 64 << 10;

/// The buffer of a connection, and so the longest header of a request.
const BUFFER: usize = 64 << 10;

/// How much longer than the component the host waits, so that it is the component's timeout that is seen to pass.
const MARGIN: Duration = Duration::from_secs(1);

/// Serves one connection until the client closes it, or until a shutdown and the end of the request in flight.
pub(super) async fn serve(
    shared: Arc<Shared>,
    stream: TcpStream,
    client: SocketAddr,
    mut shutdown: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().ok();
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(respond(&shared, request, client, local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.header_time)
        .max_buf_size(BUFFER)
        // A client may close its side after the request and still wait for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let begun = async { drop(shutdown.wait_for(|begun| *begun).await) };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = begun => {
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
    request: Request<Incoming>,
    client: SocketAddr,
    local: Option<SocketAddr>,
) -> Response<WasiBody> {
    let head = request.method() == Method::HEAD;
    let answer = async {
        let response = handle(shared, prepare(request, client, local)).await?;
        whole(response, head).await
    };
    let time = shared.limits.request_time + MARGIN;
    match tokio::time::timeout(time, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => failure.response(),
        Err(_) => Failure::Timeout.response(),
    }
}

/// Gives a request to the component.
pub(super) async fn handle(
    shared: &Shared,
    request: Request<WasiBody>,
) -> Result<Response<WasiBody>, Failure> {
    let permit = tokio::time::timeout(
        shared.limits.request_time,
        shared.requests.clone().acquire_owned(),
    );
    let Ok(Ok(permit)) = permit.await else {
        return Err(Failure::Overload);
    };
    let begun = Instant::now();
    shared
        .handler
        .handle(permit, request)
        .await
        .map_err(|error| {
            // An instance that computed all the time is ended as a whole, which looks like a trap.
            let late = begun.elapsed() >= shared.limits.request_time;
            if late || error.is::<ExpirationError>() {
                tracing::error!("the component did not answer in time");
                Failure::Timeout
            } else if error.is::<InstantiationError<tokio::sync::OwnedSemaphorePermit>>() {
                tracing::error!("{error:#}");
                Failure::Overload
            } else {
                tracing::error!("the component failed: {error:#}");
                Failure::Trap
            }
        })
}

/// The request as the component expects it: with a scheme and an authority, and with the client's address.
fn prepare(
    request: Request<Incoming>,
    client: SocketAddr,
    local: Option<SocketAddr>,
) -> Request<WasiBody> {
    let (mut head, body) = request.into_parts();
    let expects_continue = head.headers.contains_key(EXPECT);
    let body = Drained::new(body, expects_continue);

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
    Request::from_parts(head, body.boxed_unsync())
}

/// The response in one piece, if it is short.
async fn whole(response: Response<WasiBody>, head: bool) -> Result<Response<WasiBody>, Failure> {
    if head {
        // The length is that of the body that a GET would get; there is none to wait for.
        return Ok(response.map(|_| Empty::new().map_err(|never| match never {}).boxed_unsync()));
    }
    let length = response.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_none_or(|length| length > WHOLE_ANSWER) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| {
        tracing::error!("the component broke its answer off: {error}");
        Failure::Trap
    })?;
    let body = body.to_bytes();
    if length != Some(body.len() as u64) {
        tracing::error!("the component's answer is not as long as it says");
        return Err(Failure::Trap);
    }
    let body = Full::from(body).map_err(|never| match never {});
    Ok(Response::from_parts(parts, body.boxed_unsync()))
}
