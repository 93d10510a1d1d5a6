//! Requests and responses, natively. What the endpoint does over real HTTP is in `tests/` at the top of the repository.

mod audit;
mod bearer;
mod description;
mod discovery;
mod health;
mod keys;
mod limits;
mod management;
mod oauth;
mod sign_in;

use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ADA, Fixture, fixture};

/// What came back, with its body as JSON. It is as the description of the API says.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
    /// The line for the auditor.
    audit: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Fixture {
    async fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        send(Ok(&self.service), line, headers, body).await
    }

    /// Sends a form that holds `token`.
    async fn send_token(&self, line: &str, headers: &[(&str, &str)], token: &str) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        self.send(line, &headers, &format!("token={token}")).await
    }
}

async fn send<S: Store>(
    service: Result<&Service<S>, &ConfigError>,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let path = line.split_once(' ').unwrap().1;
    let handled = handle(service, request(line, headers, body)).await;
    let (parts, body) = handled.response.into_parts();
    let audit = handled.audit_line.as_deref();
    let answer = Answer {
        status: parts.status.as_u16(),
        audit: serde_json::from_str(audit.unwrap_or("null")).unwrap(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    description::check(line, &answer);
    if answer.header("content-type") == "application/json" && answer.status != 304 {
        let origins = match path {
            "/openapi.json" => "cross-origin",
            _ => "same-origin",
        };
        let policy = answer.header("cross-origin-resource-policy");
        assert_eq!(policy, origins, "{line}");
    }
    answer
}

fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Request<Bytes> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Bytes::from(body.to_owned())).unwrap()
}
