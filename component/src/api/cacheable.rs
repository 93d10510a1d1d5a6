//! The public keys, and other JSON that changes with the configuration only, as a response that may be cached.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{condition, response};

/// Short, so that a new key verifies soon; long, so that verifiers do not ask for every token.
const CACHE_CONTROL: &str = "public, max-age=300";

/// The body; 304 if `request` has it (RFC 9110, section 13.1.2).
pub(super) fn response(body: &impl Serialize, request: &HeaderMap) -> Response<Bytes> {
    let mut response = response::json(StatusCode::OK, body);
    let tag = format!(
        "\"{}\"",
        URL_SAFE_NO_PAD.encode(Sha256::digest(response.body()))
    );
    if condition::has_seen(request, &tag) {
        response = condition::not_modified();
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(CACHE_CONTROL),
    );
    let tag = HeaderValue::try_from(tag).expect("base64url in quotes");
    headers.insert(header::ETAG, tag);
    response
}
