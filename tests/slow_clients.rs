//! Clients that take their time, more of them than are served at once: they wait, and nobody else.

use std::sync::Arc;
use std::time::Duration;

use latchkey_host::keyvalue::memory::Memory;
use latchkey_host::server::Limits;

use crate::faults::serve_here;
use crate::raw::{Raw, ask, head};
use crate::server::{Launch, PASSWORD, Server, TOKENS, User, host_only};
use crate::show::UNKNOWN;

const REVOKE: &str = "/api/v1alpha/revoke";
const VERIFY: &str = "/api/v1alpha/verify";

/// A request whose body has only begun, and the rest of it.
struct Slow {
    raw: Raw,
    line: String,
    rest: String,
}

impl Slow {
    fn begin(server: &Server, path: &str, headers: &[&str], body: &str) -> Self {
        let line = format!("POST {path}");
        let length = format!("Content-Length: {}", body.len());
        let asks = headers.contains(&EXPECT);
        let mut raw = Raw::connect(server);
        raw.send(head(server, &line, &[headers, &[&length]].concat()));
        let mut rest = body;
        if !asks {
            raw.send(&body[..1]);
            rest = &body[1..];
        }
        let rest = rest.to_owned();
        Self { raw, line, rest }
    }

    fn end(mut self, status: u16) {
        self.raw.send(&self.rest);
        self.raw.response(&self.line).expect(status);
    }
}

const EXPECT: &str = "Expect: 100-continue";

fn creation(user: &User<'_>, number: usize, more: &[&str]) -> Slow {
    let body = format!(r#"{{"jwt_token_description":"Token {number}","jwt_token_life":360}}"#);
    let authorization = user.authorization();
    let headers = [&[&*authorization, "Content-Type: application/json"], more].concat();
    Slow::begin(user.server, TOKENS, &headers, &body)
}

#[test]
fn slow_bodies_take_nobodys_place() {
    if !host_only("a server of its own") {
        return;
    }
    let server = Server::start(Launch::new());
    let [newcomer, signed_in, asking] = [server.user(), server.user(), server.user()];
    signed_in.list().expect(404);
    let mut slow = Vec::new();
    for number in 0..80 {
        // With credentials that nobody knows yet, with such as are known, and without.
        slow.push((creation(&newcomer, number, &[]), 201));
        slow.push((creation(&signed_in, number, &[]), 201));
        let form = &["Content-Type: application/x-www-form-urlencoded"];
        for _ in 0..2 {
            slow.push((Slow::begin(&server, REVOKE, form, "token=x.y.z"), 200));
        }
        let mut asked = creation(&asking, number, &[EXPECT]);
        let interim = asked.raw.any_response(&asked.line);
        assert_eq!(interim.expect("an answer").status, 100);
        slow.push((asked, 201));
    }

    let other = server.user();
    let issued = other.issue("Token", 360);
    let bearer = format!("Authorization: Bearer {}", issued.token);
    for _ in 0..8 {
        ask(&server, &format!("GET {VERIFY}"), &[&bearer]).expect(200);
        ask(&server, &format!("GET {TOKENS}"), &[&other.authorization()]).expect(200);
    }
    // They were open all the time.
    for (slow, status) in slow {
        slow.end(status);
    }
}

/// What is held back will not be waited for, and the client is told.
#[test]
fn a_held_back_body_that_does_not_count_ends_the_connection() {
    if !host_only("what the host says of its connections") {
        return;
    }
    let server = Server::shared();
    let known = server.user();
    known.list().expect(404);
    // Of these two, the sign-in worker looks at the credentials.
    let newcomers = [server.user(), server.user()];
    let signed_in = known.authorization();
    let newcomers = newcomers.map(|user| user.authorization());
    let json = "Content-Type: application/json";
    let text = "Content-Type: text/plain";
    let unknown = format!("{TOKENS}/{UNKNOWN}");
    let [length, too_long] = ["Content-Length: 9", "Content-Length: 16385"];
    for (method, path, headers, status) in [
        ("GET", TOKENS, vec![&*newcomers[0], length], 404),
        ("GET", TOKENS, vec![&signed_in, length], 404),
        ("DELETE", &unknown, vec![&newcomers[1], length], 404),
        ("POST", "/nowhere", vec![&signed_in, length], 404),
        ("POST", TOKENS, vec![json, length], 401),
        ("POST", TOKENS, vec![&signed_in, text, length], 415),
        ("POST", TOKENS, vec![&signed_in, json, too_long], 413),
    ] {
        // It is a list.
        for expect in [EXPECT, "Expect: 100-continue,"] {
            let line = format!("{method} {path}");
            let mut raw = Raw::connect(server);
            raw.send(head(server, &line, &[&headers[..], &[expect]].concat()));
            let response = raw.response(&line).expect(status);
            assert_eq!(response.header("connection"), "close", "{headers:?}");
            raw.closed();
        }
    }
}

#[test]
fn connections_on_which_nothing_happens_keep_nobody_out() {
    if !host_only("a server with few connections") {
        return;
    }
    let hour = Duration::from_secs(60 * 60);
    let limits = Limits {
        connections: 8,
        header_time: hour,
        body_time: hour,
        ..Limits::default()
    };
    serve_here(Arc::new(Memory::default()), limits, |url| {
        let server = Server::at(url);
        let user = server.named("user-0", PASSWORD);
        let line = format!("GET {TOKENS}");
        let idle: Vec<_> = (0..7)
            .map(|number| {
                let mut raw = Raw::connect(&server);
                match number % 3 {
                    0 => {}
                    1 => raw.send("GET / HTTP/1.1\r\nHost:"),
                    _ => raw = creation(&user, number, &[]).raw,
                }
                raw
            })
            .collect();
        let mut last = Raw::connect(&server);
        // The server has taken it: there is no room.
        last.send(head(&server, &line, &[&user.authorization()]));
        last.response(&line).expect(404);
        for _ in 0..4 {
            ask(&server, &line, &[&user.authorization()]).expect(404);
        }
        // The longest idle had to go, and no more than had to.
        for (number, mut raw) in idle.into_iter().enumerate() {
            match number {
                0 => raw.closed(),
                _ => drop(raw),
            }
        }
        last.send(head(&server, &line, &[&user.authorization()]));
        last.response(&line).expect(404);
    });
}
