//! Heads of requests and responses between a host and the component, as in HTTP/1.1: the request line (RFC 9112, section 3), and
//! a field line `name: value` for each header (section 5), each with its CR LF.
//!
//! There is exactly one space before a value, and what follows is the value as it is, also where that begins or ends with a
//! space. No name holds a colon, and no value CR or LF: so the lines tell all that the headers do.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use memchr::memchr;

/// As much as most heads have.
const CAPACITY: usize = 512;

/// The end of a request line.
const VERSION: &str = " HTTP/1.1";

/// The head of a request with these headers, none of which is `Host`: that is `authority`.
pub fn encode_request<'a>(
    method: &Method,
    target: &PathAndQuery,
    authority: &Authority,
    headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(CAPACITY);
    for part in [
        method.as_str(),
        " ",
        target.as_str(),
        VERSION,
        "\r\nhost: ",
        authority.as_str(),
        "\r\n",
    ] {
        head.extend_from_slice(part.as_bytes());
    }
    append_fields(&mut head, headers);
    head
}

/// The field lines of these headers.
pub fn encode_fields<'a>(
    headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> Vec<u8> {
    let mut lines = Vec::with_capacity(CAPACITY);
    append_fields(&mut lines, headers);
    lines
}

fn append_fields<'a>(
    lines: &mut Vec<u8>,
    headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) {
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
}

/// The request of what [`encode_request`] has made; `None` for another head. Nothing but names is copied.
pub fn decode_request(head: &Bytes) -> Option<Request<()>> {
    let (line, fields) = head.split_at(memchr(b'\r', head)?);
    let (method, target) = line.split_at(memchr(b' ', line)?);
    let target = target
        .strip_prefix(b" ")?
        .strip_suffix(VERSION.as_bytes())?;
    let target = PathAndQuery::from_maybe_shared(head.slice_ref(target)).ok()?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = decode_fields(&head.slice_ref(fields.strip_prefix(b"\r\n")?))?;
    Some(request)
}

/// The headers of what [`encode_fields`] has made; `None` for other lines. The values are not copied.
pub fn decode_fields(lines: &Bytes) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(8);
    let mut rest: &[u8] = lines;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(memchr(b'\r', rest)?);
        rest = after.strip_prefix(b"\r\n")?;
        let (name, value) = line.split_at(memchr(b':', line)?);
        let name = HeaderName::from_bytes(name).ok()?;
        let value = lines.slice_ref(value.strip_prefix(b": ")?);
        let value = HeaderValue::from_maybe_shared(value).ok()?;
        headers.try_append(name, value).ok()?;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_as_they_were() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Basic YTpi"),
            ("x-empty", ""),
            ("x-spaces", " a : b "),
            ("cookie", "one"),
            ("cookie", "two"),
        ] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(name, value);
        }
        headers.append("x-opaque", HeaderValue::from_bytes(b"\xff\t\x80").unwrap());
        let lines = encode_fields(headers.iter());
        assert!(lines.starts_with(b"authorization: Basic YTpi\r\n"));
        assert_eq!(decode_fields(&lines.into()), Some(headers));
        assert_eq!(decode_fields(&Bytes::new()), Some(HeaderMap::new()));
    }

    #[test]
    fn a_request_comes_back_as_it_was() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-a"),
            HeaderValue::from_static("b"),
        )]);
        let authority = Authority::from_static("host:1");
        for target in ["/a?b=c", "/", "*", "/?", "/%00"] {
            let target = PathAndQuery::from_static(target);
            let head = encode_request(&Method::PUT, &target, &authority, headers.iter());
            let text = format!("PUT {target} HTTP/1.1\r\nhost: host:1\r\nx-a: b\r\n");
            assert_eq!(head, text.as_bytes());
            let request = decode_request(&head.into()).unwrap();
            assert_eq!(request.method(), Method::PUT);
            assert_eq!(*request.uri(), target.as_str());
            assert_eq!(request.headers()["host"], "host:1");
            assert_eq!(request.headers()["x-a"], "b");
            assert_eq!(request.headers().len(), 2);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from([&b"GET / HTTP/1.1\r\n"[..], &bytes].concat());
            let _ = decode_request(&bytes);
            let _ = decode_request(&bytes.slice(16..));
        }
    }

    #[test]
    fn other_heads_are_no_requests() {
        for head in [
            "",
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r",
            "GET / HTTP/1.1\r\nx",
            "GET / HTTP/1.0\r\n",
            "GET /\r\n",
            "GET  / HTTP/1.1\r\n",
            "GET /a b HTTP/1.1\r\n",
            " / HTTP/1.1\r\n",
            "G@T / HTTP/1.1\r\n",
        ] {
            assert!(decode_request(&head.into()).is_none(), "{head:?}");
        }
    }

    #[test]
    fn other_lines_are_no_headers() {
        for lines in [
            "name",
            "name: value",
            "name: value\r",
            "name: value\rx: y\r\n",
            "name: value\n\r\n",
            "name:value\r\n",
            "na me: value\r\n",
            ": value\r\n",
            "\r\n",
        ] {
            assert_eq!(decode_fields(&lines.into()), None, "{lines:?}");
        }
    }
}
