//! Calls a component of WASI 0.2: an instance for each request, as the platforms do that such components are for.

use http::{Method, Request};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use super::answer::{self, Answer, Failure};
use super::guest::Guest;
use super::instance::ComponentInstances;
use crate::metrics::Metrics;

/// Makes an instance, and has it answer the request. What fails here harms no other request.
pub(super) async fn respond(
    instances: &ComponentInstances,
    proxy: &ProxyPre<Guest>,
    request: Request<WasiBody>,
) -> Result<Answer, Failure> {
    let answer = call(instances, proxy, request);
    match timeout(instances.limits.request_time, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::error!("no instance can be made: {error:#}");
            Err(Failure::Overload)
        }
        Err(_) => {
            tracing::error!("the component did not answer in time");
            Err(Failure::Timeout)
        }
    }
}

/// Fails if no instance can be made.
async fn call(
    instances: &ComponentInstances,
    proxy: &ProxyPre<Guest>,
    request: Request<WasiBody>,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let head = request.method() == Method::HEAD;
    let mut store = instances.store();
    let _counted = instances.metrics.as_deref().map(Metrics::instance);
    let (sender, receiver) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request)?;
    let response = http.new_response_outparam(sender)?;
    let instance = proxy.instantiate_async(&mut store).await?;
    let call = async move {
        let handler = instance.wasi_http_incoming_handler();
        // With the store goes the sender, if the component has not used it.
        handler.call_handle(store, request, response).await
    };
    let answer = async {
        match receiver.await {
            Ok(Ok(response)) => answer::collect(response, head).await,
            Ok(Err(code)) => {
                tracing::error!("the component failed: {code:?}");
                Err(Failure::Trap)
            }
            Err(_) => Err(Failure::Trap),
        }
    };
    // Both at once: the component may still be writing the body when it has answered.
    let (called, answer) = tokio::join!(call, answer);
    Ok(match called {
        Ok(()) => answer,
        Err(error) => {
            tracing::error!("an instance of the component has ended: {error:?}");
            Err(Failure::Trap)
        }
    })
}
