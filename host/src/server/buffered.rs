//! Calls a component for a request that is in memory: one call, without the resources and streams of WASI HTTP, which take
//! most of the time of a short request.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::{Either, Full};
use latchkey_component::api::field_lines;
use wasmtime::component::{Accessor, TypedFunc};

use super::answer::{Answer, Failure};
use super::guest::Guest;
use super::outgoing::FORBIDDEN;
use crate::bindings::buffered_handler as wit;

pub(super) const BUFFERED_HANDLER: &str = "latchkey:component/buffered-handler@0.1.0";

/// `buffered-handler.handle`.
pub(super) type BufferedHandle = TypedFunc<(wit::Request,), (Result<wit::Response, ()>,)>;

/// Calls the component. Fails if the instance traps.
pub(super) async fn respond(
    accessor: &Accessor<Guest>,
    handle: BufferedHandle,
    head: Parts,
    body: Bytes,
    revision: String,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let depth = head.extensions.get().copied().unwrap_or_default();
    let request = request(head, body, revision);
    let call = accessor.with(|mut access| {
        let call = handle.start_call_concurrent(&mut access, (request,))?;
        access.data_mut().outgoing().began(call.task(), depth);
        wasmtime::error::Ok(call)
    })?;
    let task = call.task();
    let (response,) = handle.finish_call_concurrent(accessor, call).await?;
    accessor.with(|mut access| access.data_mut().outgoing().ended(task));
    Ok(response.ok().and_then(answer).ok_or_else(|| {
        tracing::error!("the component failed, or its answer is not valid");
        Failure::Trap
    }))
}

fn request(head: Parts, body: Bytes, revision: String) -> wit::Request {
    let fields = head.headers.iter();
    let fields = fields.filter(|(name, _)| !FORBIDDEN.contains(name));
    let part = |part: Option<&str>| part.unwrap_or_default().to_owned();
    wit::Request {
        method: head.method.as_str().to_owned(),
        path_with_query: part(head.uri.path_and_query().map(|target| target.as_str())),
        authority: part(head.uri.authority().map(|authority| authority.as_str())),
        field_lines: field_lines::encode(fields),
        body: body.into(),
        revision,
    }
}

/// `None` if it is none that HTTP allows.
fn answer(response: wit::Response) -> Option<Answer> {
    let mut answer = Response::new(Either::Left(Full::from(response.body)));
    *answer.status_mut() = StatusCode::from_u16(response.status_code).ok()?;
    *answer.headers_mut() = field_lines::decode(&response.field_lines.into())?;
    Some(answer)
}
