//! Calls a component by `wasi:http/handler`: the request and the answer are resources, and their bodies streams.

use std::pin::Pin;

use http::header::HOST;
use http::{HeaderValue, Method, Request};
use wasmtime::component::{Accessor, Resource, TypedFunc};
use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{WasiBody, WasiHttpView, p3};

use super::answer::{self, Answer, Failure};
use super::call::call;
use super::guest::Guest;
use super::instance::ComponentInstances;

/// Tells how sending a request's body to the component went.
type Sent = Pin<Box<dyn Future<Output = Result<(), wasmtime_wasi_http::Error>> + Send>>;

/// `wasi:http/handler.handle`. The library's own binding to it does not tell which call is which.
pub(super) type Handle =
    TypedFunc<(Resource<p3::Request>,), (Result<Resource<p3::Response>, ErrorCode>,)>;

/// The value of `Host`, if the request has it: where its target names another, that one (RFC 9112, section 3.2.2).
fn host(request: &Request<WasiBody>) -> Option<HeaderValue> {
    let host = request.headers().get(HOST)?;
    let authority = request.uri().authority();
    match authority.is_none_or(|authority| authority.as_str().as_bytes() == host.as_bytes()) {
        true => Some(host.clone()),
        false => HeaderValue::try_from(authority?.as_str()).ok(),
    }
}

/// Calls the component. Fails if the instance traps.
pub(super) async fn respond(
    accessor: &Accessor<Guest>,
    handle: Handle,
    request: Request<WasiBody>,
    instances: &ComponentInstances,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let depth = request.extensions().get().copied().unwrap_or_default();
    let head = request.method() == Method::HEAD;
    let host = host(&request).filter(|_| instances.gets_host);
    let (request, sent) = accessor.with(|mut access| {
        let view = access.get().http();
        let (mut request, sent) = p3::Request::from_http(view.hooks, request);
        if let Some(host) = host {
            // The library has removed it, as it is not for components to set.
            request.headers.set_mutable(usize::MAX);
            request.headers.append_raw(HOST, host)?;
            request.headers.set_immutable();
        }
        // Boxed, since its type names a borrow that its value does not have.
        let sent: Sent = Box::pin(sent);
        wasmtime::error::Ok((view.table.push(request)?, sent))
    })?;
    let (answer,) = call(accessor, handle, depth, (request,)).await?;
    let response = match answer {
        Ok(response) => accessor.with(|mut access| {
            let response = access.get().http().table.delete(response)?;
            response.into_http(&mut access, sent)
        })?,
        Err(code) => {
            tracing::error!("the component failed: {code:?}");
            return Ok(Err(Failure::Trap));
        }
    };
    Ok(answer::collect(response, head, instances.max_collected).await)
}
