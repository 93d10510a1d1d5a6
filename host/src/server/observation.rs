//! The log line and the metrics of one request.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use latchkey_component::api::headers::{self, REQUEST_ID};
use latchkey_component::auth::{Credentials, SignIn};

use super::route_class::{RouteClass, Verdict};
use crate::metrics::Metrics;

/// The log target of the line for each request.
const REQUEST: &str = "latchkey::request";

/// A request, from its header to its answer. If it is dropped without [`Observation::end`], its client has gone.
pub(super) struct Observation {
    began: Instant,
    method: Method,
    pub(super) class: RouteClass,
    /// The credentials that the component will verify, if it will verify any.
    pub(super) credentials: Option<Credentials>,
    client: SocketAddr,
    id: HeaderValue,
    user: Option<String>,
    status: Option<StatusCode>,
    metrics: Option<Arc<Metrics>>,
}

impl Observation {
    /// Gives the request an id, if it has no usable one.
    pub(super) fn begin<B>(
        request: &mut Request<B>,
        class: RouteClass,
        client: SocketAddr,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let request_headers = request.headers_mut();
        let id = match request_headers.get(REQUEST_ID) {
            Some(id) if is_usable(id) => id.clone(),
            _ => new_id(),
        };
        // Exactly one, so that the component's audit lines have the same id as ours.
        request_headers.insert(REQUEST_ID, id.clone());
        let authorization = request_headers.get_all(AUTHORIZATION).iter();
        let sign_in = class
            .signs_in
            .then(|| SignIn::parse(authorization.map(HeaderValue::as_bytes)));
        let credentials = match sign_in {
            Some(SignIn::Credentials(credentials)) => Some(credentials),
            Some(SignIn::Absent | SignIn::Malformed | SignIn::Bearer(_) | SignIn::Proxy(_))
            | None => None,
        };
        if let Some(metrics) = &metrics {
            metrics.request_began();
        }
        Self {
            began: Instant::now(),
            method: request.method().clone(),
            class,
            credentials,
            client,
            id,
            user: None,
            status: None,
            metrics,
        }
    }

    /// Puts the id into the answer.
    pub(super) fn end<B>(mut self, response: &mut Response<B>) {
        self.status = Some(response.status());
        if tracing::enabled!(target: REQUEST, tracing::Level::INFO) {
            self.user = self.user(response.headers());
        }
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
    }

    /// The user who has signed in, or whose token it was; not a name that was only claimed.
    fn user(&self, answer: &HeaderMap) -> Option<String> {
        match &self.credentials {
            Some(credentials) => (Verdict::of(self.status?, answer) == Verdict::Accepted)
                .then(|| credentials.name.as_str().to_owned()),
            None => Some(answer.get(headers::USER)?.to_str().ok()?.to_owned()),
        }
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let duration = self.began.elapsed();
        if let Some(metrics) = &self.metrics {
            metrics.request_ended(&self.method, self.class.template, self.status, duration);
        }
        tracing::info!(
            target: REQUEST,
            method = self.method.as_str(),
            route = self.class.template,
            status = self.status.map(|status| status.as_u16()),
            duration_ms = duration.as_micros() as f64 / 1000.0,
            user = self.user.as_deref(),
            client = %self.client,
            request_id = self.id.to_str().unwrap_or_default(),
        );
    }
}

fn is_usable(id: &HeaderValue) -> bool {
    (1..=headers::MAX_REQUEST_ID).contains(&id.len())
        && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

/// An id that no other request of this server has, and hardly one of another.
fn new_id() -> HeaderValue {
    static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}", KEY.hash_one(number));
    HeaderValue::try_from(id).expect("hexadecimal digits")
}
