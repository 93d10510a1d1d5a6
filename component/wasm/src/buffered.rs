//! Converts requests and responses between `buffered-handler` and the `http` crate.

use ::http::{Request, Response};
use bytes::Bytes;

use super::bindings::exports::latchkey::component::buffered_handler as wit;
use super::http::Body;
use latchkey_component::api::head;

/// The request. Fails if the method, the target or a header is none that HTTP allows.
pub(super) fn request(head: Vec<u8>, body: Option<Vec<u8>>) -> Result<Request<Body>, ()> {
    let request = head::decode_request(&head.into()).ok_or(())?;
    Ok(request.map(|()| Body::Buffered(body.unwrap_or_default().into())))
}

pub(super) fn response(response: Response<Bytes>) -> wit::Response {
    let (parts, body) = response.into_parts();
    wit::Response {
        status_code: parts.status.as_u16(),
        head: head::encode_fields(parts.headers.iter()),
        body: body.into(),
    }
}
