//! Converts requests from WASI HTTP to the `http` crate, and reads the bodies of both handlers.
//!
//! The SDK's own conversion asks the host for everything in a request. This one asks for what Latchkey uses, and touches a
//! body only to read it.

use bytes::Bytes;
use http::{Method, Request};
use spin_sdk::wasip3::http::types::{self as wasi, ErrorCode};
use spin_sdk::wasip3::wit_bindgen::StreamResult;
use spin_sdk::wasip3::wit_future;

use latchkey_component::api::{self, BodyError, MalformedRequest, RequestBody};

/// How much of a body is read at a time.
const CHUNK: usize = 4 << 10;

/// The body of a request. One type for both handlers, so that what is generic over it is compiled once.
pub(super) enum Body {
    Buffered(Bytes),
    Unread(wasi::Request),
}

/// The request without its scheme, which Latchkey does not use.
pub(super) fn request(incoming: wasi::Request) -> Result<Request<Body>, ErrorCode> {
    let method = method(incoming.get_method())?;
    let target = incoming.get_path_with_query();
    let authority = incoming.get_authority();
    let fields = incoming.get_headers().copy_all();
    let request = api::incoming_headers(fields)
        .and_then(|headers| api::request(method, target, authority, headers))
        .map_err(|malformed| match malformed {
            MalformedRequest::Target => ErrorCode::HttpRequestUriInvalid,
            MalformedRequest::Header => ErrorCode::HttpProtocolError,
        })?;
    Ok(request.map(|()| Body::Unread(incoming)))
}

fn method(method: wasi::Method) -> Result<Method, ErrorCode> {
    Ok(match method {
        wasi::Method::Get => Method::GET,
        wasi::Method::Head => Method::HEAD,
        wasi::Method::Post => Method::POST,
        wasi::Method::Put => Method::PUT,
        wasi::Method::Delete => Method::DELETE,
        wasi::Method::Connect => Method::CONNECT,
        wasi::Method::Options => Method::OPTIONS,
        wasi::Method::Trace => Method::TRACE,
        wasi::Method::Patch => Method::PATCH,
        wasi::Method::Other(name) => {
            Method::from_bytes(name.as_bytes()).map_err(|_| ErrorCode::HttpRequestMethodInvalid)?
        }
    })
}

impl RequestBody for Body {
    async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        let unread = match self {
            Self::Buffered(bytes) => return bytes.read(limit).await,
            Self::Unread(request) => request,
        };
        let (_received, result) = wit_future::new(|| Ok(()));
        let (mut stream, trailers) = wasi::Request::consume_body(unread, result);
        let mut body = Vec::new();
        loop {
            body.reserve(CHUNK);
            let (status, read) = stream.read(body).await;
            body = read;
            if body.len() > limit {
                return Err(BodyError::TooLarge);
            }
            match status {
                StreamResult::Complete(_) => {}
                // The trailers say whether it ended or broke off.
                StreamResult::Dropped | StreamResult::Cancelled => break,
            }
        }
        match trailers.await {
            Ok(_) => Ok(body.into()),
            Err(_) => Err(BodyError::Incomplete),
        }
    }
}
