//! `GET /metrics`, on a listener of its own: what is counted is not for those who use the service.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Metrics;
use crate::server::rebinding::is_rebound;

/// The text format of OpenMetrics 1.0, which Prometheus reads.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const TEXT: &str = "text/plain; charset=utf-8";

/// Connections at a time: a scraper needs one.
const CONNECTIONS: usize = 16;

/// How long a connection may stay open: there are few permits, and a scraper connects again.
const CONNECTION_TIME: Duration = Duration::from_secs(60);

/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `metrics` until it is dropped.
pub async fn serve(metrics: Arc<Metrics>, listener: TcpListener) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let address = listener.local_addr().ok();
    // Nobody closes the semaphore.
    while let Ok(permit) = permits.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("cannot accept a connection for metrics: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let response = respond(&metrics, &request, address);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(CONNECTION_TIME)
                .serve_connection(TokioIo::new(stream), service);
            if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_TIME, connection).await {
                tracing::debug!("connection for metrics: {error}");
            }
            drop(permit);
        });
    }
}

fn respond(
    metrics: &Metrics,
    request: &Request<Incoming>,
    address: Option<SocketAddr>,
) -> Response<Full<Bytes>> {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let is_rebound = (host.zip(address)).is_some_and(|(host, address)| is_rebound(&host, address));
    let (status, body, name, value) = match (request.uri().path(), request.method()) {
        _ if is_rebound => (
            StatusCode::MISDIRECTED_REQUEST,
            "use localhost\n".to_owned(),
            CONTENT_TYPE,
            TEXT,
        ),
        ("/metrics", &Method::GET | &Method::HEAD) => {
            (StatusCode::OK, metrics.text(), CONTENT_TYPE, OPENMETRICS)
        }
        ("/metrics", _) => (
            StatusCode::METHOD_NOT_ALLOWED,
            String::new(),
            ALLOW,
            "GET, HEAD",
        ),
        _ => (
            StatusCode::NOT_FOUND,
            "the metrics are at /metrics\n".to_owned(),
            CONTENT_TYPE,
            TEXT,
        ),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
    response
}
