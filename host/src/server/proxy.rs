//! Calls a component of WASI 0.2: an instance for each request, as the platforms do that such components are for.

use http::{Method, Request};
use http_body_util::{BodyExt, Either};
use tokio::sync::oneshot;
use wasmtime_wasi::runtime::spawn;
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use super::answer::{self, Answer, Failure};
use super::body::RequestBody;
use super::guest::Guest;
use super::instance::ComponentInstances;
use super::traffic::{Traffic, expired};
use crate::metrics::Metrics;

/// Makes an instance, and has it answer the request. What fails here harms no other request.
pub(super) async fn respond(
    instances: &ComponentInstances,
    proxy: &ProxyPre<Guest>,
    request: Request<RequestBody>,
) -> Result<Answer, Failure> {
    let traffic = request.extensions().get::<Traffic>().cloned();
    let request = request.map(RequestBody::into_stream);
    let time = instances.limits.request_time;
    tokio::select! {
        biased;
        answer = call(instances, proxy, request) => answer.unwrap_or_else(|error| {
            tracing::error!("no instance can be made: {error:#}");
            Err(Failure::Overload)
        }),
        () = expired(traffic, time) => {
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
    let depth = request.extensions().get().copied().unwrap_or_default();
    let mut store = instances.store();
    store.data_mut().outgoing().serves_one(depth);
    let _counted = instances.metrics.as_deref().map(Metrics::instance);
    let (sender, receiver) = oneshot::channel();
    let mut http = store.data_mut().http();
    let request = http.new_incoming_request(Scheme::Http, request)?;
    let response = http.new_response_outparam(sender)?;
    let instance = proxy.instantiate_async(&mut store).await?;
    // By itself: the component may still be writing the body when it has answered.
    let call = spawn(async move {
        let handler = instance.wasi_http_incoming_handler();
        // With the store goes the sender, if the component has not used it.
        handler.call_handle(store, request, response).await
    });
    let answer = match receiver.await {
        Ok(Ok(response)) => answer::collect(response, head, instances.max_collected).await,
        Ok(Err(code)) => {
            tracing::error!("the component failed: {code:?}");
            Err(Failure::Trap)
        }
        Err(_) => Err(Failure::Trap),
    };
    Ok(match answer {
        // The instance goes with the body.
        Ok(answer) if matches!(answer.body(), Either::Right(_)) => Ok(answer.map(|body| {
            let body = answer::boxed(body).map_frame(move |frame| {
                let _ = &call;
                frame
            });
            Either::Right(body.boxed_unsync())
        })),
        answer => match call.await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!("an instance of the component has ended: {error:?}");
                Err(Failure::Trap)
            }
        },
    })
}
