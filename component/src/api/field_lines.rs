//! Headers between a host and the component, as field lines of HTTP/1.1 (RFC 9112, section 5): `name: value` and CR LF for each.
//!
//! There is exactly one space, and what follows it is the value as it is, also where that begins or ends with a space. No name
//! holds a colon, and no value CR or LF: so the lines tell all that the headers do.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

/// The lines of these headers.
pub fn encode<'a>(headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> Vec<u8> {
    // As much as most have.
    let mut lines = Vec::with_capacity(512);
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            lines.extend_from_slice(part);
        }
    }
    lines
}

/// The headers of what [`encode`] has made; `None` for other lines. The values are not copied.
pub fn decode(lines: &Bytes) -> Option<HeaderMap> {
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
        let lines = encode(headers.iter());
        assert!(lines.starts_with(b"authorization: Basic YTpi\r\n"));
        assert_eq!(decode(&lines.into()), Some(headers));
        assert_eq!(decode(&Bytes::new()), Some(HeaderMap::new()));
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
            assert_eq!(decode(&lines.into()), None, "{lines:?}");
        }
    }
}
