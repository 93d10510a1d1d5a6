//! Whole requests, one after the other, to the service.
//!
//! An input is text: requests are separated by lines of `%%`. Each is a method and a target, header lines, an empty line
//! and a body. `$ADA` stands for the credentials of a user, `$TOKEN` and `$ID` for the token that was issued last.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use latchkey_component::api::route::{Action, OpenAction, Route};
use latchkey_component::api::{self, Handled};
use latchkey_component::auth::Credentials;
use latchkey_component::config::Config;
use latchkey_component::service::Service;
use latchkey_component::store::Documents;
use serde_json::Value;

use super::ports::{Counter, Memory, Sleeper};

/// The credentials of `ada`, whose password is `hunter2`.
const ADA: &str = "Basic YWRhOmh1bnRlcjI=";

/// Of `ada`, at the lowest cost.
const USERS: &str = "ada:$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

/// Longer inputs find nothing that shorter ones do not.
const MAX_REQUESTS: usize = 8;

/// What the client has learnt.
#[derive(Default)]
struct Learnt {
    token: String,
    id: String,
}

/// Answers all requests of an input.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let variable = |name| match name {
        "users" => Some(USERS.to_owned()),
        "max_tokens_per_user" => Some("3".to_owned()),
        _ => None,
    };
    let config = Config::from_variables(variable).expect("a configuration");
    let ports = (Memory::default(), Sleeper::default(), Counter::default());
    let service = Service::new(config, Documents::new(ports));
    let mut learnt = Learnt::default();
    for text in text.split("\n%%\n").take(MAX_REQUESTS) {
        let text = text
            .replace("$ADA", ADA)
            .replace("$TOKEN", &learnt.token)
            .replace("$ID", &learnt.id);
        let Some(request) = parse(&text) else {
            continue;
        };
        let (asked, _) = request.clone().into_parts();
        let handled = wait(api::handle(Ok(&service), request));
        hold(&asked, &handled, &learnt);
        learn(&handled.response, &mut learnt);
    }
}

/// The request, if an HTTP library would hand it on.
fn parse(text: &str) -> Option<Request<Bytes>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        request = request.header(name, value);
    }
    let request = request.body(Bytes::from(body.to_owned())).ok()?;
    request.uri().path().starts_with('/').then_some(request)
}

/// Polls until it is ready: nothing here waits for anything else.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the request is never answered");
}

fn hold(asked: &http::request::Parts, handled: &Handled, learnt: &Learnt) {
    let response = &handled.response;
    let status = response.status();
    let line = format!("{} {}: {status}", asked.method, asked.uri);
    assert!(!status.is_server_error(), "{line}");
    let headers = response.headers();
    assert_eq!(text(headers, "x-content-type-options"), "nosniff", "{line}");

    let route = Route::parse(asked.uri.path(), asked.uri.query());
    let action = route.and_then(|route| route.action(&asked.method));
    let is_success = status.is_success();
    if asked.method == Method::OPTIONS && action.is_none() && route.is_some() {
        assert!(!text(headers, "allow").is_empty(), "{line}");
    } else if !matches!(
        action,
        Some(Action::Open(
            OpenAction::ShowPage | OpenAction::Describe | OpenAction::ShowKeys
        ))
    ) {
        json(&line, response, action);
    }
    // Only who knows the password manages tokens.
    if matches!(action, Some(Action::Managed(_))) && is_success {
        let mut given = asked.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (given.next(), given.next()) else {
            panic!("{line} without credentials");
        };
        let read = Credentials::parse(value.as_bytes()).expect("credentials");
        // As they are, or encoded as in a form, as OAuth clients do.
        let given = [read.name.as_str(), read.password.expose()];
        let decoded = given.map(|text| {
            let mut pairs = form_urlencoded::parse(text.as_bytes());
            pairs.next().map(|(text, _)| text.into_owned())
        });
        let is_ada = given == ["ada", "hunter2"]
            || decoded == ["ada", "hunter2"].map(|text| Some(text.to_owned()));
        assert!(is_ada, "{line}");
    }
    if status == 401 {
        assert!(headers.contains_key(header::WWW_AUTHENTICATE), "{line}");
    }
    let lines = [&handled.audit_line, &handled.log_line];
    for said in lines.into_iter().flatten() {
        assert!(!said.contains(char::is_control), "{said:?}");
        let shown = !learnt.token.is_empty() && said.contains(&learnt.token);
        assert!(!shown && !said.contains("hunter2"), "{said}");
    }
}

/// Every body of the API is JSON with a message; every error has a code.
fn json(line: &str, response: &Response<Bytes>, action: Option<Action>) {
    let headers = response.headers();
    let body = response.body();
    assert_eq!(text(headers, "content-type"), "application/json", "{line}");
    assert_eq!(
        text(headers, "content-length"),
        body.len().to_string(),
        "{line}"
    );
    assert_eq!(text(headers, "cache-control"), "no-store", "{line}");
    let value: Value = serde_json::from_slice(body).expect("JSON");
    let is_introspection = value.get("active").is_some_and(Value::is_boolean);
    assert!(
        value["message"].is_string() || is_introspection && action.is_some(),
        "{line}: {value}"
    );
    if !response.status().is_success() {
        let code = value["code"].as_str().expect("a code");
        assert!(
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{code}"
        );
    }
}

fn learn(response: &Response<Bytes>, learnt: &mut Learnt) {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if let (Some(token), Some(id)) = (body["jwt_token"].as_str(), body["jwt_token_id"].as_str()) {
        assert_eq!(response.status(), 201);
        token.clone_into(&mut learnt.token);
        id.clone_into(&mut learnt.id);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().expect("ASCII"))
}
