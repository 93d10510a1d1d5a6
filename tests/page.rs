//! The page for people, as it comes over HTTP. What it does in a browser is in `browser`.

use std::io::Read as _;

use flate2::read::GzDecoder;
use ureq::http::{self, HeaderMap};

use crate::server::{Server, TOKENS};
use crate::webdriver::Browser;

const SOURCE: &str = include_str!("../component/src/api/document/index.html");

/// Asks for the page: status, headers and body, decompressed where it was compressed.
fn page(method: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
    let server = Server::shared();
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("{}/", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).expect("a valid request");
    let (head, mut body) = server.agent.run(request).expect("an answer").into_parts();
    let bytes = body.read_to_vec().expect("a body");
    let length = bytes.len();
    let text = match head.headers.get("content-encoding") {
        Some(coding) if length > 0 => {
            assert_eq!(coding, "gzip");
            let mut text = String::new();
            GzDecoder::new(&bytes[..])
                .read_to_string(&mut text)
                .expect("gzip, of UTF-8");
            text
        }
        _ => String::from_utf8(bytes).expect("UTF-8"),
    };
    if head.status == 200 && method != "HEAD" {
        assert_eq!(head.headers["content-length"], length.to_string());
    }
    (head.status.as_u16(), head.headers, text)
}

#[test]
fn anybody_gets_it_compressed_or_not() {
    for (accepted, compressed) in [("identity", false), ("gzip", true), ("gzip;q=0, *", false)] {
        let (status, headers, text) = page("GET", &[("accept-encoding", accepted)]);
        assert_eq!(status, 200, "{accepted}");
        assert_eq!(text, SOURCE, "{accepted}");
        assert_eq!(headers.contains_key("content-encoding"), compressed);
        assert_eq!(headers["vary"], "accept-encoding", "{accepted}");
    }
}

#[test]
fn it_may_do_little() {
    let (_, headers, _) = page("GET", &[]);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let policy = headers["content-security-policy"].to_str().expect("text");
    let mut directives: Vec<_> = policy.split("; ").collect();
    // That the digests are right, the browser knows: nothing would work otherwise.
    for (directive, digested) in [(1, "script-src"), (2, "style-src")] {
        let (name, digest) = directives[directive]
            .split_once(" 'sha256-")
            .expect("one digest, and nothing else");
        assert_eq!(name, digested);
        assert_eq!(
            digest.len(),
            45,
            "32 bytes in base64, and a quote: {digest}"
        );
        directives[directive] = digested;
    }
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            "script-src",
            "style-src",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'"
        ]
    );
}

#[test]
fn who_has_it_is_told_so() {
    let (_, headers, _) = page("GET", &[]);
    let tag = headers["etag"].to_str().expect("text");
    for (seen, status) in [(tag, 304), ("\"x\"", 200), ("*", 304)] {
        for method in ["GET", "HEAD"] {
            let (answered, headers, text) = page(method, &[("if-none-match", seen)]);
            assert_eq!(answered, status, "{method} {seen}");
            assert_eq!(headers["etag"], tag);
            assert_eq!(text.is_empty(), status == 304 || method == "HEAD");
        }
    }
}

#[test]
fn head_has_the_headers_and_no_body() {
    for accepted in ["identity", "gzip"] {
        let accepted = [("accept-encoding", accepted)];
        let [get, head] = ["GET", "HEAD"].map(|method| page(method, &accepted));
        assert_eq!((head.0, &head.2[..]), (200, ""));
        let named = |mut headers: HeaderMap| {
            headers.remove("date");
            headers.remove("x-request-id");
            headers
        };
        assert_eq!(named(head.1), named(get.1));
    }
}

#[test]
fn it_asks_nobody_else() {
    // Namespaces are names.
    let text = SOURCE.replace("http://www.w3.org/2000/svg", "");
    for outside in [
        "http:",
        "https:",
        "//cdn",
        "@import",
        "url(",
        " src=",
        "localStorage",
    ] {
        assert!(!text.contains(outside), "{outside}");
    }
}

/// In a browser, whose complaints the tests in `browser` would see.
#[test]
fn the_policy_lets_nothing_else_in() {
    let server = Server::shared();
    let Some(browser) = Browser::start() else {
        return;
    };
    browser.open(&format!("{}/", server.url));
    for (attempt, complaint) in [
        (
            "document.body.append(Object.assign(new Image(), { src: 'x' }))",
            "img-src",
        ),
        (
            "document.body.insertAdjacentHTML('beforeend', '<p style=color:red>')",
            "style-src",
        ),
        ("document.body.setAttribute('onclick', '1')", "script-src"),
        (
            "document.body.append(Object.assign(document.createElement('script'), { text: '1' }))",
            "script-src",
        ),
        ("fetch('http://127.0.0.1:9/').catch(() => 0)", "connect-src"),
        ("console.error('wrong')", "wrong"),
    ] {
        browser.run(attempt);
        browser.wait(complaint, || {
            let complaints = browser.complaints(TOKENS);
            let seen = complaints
                .iter()
                .any(|entry| entry.to_string().contains(complaint));
            seen.then_some(())
        });
    }
}
