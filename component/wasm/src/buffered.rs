//! Converts requests and responses between `buffered-handler` and the `http` crate.

use bytes::Bytes;
use http::{Method, Request, Response};

use super::bindings::exports::latchkey::component::buffered_handler as wit;
use latchkey_component::api;

/// Fails if the method, the target or a header is none that HTTP allows.
pub(super) fn request(request: wit::Request) -> Result<Request<Bytes>, ()> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(drop)?;
    let target = Some(request.path_with_query);
    let authority = Some(request.authority);
    let head = api::request(method, target, authority, request.headers).map_err(drop)?;
    Ok(head.map(|()| request.body.into()))
}

pub(super) fn response(response: Response<Bytes>) -> wit::Response {
    let (head, body) = response.into_parts();
    let fields = head.headers.iter();
    let headers = fields.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    wit::Response {
        status_code: head.status.as_u16(),
        headers: headers.collect(),
        body: body.into(),
    }
}
