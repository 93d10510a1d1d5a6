//! The client that prepares and checks what wrk only repeats.

use http::{Request, Response};
use serde_json::{Value, json};

use crate::servers::Server;
use crate::users::User;

/// The collection of tokens.
pub const TOKENS: &str = "/api/v1alpha/token";

/// A request to be sent.
pub struct Call<'a> {
    pub method: &'static str,
    pub path: String,
    pub user: &'a User,
    /// JSON, or nothing.
    pub body: String,
}

impl<'a> Call<'a> {
    pub fn list(user: &'a User) -> Self {
        Self {
            method: "GET",
            path: TOKENS.to_owned(),
            user,
            body: String::new(),
        }
    }

    pub fn create(user: &'a User, description: &str) -> Self {
        let body = json!({"jwt_token_description": description, "jwt_token_life": "1 day"});
        Self {
            method: "POST",
            path: TOKENS.to_owned(),
            user,
            body: body.to_string(),
        }
    }

    pub fn delete(user: &'a User, id: &str) -> Self {
        Self {
            method: "DELETE",
            path: path(id),
            user,
            body: String::new(),
        }
    }
}

/// Where proxies ask whether a token is good.
pub const VERIFY: &str = "/api/v1alpha/verify";

/// The path of a token.
pub fn path(id: &str) -> String {
    format!("{TOKENS}/{id}")
}

/// Sends one request and reads the answer.
pub fn send(server: &Server, call: &Call) -> Response<String> {
    let request = Request::builder()
        .method(call.method)
        .uri(format!("{}{}", server.url, call.path))
        .header("authorization", call.user.authorization());
    let answer = if call.body.is_empty() {
        server.agent.run(request.body(()).unwrap())
    } else {
        let request = request.header("content-type", "application/json");
        server.agent.run(request.body(call.body.as_str()).unwrap())
    };
    let line = format!("{}: {} {}", server.name, call.method, call.path);
    let (head, mut body) = answer
        .unwrap_or_else(|error| panic!("{line}: {error}"))
        .into_parts();
    Response::from_parts(head, body.read_to_string().unwrap())
}

/// The ids of the tokens of `user`.
pub fn ids(server: &Server, user: &User) -> Vec<String> {
    let answer = send(server, &Call::list(user));
    match answer.status().as_u16() {
        404 => Vec::new(),
        200 => {
            let list: Value = serde_json::from_str(answer.body()).unwrap();
            let tokens = list["jwt_tokens"].as_object().unwrap();
            tokens.keys().cloned().collect()
        }
        status => panic!("{}: {status} {}", server.name, answer.body()),
    }
}

/// Gives `user` this many tokens instead of those that there are. Returns them as they are signed.
pub fn fill(server: &Server, user: &User, tokens: usize) -> Vec<String> {
    for id in ids(server, user) {
        expect(server, &Call::delete(user, &id), 200);
    }
    let create = |number| {
        let answer = expect(server, &Call::create(user, &format!("token {number}")), 201);
        answer["jwt_token"].as_str().unwrap().to_owned()
    };
    (0..tokens).map(create).collect()
}

/// The body of the answer, which must have this status.
fn expect(server: &Server, call: &Call, status: u16) -> Value {
    let answer = send(server, call);
    assert_eq!(
        answer.status(),
        status,
        "{}: {}",
        server.name,
        answer.body()
    );
    serde_json::from_str(answer.body()).unwrap()
}
