//! Requests as the bindings of WASI have them, to those of the `http` crate.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

/// Why a request is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedRequest {
    /// Its path and query cannot be parsed.
    Target,
    /// One of its headers cannot be parsed.
    Header,
}

/// The request without scheme and authority, which Latchkey does not use.
///
/// # Errors
///
/// [`MalformedRequest`], which a host that checks requests does not cause.
pub fn request(
    method: Method,
    target: Option<String>,
    fields: Vec<(String, Vec<u8>)>,
) -> Result<Request<()>, MalformedRequest> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    if let Some(target) = target {
        let target = PathAndQuery::try_from(target).map_err(|_| MalformedRequest::Target)?;
        *request.uri_mut() = Uri::from(target);
    }
    let headers = request.headers_mut();
    headers.reserve(fields.len());
    for (name, value) in fields {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value))
        else {
            return Err(MalformedRequest::Header);
        };
        headers.append(name, value);
    }
    Ok(request)
}
