//! Whether a bearer's token is good, as a reverse proxy asks.

use crate::cases::Cases;
use crate::process::PATIENCE;
use crate::raw::{Raw, ask, head};
use crate::response::Response;
use crate::server::{HASH, Launch, Server, host_only};

pub const VERIFY: &str = "/api/v1alpha/verify";

/// What the server says of `token`.
pub fn verify(server: &Server, token: &str) -> Response {
    server
        .request("GET", VERIFY)
        .header("authorization", &format!("Bearer {token}"))
        .send()
}

#[test]
fn a_good_token_by_any_method_at_any_path() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let mut cases = Cases::default();
    for method in [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND",
    ] {
        for path in ["", "/", "/index.html?x=y", "//a/../%2f/", "/token"] {
            for base in [VERIFY, "/v1alpha/verify"] {
                let line = format!("{method} {base}{path}");
                let authorization = format!("Authorization: Bearer {}", issued.token);
                let answer = ask(user.server, &line, &[&authorization]);
                cases.check(&line, answer.status, 200);
                cases.check(&line, answer.header("x-latchkey-user"), user.name.as_str());
                cases.check(&line, answer.header("x-latchkey-token-id"), &issued.id);
                cases.check(&line, answer.header("cache-control"), "no-store");
            }
        }
    }
    drop(cases);
    let answer = verify(user.server, &issued.token).expect(200);
    let json = answer.json();
    let remaining = &json["jwt_token_life_remaining"];
    assert!(
        (0.0..=360.0).contains(&remaining.as_f64().expect("a number")),
        "{answer:?}"
    );
    let expected = format!(
        r#"{{"message":"Token is valid","username":"{}","jwt_token_id":"{}","jwt_token_description":"Token","jwt_token_life_remaining":{remaining}}}"#,
        user.name, issued.id
    );
    assert_eq!(answer.body, expected);
}

/// What clients send to proxies, and proxies append: it need be no URI.
#[test]
fn paths_that_are_no_uri() {
    if !host_only("the HTTP of the host") {
        return;
    }
    let user = Server::shared().user();
    let bearer = format!("Authorization: Bearer {}", user.issue("Token", 360).token);
    // Over one connection, as a proxy would.
    let mut raw = Raw::connect(user.server);
    for (path, body) in [
        (&b"/a<b?q=<x>"[..], ""),
        (b"/`", ""),
        (b"/\"?\"", "GET /<> HTTP/1.1"),
        (b"/\xff\xfe", "<"),
        ("/\u{e9}?\u{e9}".as_bytes(), ""),
    ] {
        let length = format!("Content-Length: {}", body.len());
        let rest = head(user.server, "", &[&bearer, &length]) + body;
        raw.send([format!("POST {VERIFY}").as_bytes(), path, rest.as_bytes()].concat());
        let answer = raw.response(&format!("POST {VERIFY}"));
        assert_eq!(answer.status, 200, "{}: {answer:?}", path.escape_ascii());
    }
    // A body is left as it is.
    let form = "token=x.y.z&x=<`";
    let headers = [
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 16",
    ];
    raw.send(head(user.server, "POST /v1alpha/revoke", &headers) + form);
    raw.response("POST /v1alpha/revoke").expect(200);
    // Other routes say what is wrong, too.
    raw.send(head(user.server, "GET /<", &[]));
    raw.response("GET /<").refused(404, "not_found");
}

#[test]
fn what_is_no_good_token() {
    let user = Server::shared().user();
    let token = user.issue("Token", 360).token;
    let none = r#"Bearer realm="latchkey""#;
    let malformed = r#"Bearer realm="latchkey", error="invalid_request""#;
    let invalid = r#"Bearer realm="latchkey", error="invalid_token", error_description="The token is invalid or has expired""#;
    let good = format!("Authorization: Bearer {token}");
    let mut cases = Cases::default();
    for (headers, status, code, challenge) in [
        (vec![], 401, "unauthorized", none),
        (vec![user.authorization()], 401, "unauthorized", none),
        (
            vec![format!("Cookie: token={token}")],
            401,
            "unauthorized",
            none,
        ),
        (
            vec!["Authorization: Bearer".to_owned()],
            401,
            "invalid_request",
            malformed,
        ),
        (
            vec![format!("{good} {token}")],
            401,
            "invalid_request",
            malformed,
        ),
        (
            vec![good.clone(), good.clone()],
            401,
            "invalid_request",
            malformed,
        ),
        (vec![format!("{good}=")], 401, "invalid_token", invalid),
        (vec![format!("{good}.")], 401, "invalid_token", invalid),
        (
            vec![good.replacen("eyJ", "eyK", 1)],
            401,
            "invalid_token",
            invalid,
        ),
        (
            vec!["Authorization: Bearer ..".to_owned()],
            401,
            "invalid_token",
            invalid,
        ),
        (
            vec![format!("Authorization: Bearer {}", "A".repeat(100 * 1024))],
            401,
            "invalid_token",
            invalid,
        ),
    ] {
        let lines: Vec<_> = headers.iter().map(String::as_str).collect();
        let answer = ask(user.server, &format!("GET {VERIFY}"), &lines);
        let shown: String = headers.concat().chars().take(200).collect();
        cases.check(&shown, answer.outcome(), (status, code.to_owned()));
        cases.check(&shown, answer.header("www-authenticate"), challenge);
    }
}

/// The unit tests of the component have each forgery by name.
#[test]
fn mutations_of_a_good_token() {
    let user = Server::shared().user();
    let token = user.issue("Token", 360).token;
    let mut raw = Raw::connect(user.server);
    let line = format!("GET {VERIFY}");
    let mut cases = Cases::default();
    for place in 0..token.len() {
        let mut mutant = token.clone().into_bytes();
        mutant[place] = if mutant[place] == b'A' { b'B' } else { b'A' };
        let mutant = String::from_utf8(mutant).expect("ASCII");
        for mutant in [&mutant, &token[..place], &token[place + 1..]] {
            if mutant.is_empty() {
                continue;
            }
            let authorization = format!("Authorization: Bearer {mutant}");
            raw.send(head(user.server, &line, &[&authorization]));
            let answer = raw.response(&line);
            cases.check(mutant, answer.outcome(), (401, "invalid_token".to_owned()));
        }
    }
    drop(cases);
    verify(user.server, &token).expect(200);
}

#[test]
fn dead_at_the_next_request_after_it_was_revoked() {
    let user = Server::shared().user();
    for number in 0..20 {
        let issued = user.issue(&format!("Token {number}"), 360);
        verify(user.server, &issued.token).expect(200);
        user.delete(&issued.id).expect(200);
        verify(user.server, &issued.token).refused(401, "invalid_token");
    }
}

#[test]
fn dead_when_it_expires() {
    let user = Server::shared().user();
    let token = user.issue("Token", 2).token;
    verify(user.server, &token).expect(200);
    let begin = std::time::Instant::now();
    while verify(user.server, &token).status == 200 {
        assert!(begin.elapsed() < PATIENCE, "it does not expire");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(begin.elapsed().as_millis() < 3_000, "{:?}", begin.elapsed());
}

#[test]
fn dead_when_its_user_has_left() {
    if !host_only("users of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let launch = |users: &str| Launch::new().store(&store).users(Some(users));
    let (ann, both) = (format!("ann:{HASH}"), format!("ann:{HASH} bob:{HASH}"));
    let server = Server::start(launch(&both));
    let token = server
        .named("bob", crate::server::PASSWORD)
        .issue("Token", 360)
        .token;
    for (users, status) in [(&both, 200), (&ann, 401), (&both, 200)] {
        let server = Server::start(launch(users));
        verify(&server, &token).expect(status);
    }
}

#[test]
fn names_that_no_header_could_hold() {
    if !host_only("users of its own") {
        return;
    }
    let name = "J\u{f6}rg\",;=%@x";
    let server = Server::start(Launch::new().users(Some(&format!("{name}:{HASH}"))));
    let user = server.named(name, crate::server::PASSWORD);
    let answer = verify(&server, &user.issue("Token", 360).token).expect(200);
    assert_eq!(
        answer.header("x-latchkey-user"),
        "J%C3%B6rg%22%2C%3B%3D%25@x"
    );
    assert_eq!(answer.text("username"), name);
}
