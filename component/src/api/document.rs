//! Documents that are part of the component: the page for people, the description of the API for programs.
//!
//! The build script compresses them, and makes their entity tags. Most clients accept gzip.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use super::condition;

pub(super) struct Document {
    /// In gzip (RFC 1952), with the shortest header.
    gzip: &'static [u8],
    /// The uncompressed length.
    length: usize,
    /// Weak (RFC 9110, section 8.8.1): the same for both encodings.
    tag: &'static str,
    /// Names in lower case, and values.
    headers: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/documents.rs"));

/// The page for people.
pub(super) const PAGE: Document = Document {
    gzip: include_bytes!(concat!(env!("OUT_DIR"), "/index.html.gz")),
    length: INDEX_HTML_LENGTH,
    tag: INDEX_HTML_TAG,
    headers: &[
        ("content-type", "text/html; charset=utf-8"),
        // The one style and the one script of the page, by their digests; requests to this server, and nothing else.
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        // For browsers without `frame-ancestors`.
        ("x-frame-options", "DENY"),
    ],
};

/// The description of the API (OpenAPI 3.1).
pub(super) const OPENAPI: Document = Document {
    gzip: include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz")),
    length: OPENAPI_JSON_LENGTH,
    tag: OPENAPI_JSON_TAG,
    headers: &[
        ("content-type", "application/json"),
        // It is no secret: tools that show descriptions run on other origins.
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
    ],
};

/// What stands before and after the compressed data (RFC 1952, section 2.3).
const GZIP_HEADER: usize = 10;
const GZIP_TRAILER: usize = 8;

impl Document {
    /// The document, compressed if `request` accepts that; 304 if it has it.
    pub(super) fn response(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut response = match condition::has_seen(request, self.tag) {
            true => condition::not_modified(),
            false => self.whole(accepts_gzip(request)),
        };
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::ETAG, self.tag);
        set(header::VARY, "accept-encoding");
        // Caches must revalidate it: the next version of the server has another.
        set(header::CACHE_CONTROL, "no-cache");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        for (name, value) in self.headers {
            set(HeaderName::from_static(name), value);
        }
        response
    }

    fn whole(&self, compressed: bool) -> Response<Bytes> {
        let body = match compressed {
            true => Bytes::from_static(self.gzip),
            false => self.decompress(),
        };
        let length = HeaderValue::from(body.len());
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length);
        if compressed {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }

    fn decompress(&self) -> Bytes {
        let data = &self.gzip[GZIP_HEADER..self.gzip.len() - GZIP_TRAILER];
        miniz_oxide::inflate::decompress_to_vec_with_limit(data, self.length)
            .expect("the build script has compressed it")
            .into()
    }
}

/// Whether `request` accepts gzip (RFC 9110, section 12.5.3). Without the header it does not: a person
/// with `curl` would see compressed bytes.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let mut any = None;
    let mut gzip = None;
    for coding in request
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|codings| codings.to_str().ok())
        .flat_map(|codings| codings.split(','))
    {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        // Not parsed as a number: that would link the floating-point parser into the component.
        let refused = weight.split_once('=').is_some_and(|(_, weight)| {
            weight
                .trim()
                .bytes()
                .all(|byte| matches!(byte, b'0' | b'.'))
        });
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => gzip = Some(!refused),
            "*" => any = Some(!refused),
            _ => {}
        }
    }
    gzip.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        for (accepted, gzip) in [
            ("gzip", true),
            ("GZip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.5", true),
            ("*", true),
            ("*;q=0.1", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0, gzip", true),
            ("*;q=0", false),
            ("identity", false),
            ("deflate, br", false),
            ("xgzip", false),
            ("", false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(accepts_gzip(&request), gzip, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn both_encodings_are_the_document() {
        for (document, source) in [
            (&PAGE, include_str!("document/index.html")),
            (&OPENAPI, include_str!("document/openapi.json")),
        ] {
            let plain = document.decompress();
            assert_eq!(plain.len(), document.length);
            match document.length == source.len() {
                true => assert_eq!(plain, source),
                // Without its white space.
                false => assert_eq!(
                    serde_json::from_slice::<serde_json::Value>(&plain).unwrap(),
                    serde_json::from_str::<serde_json::Value>(source).unwrap()
                ),
            }
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent() {
        let mut request = HeaderMap::new();
        let tag = PAGE.response(&request).headers()[header::ETAG].clone();
        request.insert(header::IF_NONE_MATCH, tag.clone());
        let response = PAGE.response(&request);
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[header::ETAG], tag);
        assert!(response.body().is_empty());
        assert!(
            response
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
    }
}
