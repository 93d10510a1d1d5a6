//! Converts requests and responses between WASI HTTP 0.2 and the `http` crate.

use bytes::Bytes;
use http::{Method, Request, Response};
use latchkey_component::api::{self, BodyError, MalformedRequest, RequestBody};

use super::bindings::wasi::http0_2_0::types::{
    self as wasi, ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse,
    ResponseOutparam,
};
use super::bindings::wasi::io::streams::{OutputStream, StreamError};

/// How much of a body is read at a time.
const CHUNK: u64 = 4 << 10;

/// The unread body of a request.
pub(super) struct Incoming(IncomingRequest);

/// The request without its scheme, which Latchkey does not use.
pub(super) fn request(incoming: IncomingRequest) -> Result<Request<Incoming>, ErrorCode> {
    let method = method(incoming.method())?;
    let target = incoming.path_with_query();
    let authority = incoming.authority();
    let fields = incoming.headers().entries();
    let request = api::incoming_headers(fields)
        .and_then(|headers| api::request(method, target, authority, headers))
        .map_err(|malformed| match malformed {
            MalformedRequest::Target => ErrorCode::HttpRequestUriInvalid,
            MalformedRequest::Header => ErrorCode::HttpProtocolError,
        })?;
    Ok(request.map(|()| Incoming(incoming)))
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

impl RequestBody for Incoming {
    async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        let incoming: IncomingBody = self.0.consume().map_err(|()| BodyError::Incomplete)?;
        let stream = incoming.stream().map_err(|()| BodyError::Incomplete)?;
        let mut body = Vec::new();
        loop {
            match stream.blocking_read(CHUNK) {
                Ok(mut read) => body.append(&mut read),
                Err(StreamError::Closed) => return Ok(body.into()),
                Err(StreamError::LastOperationFailed(_)) => return Err(BodyError::Incomplete),
            }
            if body.len() > limit {
                return Err(BodyError::TooLarge);
            }
        }
    }
}

/// Answers the request.
///
/// The whole body is written before the answer is given, so that hosts send head and body in one packet: a second one
/// would wait some 40 ms for the acknowledgement of the first where a host does not set `TCP_NODELAY`, as Spin does not.
pub(super) fn respond(out: ResponseOutparam, response: Response<Bytes>) {
    let (outgoing, bytes) = match head(response) {
        Ok(outgoing) => outgoing,
        Err(error) => return ResponseOutparam::set(out, Err(error)),
    };
    // Without a body its length may be announced nevertheless: an answer to HEAD.
    let body = match bytes.is_empty() {
        true => None,
        false => outgoing.body().ok(),
    };
    let Some(body) = body else {
        return ResponseOutparam::set(out, Ok(outgoing));
    };
    let Ok(stream) = body.write() else {
        return ResponseOutparam::set(out, Err(ErrorCode::InternalError(None)));
    };
    let rest = write(&stream, &bytes);
    ResponseOutparam::set(out, Ok(outgoing));
    // More than the host buffers. A client that went away does not read it.
    if write_all(&stream, rest).is_ok() {
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn head(response: Response<Bytes>) -> Result<(OutgoingResponse, Bytes), ErrorCode> {
    let (head, body) = response.into_parts();
    let fields: Vec<_> = (head.headers.iter())
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let fields = Fields::from_list(&fields)
        .map_err(|_| ErrorCode::InternalError(Some("a header that is not allowed".to_owned())))?;
    let outgoing = OutgoingResponse::new(fields);
    outgoing
        .set_status_code(head.status.as_u16())
        .map_err(|()| ErrorCode::InternalError(Some("a status that is not allowed".to_owned())))?;
    Ok((outgoing, body))
}

/// Writes what the stream takes at once, and returns the rest.
fn write<'a>(stream: &OutputStream, bytes: &'a [u8]) -> &'a [u8] {
    let taken = stream.check_write().unwrap_or(0);
    let (now, later) = bytes.split_at(bytes.len().min(taken as usize));
    match stream.write(now) {
        Ok(()) => later,
        Err(_) => bytes,
    }
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        stream.subscribe().block();
        let taken = stream.check_write()?;
        let (now, later) = bytes.split_at(bytes.len().min(taken as usize));
        stream.write(now)?;
        bytes = later;
    }
    Ok(())
}
