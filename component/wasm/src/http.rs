//! Converts requests and responses between WASI HTTP and the `http` crate.
//!
//! The SDK's own conversion asks the host for everything in a request. This one asks for what Latchkey uses, and touches a
//! body only to read it.

use bytes::Bytes;
use http::{Method, Request, Response};
use spin_sdk::wasip3::http::types::{self as wasi, ErrorCode, Fields};
use spin_sdk::wasip3::wit_bindgen::{self, StreamResult};
use spin_sdk::wasip3::{wit_future, wit_stream};

use latchkey_component::api::{self, BodyError, MalformedRequest, RequestBody};

/// How much of a body is read at a time.
const CHUNK: usize = 4 << 10;

/// The unread body of a request.
pub(super) struct Incoming(wasi::Request);

/// The request without its scheme, which Latchkey does not use.
pub(super) fn request(incoming: wasi::Request) -> Result<Request<Incoming>, ErrorCode> {
    let method = method(incoming.get_method())?;
    let target = incoming.get_path_with_query();
    let authority = incoming.get_authority();
    let fields = incoming.get_headers().copy_all();
    let request =
        api::request(method, target, authority, fields).map_err(|malformed| match malformed {
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
        let (_received, result) = wit_future::new(|| Ok(()));
        let (mut stream, trailers) = wasi::Request::consume_body(self.0, result);
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

/// Lets the host run its other tasks. A request does so before it reads anything from the host, and again before its response.
/// Otherwise Spin may send the response in two packets.
///
/// Spin reads SQLite and variables in tokio's `block_in_place`. After that, and until the instance next waits, a task that it
/// wakes runs at once on another thread. So does the connection when the response is there: it finds no body yet, and sends the
/// head alone. The body then waits for the client's acknowledgement, some 40 ms, as Spin does not set `TCP_NODELAY`. After a
/// turn the connection runs on the thread of the instance, when the body has been handed over.
///
/// The turn at the beginning is needed, too. The first wait of a request is no turn: `wasmtime-wasi-http` polls the instance again
/// (`accept_concurrent` in its `handler.rs`). And a new request begins while the response before it is between head and body; it
/// must not read then.
pub(super) async fn host_turn() {
    wit_bindgen::yield_async().await;
}

/// The response. Its body is sent after this has returned; `kept` is kept until then, and `last` is done after that.
pub(super) fn response(
    response: Response<Bytes>,
    kept: impl Sized + 'static,
    last: impl Future<Output = ()> + 'static,
) -> Result<wasi::Response, ErrorCode> {
    let (head, body) = response.into_parts();
    let fields: Vec<_> = (head.headers.iter())
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    let fields = Fields::from_list(&fields)
        .map_err(|_| ErrorCode::InternalError(Some("a header that is not allowed".to_owned())))?;
    let (ended, trailers) = wit_future::new(|| Ok(None));
    let (writer, stream) = match body.is_empty() {
        true => (None, None),
        false => {
            let (writer, stream) = wit_stream::new();
            (Some(writer), Some(stream))
        }
    };
    let (response, _sent) = wasi::Response::new(fields, stream, trailers);
    response
        .set_status_code(head.status.as_u16())
        .map_err(|()| ErrorCode::InternalError(Some("a status that is not allowed".to_owned())))?;
    wit_bindgen::spawn(async move {
        if let Some(mut writer) = writer {
            // A client that went away does not read the rest.
            let _ = writer.write_all(body.into()).await;
        }
        drop(kept);
        let _ = ended.write(Ok(None)).await;
        last.await;
    });
    Ok(response)
}
