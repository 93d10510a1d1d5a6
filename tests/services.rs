//! Several components of one manifest, and what each is granted. They are all the probe, `tests/probe`.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;

use ureq::http::HeaderMap;

use crate::process::{Process, Stderr};
use crate::server::{Launch, Server, host_only};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// `one` may send requests to `two`, to itself and to the server at `PORT`; `two` may send none.
const MANIFEST: &str = r#"
spin_manifest_version = 2

[variables]
word = { default = "hello" }

[[trigger.http]]
route = "/one/..."
component = "one"

[[trigger.http]]
route = "/two/..."
component = "two"

[[trigger.http]]
route = "/two/exact"
component = "one"

[[trigger.http]]
route = { private = true }
component = "three"

[component.one]
source = "PROBE"
key_value_stores = ["default"]
allowed_outbound_hosts = ["http://two.spin.internal", "http://one.spin.internal", "http://three.spin.internal", "http://nobody.spin.internal", "http://self", "http://127.0.0.1:PORT"]
variables = { name = "one", word = "{{ word }}" }

[component.one.build]
command = "cargo build --locked --package latchkey-probe --target wasm32-wasip2 --release"
workdir = "ROOT"
watch = ["tests/probe/**/*.rs", "tests/probe/Cargo.toml", "Cargo.toml", "Cargo.lock"]

[component.two]
source = "PROBE"
variables = { name = "two" }

[component.three]
source = "PROBE"
"#;

fn manifest(text: &str) -> (tempfile::TempDir, PathBuf) {
    let probe = format!("{ROOT}/target/wasm32-wasip2/release/latchkey_probe.wasm");
    let port = Server::shared().authority().rsplit(':').next();
    let text = text
        .replace("PROBE", &probe)
        .replace("ROOT", ROOT)
        .replace("PORT", port.expect("a port"));
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("spin.toml");
    fs::write(&file, text).expect("a file");
    (directory, file)
}

fn launch(manifest: &(tempfile::TempDir, PathBuf)) -> Launch {
    let launch = Launch::new().users(None).arg("--manifest");
    launch.arg(&manifest.1.display().to_string())
}

/// The server of this file's tests.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::built(launch(&manifest(MANIFEST))))
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

fn get(path: &str, headers: &[(&str, &str)]) -> Answer {
    let server = server();
    let mut request = server.agent.get(format!("{}{path}", server.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.call().expect(path);
    let (head, mut body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.read_to_string().expect("text"),
    }
}

/// What `one` gets from there.
fn fetch(to: &str) -> (u16, String) {
    let answer = get("/one/fetch", &[("x-to", to)]);
    (answer.status, answer.body)
}

fn is_skipped() -> bool {
    !host_only("a host of its own")
}

#[test]
fn each_route_leads_to_its_component_with_its_variables() {
    if is_skipped() {
        return;
    }
    for (path, variable, status, expected) in [
        ("/one/variable", "name", 200, "one"),
        ("/one/variable", "word", 200, "hello"),
        ("/two/variable", "name", 200, "two"),
        ("/two/variable", "word", 404, ""),
    ] {
        let answer = get(path, &[("x-name", variable)]);
        assert_eq!(answer.status, status, "{path} {}", answer.body);
        assert!(status == 404 || answer.body == expected, "{}", answer.body);
    }
    let exact = fetch("http://self.alt/two/exact");
    assert!(exact.1.starts_with("Method::Get /two/exact"), "{exact:?}");
    for path in ["/", "/three", "/On/x"] {
        let answer = get(path, &[]);
        let json = (answer.status, answer.headers["content-type"].as_bytes());
        assert_eq!(json, (404, &b"application/json"[..]), "{path}");
        assert!(
            answer.body.contains(r#""code":"not_found""#),
            "{}",
            answer.body
        );
    }
}

#[test]
fn each_component_has_its_stores() {
    if is_skipped() {
        return;
    }
    for (path, store, status) in [
        ("/one/store", "default", 200),
        ("/one/store", "other", 403),
        ("/two/store", "default", 403),
    ] {
        let answer = get(path, &[("x-name", store)]);
        assert_eq!(answer.status, status, "{path} {store}: {}", answer.body);
    }
}

#[test]
fn requests_go_to_hosts_that_are_granted() {
    if is_skipped() {
        return;
    }
    let shared = &Server::shared().url;
    let (status, body) = fetch(&format!("{shared}/api/healthz/liveness"));
    assert_eq!(status, 200, "{body}");
    let port = Server::shared()
        .authority()
        .rsplit(':')
        .next()
        .expect("a port");
    for to in [
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://127.0.0.1:{port}@127.0.0.1:1/"),
        "http://127.0.0.1/".to_owned(),
        format!("https://127.0.0.1:{port}/"),
        "http://four.spin.internal/".to_owned(),
    ] {
        let (status, body) = fetch(&to);
        assert_eq!(status, 502, "{to} {body}");
        assert_eq!(body, "ErrorCode::HttpRequestDenied", "{to}");
    }
    let answer = get("/two/fetch", &[("x-to", "http://one.spin.internal/")]);
    assert_eq!(answer.body, "ErrorCode::HttpRequestDenied");
    // Granted, and not there.
    let (_, body) = fetch("http://nobody.spin.internal/");
    assert_eq!(body, "ErrorCode::DestinationNotFound");
}

#[test]
fn requests_are_chained() {
    if is_skipped() {
        return;
    }
    for (to, line) in [
        (
            "http://two.spin.internal/any/path?x=y",
            "Method::Get /any/path?x=y",
        ),
        ("http://three.spin.internal/", "Method::Get /"),
    ] {
        // The address that a client claims, and that of its connection, are no longer there.
        let headers = [("x-to", to), ("spin-client-addr", "192.0.2.1:1")];
        let answer = get("/one/fetch", &headers);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let lines: Vec<_> = answer.body.lines().collect();
        assert_eq!(lines[0], line);
        let addresses = lines
            .iter()
            .filter(|line| line.starts_with("spin-client-addr"));
        assert_eq!(
            addresses.collect::<Vec<_>>(),
            [&"spin-client-addr: 0.0.0.0:0"]
        );
    }
    let answer = get("/one/x", &[("spin-client-addr", "192.0.2.1:1")]);
    let last = answer
        .body
        .lines()
        .rfind(|line| line.starts_with("spin-client-addr"));
    assert!(
        last.expect("an address")
            .starts_with("spin-client-addr: 127.0.0.1:")
    );
}

#[test]
fn a_loop_ends() {
    if is_skipped() {
        return;
    }
    for to in [
        "http://one.spin.internal/fetch",
        "http://self.alt/one/fetch",
    ] {
        let (status, body) = fetch(to);
        assert_eq!((status, &*body), (502, "ErrorCode::LoopDetected"), "{to}");
    }
}

/// Sends a body of `length` and reads what comes back meanwhile; returns its length.
fn echo(path: &str, headers: &str, length: u64) -> u64 {
    let mut stream = TcpStream::connect(server().authority()).expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head");
    let mut sending = stream.try_clone().expect("a connection");
    let sent = thread::spawn(move || {
        let part = [b'x'; 64 << 10];
        let mut left = length;
        while left > 0 {
            let size = left.min(part.len() as u64);
            sending.write_all(&part[..size as usize]).expect("a part");
            left -= size;
        }
        let _ = sending.shutdown(Shutdown::Write);
    });
    let (mut received, mut buffer) = (0, [0; 64 << 10]);
    loop {
        match stream.read(&mut buffer).expect("an answer") {
            0 => break,
            // No header and no chunk size has one.
            read => received += buffer[..read].iter().filter(|byte| **byte == b'x').count() as u64,
        }
    }
    sent.join().expect("all is sent");
    received
}

#[test]
fn bodies_stream_through_in_constant_memory() {
    if is_skipped() {
        return;
    }
    let ways = [
        ("/two/echo", ""),
        ("/one/fetch", "X-To: http://two.spin.internal/echo\r\n"),
    ];
    for (path, headers) in ways {
        echo(path, headers, 1 << 20);
    }
    let before = server().peak_memory();
    for (path, headers) in ways {
        let length = 100 << 20;
        // The names of headers in the answer have one or two, too.
        let received = echo(path, headers, length);
        assert!(
            (length..length + 100).contains(&received),
            "{path} {received}"
        );
    }
    let more = server().peak_memory() - before;
    // Tests beside this one need some, too.
    assert!(more < 50 << 20, "{more} bytes more");
}

#[test]
fn what_cannot_be_served_is_said_at_the_start() {
    if is_skipped() {
        return;
    }
    server();
    let behind = |inherits: &str| {
        format!(
            "route = \"/two/...\"\ndependencies.middleware = [{{ component = \"three\", inherit_configuration = {inherits} }}]"
        )
    };
    for (from, to, reason) in [
        (
            "route = \"/two/...\"",
            behind("[\"variables\", \"key_value_stores\"]"),
            "the middleware `three` imports wasi:http/client@0.3.0: it must have `allowed_outbound_hosts` in its `inherit_configuration`",
        ),
        (
            "route = \"/two/...\"",
            behind("true"),
            "the component `two`: its middleware cannot be put in front of it: `three` is not a middleware",
        ),
        (
            "\"http://self\"",
            "\"redis://a\"".to_owned(),
            "the component `one`: `redis://a` in `allowed_outbound_hosts`",
        ),
        // The template, and not what a variable has put in its place.
        (
            "\"http://self\"",
            "\"redis://:{{ word }}@a\"".to_owned(),
            "the component `one`: `redis://:{{ word }}@a` in `allowed_outbound_hosts`",
        ),
        (
            "\"http://self\"",
            "\"https://{{ word }}\"".to_owned(),
            "the component `one`: `https://{{ word }}` in `allowed_outbound_hosts` cannot be served: its port is not a number",
        ),
        (
            "/two/exact",
            "/one/*".to_owned(),
            "the routes `/one/...` and `/one/*` are for the same paths",
        ),
        (
            "variables = { name = \"two\" }",
            "files = [\"a\"]".to_owned(),
            "unknown field `files`",
        ),
    ] {
        assert!(MANIFEST.contains(from), "{from}");
        let manifest = manifest(&MANIFEST.replacen(from, &to, 1));
        let launch = launch(&manifest).variable("word", "s3cr3t:never-shown");
        let mut process: Process = launch.spawn(Stderr::Kept);
        let finished = process.finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{finished:?}");
        assert!(!finished.stderr.contains("s3cr3t"), "{finished:?}");
        assert_eq!(finished.stdout, "", "{finished:?}");
    }
}
