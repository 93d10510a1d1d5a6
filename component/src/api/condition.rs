//! Conditional requests (RFC 9110, section 13): a client is not sent again what it has.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// Whether `request` has the representation of the quoted entity tag `tag` (RFC 9110, section 13.1.2).
pub(super) fn has_seen(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .any(|tags| tags.trim() == "*" || tags.contains(tag))
}

/// 304, without a body.
pub(super) fn not_modified() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
