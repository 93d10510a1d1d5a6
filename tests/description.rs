//! The description of the API, as it is served; every response of the suite is held against it.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use latchkey_component::api::route::Route;
use serde_json::Value;
use ureq::http;

use crate::cases::Cases;
use crate::response::Response;
use crate::server::Server;

const PATH: &str = "/openapi.json";

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../component/src/api/document/openapi.json");
    serde_json::from_str(text).expect("JSON")
});

/// What the description says of the responses to this method of this route, if it describes it.
fn responses(method: &str, path: &str, query: Option<&str>) -> Option<&'static Value> {
    let route = Route::parse(path, query)?;
    let method = match (method, route.template()) {
        // Which is said in words.
        ("HEAD", _) | (_, "/api/v1alpha/verify") => "GET",
        _ => method,
    };
    let item = DESCRIPTION["paths"][route.template()].as_object()?;
    let operation = item.iter().find(|(name, _)| name.to_uppercase() == method);
    operation.map(|(_, operation)| &operation["responses"])
}

/// The response has a status that is described, and its code. That bodies are as described, the tests of the component and
/// `schemathesis` hold.
#[track_caller]
pub fn check(response: &Response) {
    let mut words = response.request.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Some(responses) = responses(method, path, query) else {
        return;
    };
    let mut described = &responses[response.status.to_string()];
    if let Some(reference) = described["$ref"].as_str() {
        let target = DESCRIPTION.pointer(reference.trim_start_matches('#'));
        described = target.expect("a local reference");
    }
    assert!(!described.is_null(), "not described: {response:?}");
    let codes = &described["content"]["application/json"]["schema"]["properties"]["code"]["enum"];
    let (_, code) = response.outcome();
    assert!(
        code.is_empty()
            || codes
                .as_array()
                .is_some_and(|codes| codes.contains(&code.into())),
        "not described: {response:?}"
    );
}

#[test]
fn it_is_served_as_it_is() {
    let server = Server::shared();
    let answer = server.request("GET", PATH).send().expect(200);
    // Against a server that was given, this asks whether it is of the same version.
    assert_eq!(answer.json(), *DESCRIPTION);
    assert_eq!(answer.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ] {
        assert_eq!(answer.header(name), value);
    }
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[test]
fn it_is_compressed_for_those_that_say_so() {
    let server = Server::shared();
    let plain = server.request("GET", PATH).send().expect(200);
    let mut cases = Cases::default();
    for (accepted, compressed) in [
        ("gzip", true),
        ("br, gzip;q=0.5", true),
        ("*", true),
        ("identity", false),
        ("gzip;q=0", false),
    ] {
        let request = http::Request::get(format!("{}{PATH}", server.url))
            .header("accept-encoding", accepted)
            .body(())
            .expect("a request");
        let (head, mut body) = server.agent.run(request).expect("an answer").into_parts();
        let body = body.read_to_vec().expect("a whole body");
        let encoding = head.headers.get("content-encoding");
        cases.check(accepted, encoding.is_some(), compressed);
        cases.check(accepted, &head.headers["etag"], &plain.headers["etag"]);
        let text = match compressed {
            true => {
                let mut text = String::new();
                let decoded = GzDecoder::new(&body[..]).read_to_string(&mut text);
                decoded.map(|_| text).expect("gzip")
            }
            false => String::from_utf8(body.clone()).expect("UTF-8"),
        };
        cases.check(accepted, text == plain.body, true);
        // It is part of the component, which is to stay small.
        cases.check(accepted, body.len() < 9_000, compressed);
    }
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let server = Server::shared();
    let first = server.request("GET", PATH).send().expect(200);
    let tag = first.header("etag");
    for (seen, status) in [(tag, 304), ("*", 304), ("\"another\"", 200)] {
        let request = server.request("GET", PATH).header("if-none-match", seen);
        let again = request.send().expect(status);
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.header("access-control-allow-origin"), "*");
    }
    let head = server.request("HEAD", PATH).send().expect(200);
    assert_eq!(head.header("etag"), tag);
    assert_eq!(
        head.header("content-length"),
        first.header("content-length")
    );
}

/// Nobody needs credentials to read it, and what it says of requests without any is so.
#[test]
fn without_credentials_its_routes_answer_as_it_says() {
    let server = Server::shared();
    let mut cases = Cases::default();
    let paths = DESCRIPTION["paths"].as_object().expect("paths");
    // The page is no JSON, and has tests of its own.
    for (path, item) in paths.iter().filter(|(path, _)| *path != "/") {
        let methods = item.as_object().expect("methods");
        for (method, operation) in methods.iter().filter(|(_, item)| item.is_object()) {
            let query = match (&**method, &**path) {
                ("delete", path) if path.ends_with("/token") => "?all=true",
                _ => "",
            };
            let target = path.replace("{jwt_token_id}", crate::show::UNKNOWN);
            let target = target.replace("{user}", "ada") + query;
            let request = server.request(&method.to_uppercase(), &target);
            let seen = request.send().status;
            let expected = match operation["security"].as_array().map(Vec::len) {
                Some(1..) => 401,
                // No issuer is configured.
                _ if path.starts_with("/.well-known/o") => 404,
                // A form is asked for.
                _ if method == "post" => 415,
                _ => 200,
            };
            cases.check((method, path), seen, expected);
        }
    }
}
