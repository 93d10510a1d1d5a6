//! Requests that a component sends: to the hosts that it is allowed, over the network or within the application.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, GuestTaskId, HasData, Resource};
use wasmtime_wasi::TrappableError;
use wasmtime_wasi_http::p3;
use wasmtime_wasi_http::p3::bindings::http::client::HostWithStore;
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, RequestOptions, WasiBody, WasiHttp, WasiHttpCtxView,
    WasiHttpHooks, WasiHttpView, default_send_request,
};

use super::guest::Guest;
use super::services::{Depth, Services};
use super::traffic::{Moved, Streamed, Traffic};
use crate::outbound::{AllowedHosts, Target};

/// What instances need to send requests: one for the instances of one component on one worker.
#[derive(Clone)]
pub(super) struct Ways {
    /// Set when all services are there. Weak: they end when the server is dropped.
    pub(super) services: Arc<OnceLock<Weak<Services>>>,
    pub(super) allowed: Arc<AllowedHosts>,
    /// The serving worker that answers what is sent within the application.
    pub(super) home: usize,
    /// Counts what is streamed by the worker of the instance.
    pub(super) moved: Moved,
    /// How long the beginning of an answer may take from when the last part of the request was sent: less than the instance's
    /// own requests may, so that it can still tell its client.
    pub(super) time: Duration,
}

/// How one instance sends requests.
pub(super) struct Outgoing {
    ways: Ways,
    /// The depth of the request that is sending.
    depth: Depth,
    /// The depths of those that the instance serves, unless 0.
    depths: HashMap<GuestTaskId, Depth>,
    /// Where the last request was allowed to go. Most go where the one before went, and to find it out takes time.
    last: Option<(Scheme, Authority, Target)>,
}

impl Outgoing {
    pub(super) fn new(ways: Ways) -> Self {
        Self {
            ways,
            depth: Depth::default(),
            depths: HashMap::new(),
            last: None,
        }
    }

    /// Where a request goes, if it may be sent.
    fn target(&mut self, uri: &Uri) -> Option<Target> {
        if let Some((scheme, authority, target)) = &self.last
            && uri.scheme() == Some(scheme)
            && uri.authority() == Some(authority)
        {
            return Some(target.clone());
        }
        let target = self.ways.allowed.target(uri)?;
        if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) {
            self.last = Some((scheme.clone(), authority.clone(), target.clone()));
        }
        Some(target)
    }

    /// To be called where the instance serves one request only, of this depth.
    pub(super) fn serves_one(&mut self, depth: Depth) {
        self.depth = depth;
    }

    pub(super) fn began(&mut self, task: GuestTaskId, depth: Depth) {
        if depth != Depth::default() {
            self.depths.insert(task, depth);
        }
    }

    pub(super) fn ended(&mut self, task: GuestTaskId) {
        self.depths.remove(&task);
    }

    fn is_sent_by(&mut self, task: Option<GuestTaskId>) {
        let depth = task.and_then(|task| self.depths.get(&task));
        self.depth = depth.copied().unwrap_or_default();
    }
}

/// Tells whether sending a request or receiving its response went well.
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The headers of one hop, which a component neither sees nor sets. The library makes its list anew for each header that it looks at.
pub(super) static FORBIDDEN: [HeaderName; 9] = DEFAULT_FORBIDDEN_HEADERS;

/// The most that is taken of a body at a time. Each chunk resumes the instance once; a list of 100 tokens fits into one.
const BODY_CHUNK: usize = 64 << 10;

impl WasiHttpHooks for Outgoing {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        FORBIDDEN.contains(name)
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Io,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send> {
        let Some(target) = self.target(request.uri()) else {
            let host = request.uri().host().unwrap_or_default();
            tracing::warn!(
                "the component may not send requests to {host:?}: see `allowed_outbound_hosts`"
            );
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let options = options.unwrap_or_default();
        let traffic = Traffic::new(self.ways.moved.clone());
        let request = request.map(|body| Streamed::new(body, &traffic).boxed_unsync());
        let (ways, depth) = (self.ways.clone(), self.depth);
        Box::new(async move {
            let answer = async {
                if let Target::Network(authority) = target {
                    return send(authority, request, options).await;
                }
                let services = ways.services.get().and_then(Weak::upgrade);
                let services = services.ok_or(Error::DestinationUnavailable)?;
                let answer = services.answer_inside(ways.home, depth, &target, request, options);
                Ok((answer.await?, Box::new(async { Ok(()) }) as Io))
            };
            let (response, io) = tokio::select! {
                biased;
                answer = answer => answer?,
                () = traffic.idle(ways.time) => return Err(Error::ConnectionReadTimeout),
            };
            let response = response.map(|body| {
                let time = options.between_bytes_timeout;
                Streamed::new(body, &traffic).within(time).boxed_unsync()
            });
            Ok((response, io))
        })
    }
}

async fn send(
    authority: Authority,
    mut request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<(Response<WasiBody>, Io), Error> {
    let host = HeaderValue::try_from(authority.as_str());
    let host = host.map_err(|_| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(HOST, host);
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme.get_or_insert(Scheme::HTTPS);
    uri.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Error::HttpRequestUriInvalid)?;
    let (response, io) = default_send_request(request, Some(options)).await?;
    Ok((response.map(BodyExt::boxed_unsync), Box::new(io)))
}

/// The library's client, which is told which of an instance's requests sends another.
pub(super) struct Client;

impl HasData for Client {
    type Data<'a> = WasiHttpCtxView<'a>;
}

impl HostWithStore<Guest> for Client {
    async fn send(
        accessor: &Accessor<Guest, Self>,
        request: Resource<p3::Request>,
    ) -> Result<Resource<p3::Response>, TrappableError<ErrorCode>> {
        accessor.with(|mut access| {
            let mut store = access.as_context_mut();
            // The host's own call.
            let task = store.async_call_stack().map(Iterator::last);
            let task = task.map_err(TrappableError::trap)?;
            store.data_mut().outgoing().is_sent_by(task);
            Ok::<_, TrappableError<ErrorCode>>(())
        })?;
        // Which sends it before it waits for anything.
        WasiHttp::send(&accessor.with_getter::<WasiHttp>(Guest::http), request).await
    }
}
