//! The components that are served, and the ways to them: by route from outside, by name from inside.
//!
//! What the host knows of its requests it knows of Latchkey's alone: which of them sign in, and that their bodies are short.
//! To other components it streams.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Either};
use latchkey_component::api::headers::CLIENT_ADDRESS;
use tokio::time::timeout;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::activity::Activity;
use super::answer::{self, Answer, Failure};
use super::body::RequestBody;
use super::dispatch::Dispatcher;
use super::instance::ComponentInstances;
use super::observation::Observation;
use super::route_class::RouteClass;
use super::traffic::Streamed;
use crate::manifest::route::Routes;
use crate::metrics::Metrics;
use crate::outbound::Target;

/// Begins the names of the headers by which a component is told of the client, and under Spin of the route.
const OF_HOST: &str = "spin";

/// The address of a component as a client, as Spin has it: the unspecified one.
const INSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// How deep requests within the application may go, each sent by the one before: more of them are a loop.
const MAX_DEPTH: Depth = Depth(16);

/// How many requests within the application led to a request. It goes with the request as an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Depth(pub(super) u32);

/// A component that is served.
pub(super) struct Service {
    /// What a chained request names, if one may.
    pub(super) chained_name: Option<String>,
    pub(super) is_latchkey: bool,
    pub(super) dispatcher: Dispatcher,
    /// What its workers make instances of.
    pub(super) instances: ComponentInstances,
}

/// All of them, in the order of the application.
pub(super) struct Services {
    pub(super) all: Vec<Service>,
    /// Each leads to a service, by its number.
    pub(super) routes: Routes<(usize, &'static str)>,
    pub(super) metrics: Option<Arc<Metrics>>,
}

/// Where a request goes, and what is known of it by that.
pub(super) struct Route<'a> {
    pub(super) service: Option<&'a Service>,
    pub(super) class: RouteClass,
}

impl Service {
    fn class<B>(&self, request: &Request<B>, template: &'static str) -> RouteClass {
        match self.is_latchkey {
            true => RouteClass::of(request.method(), request.uri()),
            false => RouteClass::other(template),
        }
    }

    /// Streams a request through that has come in by the serving worker `home`: its body, if the next part of it comes within
    /// `time`, and the answer. What moves keeps the connection from being idle.
    pub(super) async fn stream(
        &self,
        home: usize,
        request: Request<WasiBody>,
        connection: Option<&Arc<Activity>>,
        time: Option<Duration>,
    ) -> Result<Answer, Failure> {
        let traffic = self.dispatcher.traffic(home);
        let streamed = |body| Streamed::new(body, &traffic).keeps(connection);
        let mut request =
            request.map(|body| RequestBody::Stream(streamed(body).within(time).boxed_unsync()));
        request.extensions_mut().insert(traffic.clone());
        let answer = self.dispatcher.dispatch(home, None, request).await?;
        Ok(answer.map(|body| match body {
            Either::Left(collected) => Either::Left(collected),
            Either::Right(stream) => Either::Right(streamed(stream).boxed_unsync()),
        }))
    }
}

/// Removes what only a host may say, by whatever character it separates words. An application that finds its path in such a
/// header would take that of the client.
pub(super) fn drop_headers_of_host(headers: &mut HeaderMap) {
    let is_of_host = |name: &&HeaderName| {
        let rest = name.as_str().strip_prefix(OF_HOST);
        rest.is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()))
    };
    let names: Vec<_> = headers.keys().filter(is_of_host).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

impl Services {
    /// The way of a request from outside.
    pub(super) fn route<B>(&self, request: &Request<B>) -> Route<'_> {
        match self.routes.find(request.uri().path()) {
            Some((number, template)) => {
                let service = &self.all[*number];
                Route {
                    service: Some(service),
                    class: service.class(request, template),
                }
            }
            None => Route {
                service: None,
                class: RouteClass::other("unmatched"),
            },
        }
    }

    /// Answers a request that a component sends, which runs on the serving worker `home` and serves a request `depth` deep. It
    /// comes over no connection: what the component says of a client's address is dropped.
    pub(super) async fn answer_inside(
        &self,
        home: usize,
        depth: Depth,
        target: &Target,
        mut request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<Response<WasiBody>, Error> {
        let depth = Depth(depth.0 + 1);
        if depth > MAX_DEPTH {
            tracing::error!("components of the application call each other without end");
            return Err(Error::LoopDetected);
        }
        let Route { service, class } = match target {
            Target::Component(name) => {
                let is_named = |service: &&Service| service.chained_name.as_ref() == Some(name);
                let service = self.all.iter().find(is_named);
                let service = service.ok_or(Error::DestinationNotFound)?;
                // As under Spin: the authority names a component, not a host.
                request.headers_mut().remove(HOST);
                Route {
                    service: Some(service),
                    class: service.class(&request, "chained"),
                }
            }
            Target::Application | Target::Network(_) => self.route(&request),
        };
        drop_headers_of_host(request.headers_mut());
        let address = HeaderValue::from_static("0.0.0.0:0");
        request.headers_mut().insert(CLIENT_ADDRESS, address);
        request.extensions_mut().insert(depth);
        let observation = Observation::begin(&mut request, class, INSIDE, self.metrics.clone());
        let answer = async {
            let service = service.ok_or(Failure::NotFound)?;
            if service.is_latchkey {
                let credentials = observation.credentials.as_ref();
                let request = request.map(|body| match observation.class.reads_body {
                    true => RequestBody::Stream(body),
                    false => RequestBody::Unread(body),
                });
                return service
                    .dispatcher
                    .dispatch(home, credentials, request)
                    .await;
            }
            service.stream(home, request, None, None).await
        };
        let answer = match options.first_byte_timeout {
            None => answer.await,
            Some(time) => {
                let answer = timeout(time, answer).await;
                answer.map_err(|_| Error::ConnectionReadTimeout)?
            }
        };
        let mut response = answer.unwrap_or_else(Failure::response);
        observation.end(&mut response);
        Ok(response.map(answer::boxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_host_may_say() {
        let mut headers = HeaderMap::new();
        for name in ["Spin-Path-Info", "spin-path-info", "spin_path_info"] {
            let name: HeaderName = name.parse().expect("a name");
            headers.append(name, HeaderValue::from_static("/a"));
        }
        for name in ["spinner", "x-spin-path-info"] {
            headers.insert(name, HeaderValue::from_static("/a"));
        }
        drop_headers_of_host(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["spinner", "x-spin-path-info"]);
    }
}
