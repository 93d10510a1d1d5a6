//! Calls a component for a request that is in memory: one call, without the resources and streams of WASI HTTP, which take
//! most of the time of a short request.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{Either, Full};
use latchkey_component::api::head;
use wasmtime::component::{Accessor, TypedFunc};

use super::answer::{Answer, Failure};
use super::call::call;
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
    parts: Parts,
    body: Bytes,
    revision: Option<u64>,
) -> wasmtime::Result<Result<Answer, Failure>> {
    let depth = parts.extensions.get().copied().unwrap_or_default();
    let is_head = parts.method == Method::HEAD;
    let request = request(parts, body, revision);
    let (response,) = call(accessor, handle, depth, (request,)).await?;
    Ok(response
        .ok()
        .and_then(|response| answer(response, is_head))
        .ok_or_else(|| {
            tracing::error!("the component failed, or its answer is not valid");
            Failure::Trap
        }))
}

fn request(parts: Parts, body: Bytes, revision: Option<u64>) -> wit::Request {
    let fields = parts.headers.iter();
    let fields = fields.filter(|(name, _)| !FORBIDDEN.contains(name));
    let uri = parts.uri.into_parts();
    let target = uri
        .path_and_query
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    // As for every request that comes from outside; one without would be none of HTTP/1.1.
    let authority = uri
        .authority
        .unwrap_or_else(|| Authority::from_static("localhost"));
    wit::Request {
        head: head::encode_request(&parts.method, &target, &authority, fields),
        body: (!body.is_empty()).then(|| body.into()),
        configuration_revision: revision,
    }
}

/// `None` if it is not valid, as by `wasi:http/handler`: a component sets no headers of the connection, and says no other length.
fn answer(response: wit::Response, is_head: bool) -> Option<Answer> {
    let headers = head::decode_fields(&response.head.into())?;
    if FORBIDDEN.iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    let lengths = headers.get_all(CONTENT_LENGTH);
    let length = HeaderValue::from(response.body.len());
    if !is_head && lengths.iter().any(|said| *said != length) {
        return None;
    }
    let mut answer = Response::new(Either::Left(Full::from(response.body)));
    *answer.status_mut() = StatusCode::from_u16(response.status_code).ok()?;
    *answer.headers_mut() = headers;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn response(status_code: u16, head: &str, body: &str) -> wit::Response {
        wit::Response {
            status_code,
            head: head.into(),
            body: body.into(),
        }
    }

    #[tokio::test]
    async fn a_valid_answer() {
        let lines = "content-length: 3\r\nx-a: 1\r\nx-a: 2\r\n";
        let answer = answer(response(201, lines, "abc"), false).expect("valid");
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers().get_all("x-a").iter().count(), 2);
        let body = answer.into_body().collect().await.expect("in memory");
        assert_eq!(body.to_bytes(), "abc");
    }

    #[test]
    fn what_is_not_valid() {
        for (status_code, lines, body, is_head, is_valid) in [
            (200, "", "abc", false, true),
            (200, "content-length: 3\r\n", "", true, true),
            (200, "content-length: 3\r\n", "", false, false),
            (200, "content-length: 3\r\n", "ab", false, false),
            (
                200,
                "content-length: 2\r\ncontent-length: 3\r\n",
                "ab",
                false,
                false,
            ),
            (200, "transfer-encoding: chunked\r\n", "", false, false),
            (200, "connection: close\r\n", "", false, false),
            (200, "x-a\r\n", "", false, false),
            (99, "", "", false, false),
            (1000, "", "", false, false),
        ] {
            let answer = answer(response(status_code, lines, body), is_head);
            assert_eq!(
                answer.is_some(),
                is_valid,
                "{status_code} {lines:?} {body:?}"
            );
        }
    }

    /// A component of a foreign build must not end the worker.
    #[test]
    fn more_headers_than_fit_are_not_valid() {
        let lines: String = (0..40_000)
            .map(|number| format!("x-{number}: \r\n"))
            .collect();
        assert!(answer(response(200, &lines, ""), false).is_none());
    }
}
