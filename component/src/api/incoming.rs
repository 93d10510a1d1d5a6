//! Requests as the bindings of WASI have them, to those of the `http` crate.

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

/// Why a request is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedRequest {
    /// Its path and query cannot be parsed.
    Target,
    /// One of its headers cannot be parsed.
    Header,
}

/// The request without its scheme. `authority` becomes the header `Host`, if that is missing: hosts make one of the other.
///
/// # Errors
///
/// [`MalformedRequest`], which a host that checks requests does not cause.
pub fn request(
    method: Method,
    target: Option<String>,
    authority: Option<String>,
    mut headers: HeaderMap,
) -> Result<Request<()>, MalformedRequest> {
    let mut request = Request::new(());
    *request.method_mut() = method;
    if let Some(target) = target {
        let target = PathAndQuery::try_from(target).map_err(|_| MalformedRequest::Target)?;
        *request.uri_mut() = Uri::from(target);
    }
    if let Some(authority) = authority
        && !headers.contains_key(header::HOST)
    {
        let authority = HeaderValue::try_from(authority).map_err(|_| MalformedRequest::Header)?;
        headers.insert(header::HOST, authority);
    }
    *request.headers_mut() = headers;
    Ok(request)
}

/// Headers as the bindings of WASI have them.
///
/// # Errors
///
/// [`MalformedRequest::Header`], which a host that checks requests does not cause.
pub fn headers(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, MalformedRequest> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value))
        else {
            return Err(MalformedRequest::Header);
        };
        headers.append(name, value);
    }
    Ok(headers)
}
