//! Converts requests and responses between `buffered-handler` and the `http` crate.

use ::http::{Method, Request, Response};
use bytes::Bytes;

use super::bindings::exports::latchkey::component::buffered_handler as wit;
use super::http::Body;
use latchkey_component::api::{self, field_lines};

/// The request, and the revision of the configuration. Fails if the method, the target or a header is none that HTTP allows.
pub(super) fn request(request: wit::Request) -> Result<(Request<Body>, Option<String>), ()> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(drop)?;
    let target = Some(request.path_with_query);
    let authority = Some(request.authority);
    let headers = field_lines::decode(&request.field_lines.into()).ok_or(())?;
    let head = api::request(method, target, authority, headers).map_err(drop)?;
    let body = Body::Buffered(request.body.into());
    Ok((head.map(|()| body), request.configuration_revision))
}

pub(super) fn response(response: Response<Bytes>) -> wit::Response {
    let (head, body) = response.into_parts();
    wit::Response {
        status_code: head.status.as_u16(),
        field_lines: field_lines::encode(head.headers.iter()),
        body: body.into(),
    }
}
