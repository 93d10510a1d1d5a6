//! The ordinary client.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use ureq::http;

use crate::response::{Response, ids};
use crate::server::{Server, TOKENS, User};

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}

/// The value of an `Authorization` header.
pub fn basic(name: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{name}:{password}"))
    )
}

/// A request in the making.
pub struct Request<'a> {
    server: &'a Server,
    head: http::request::Builder,
    line: String,
    body: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    pub fn new(server: &'a Server, method: &str, path: &str) -> Self {
        Self {
            server,
            head: http::Request::builder()
                .method(method)
                .uri(format!("{}{path}", server.url)),
            line: format!("{method} {path}"),
            body: None,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head = self.head.header(name, value);
        self
    }

    /// A body of type `application/json`.
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    #[track_caller]
    pub fn send(self) -> Response {
        let line = self.line.clone();
        self.try_send()
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The response, or why there is none: from a server that may be gone.
    #[track_caller]
    pub fn try_send(self) -> Result<Response, ureq::Error> {
        let agent = &self.server.agent;
        let response = match self.body {
            Some(body) => agent.run(self.head.body(body).expect("a valid request")),
            None => agent.run(self.head.body(()).expect("a valid request")),
        };
        let (head, mut body) = response?.into_parts();
        let body = String::from_utf8(body.read_to_vec()?).expect("a body of UTF-8");
        let response = Response {
            request: self.line,
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        };
        Ok(response.checked())
    }
}

/// A token as the 201 shows it.
pub struct Issued {
    pub id: String,
    pub token: String,
}

impl User<'_> {
    /// A request with the user's credentials.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        self.server
            .request(method, path)
            .header("authorization", &basic(&self.name, &self.password))
    }

    #[track_caller]
    pub fn list(&self) -> Response {
        self.request("GET", TOKENS).send()
    }

    #[track_caller]
    pub fn create(&self, description: &str, life: impl Into<Value>) -> Response {
        let life: Value = life.into();
        self.post(
            json!({ "jwt_token_description": description, "jwt_token_life": life }).to_string(),
        )
    }

    #[track_caller]
    pub fn post(&self, body: impl Into<Vec<u8>>) -> Response {
        self.request("POST", TOKENS).json(body).send()
    }

    /// Creates a token that must not be refused.
    #[track_caller]
    pub fn issue(&self, description: &str, life: impl Into<Value>) -> Issued {
        let created = self.create(description, life).expect(201);
        Issued {
            id: created.text("jwt_token_id"),
            token: created.text("jwt_token"),
        }
    }

    #[track_caller]
    pub fn show(&self, id: &str) -> Response {
        self.request("GET", &format!("{TOKENS}/{id}")).send()
    }

    #[track_caller]
    pub fn delete(&self, id: &str) -> Response {
        self.request("DELETE", &format!("{TOKENS}/{id}")).send()
    }

    /// The ids that the list shows, in its order.
    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        let list = self.list();
        if list.status == 404 {
            list.refused(404, "no_tokens");
            return Vec::new();
        }
        ids(&list.expect(200))
    }

    /// Whether the credentials are accepted.
    #[track_caller]
    pub fn signs_in(&self) -> bool {
        match self.list().status {
            200 | 404 => true,
            401 => false,
            other => panic!("{other} for {}", self.name),
        }
    }

    pub fn delete_all(&self) {
        for id in self.ids() {
            self.delete(&id).expect(200);
        }
    }
}
