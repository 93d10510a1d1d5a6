//! Hostile requests to the guard, over the host: what reaches the application behind it, and what does not.

use crate::cases::Cases;
use crate::client::basic;
use crate::forgeries::{self, forge};
use crate::guarded::{CHAINED, Guarded, example, exchange, get, issue};
use crate::raw::head;
use crate::server::{PASSWORD, host_only};

#[test]
fn a_host_that_cannot_be_read() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    for host in ["localhost:", "localhost:99999", "a:b@localhost"] {
        let head =
            format!("GET /notes/about HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let seen = exchange(server, head);
        assert_eq!(seen.status, 400, "{host}");
        assert!(seen.body.contains(r#""code":"invalid_request""#), "{host}");
    }
}

#[test]
fn headers_that_are_smuggled() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let token = issue(server, &user.name, "smuggler", "notes");
    let bearer = format!("Authorization: Bearer {token}");
    let mut cases = Cases::default();
    for smuggled in [
        &["X-Latchkey-User: root"][..],
        &["x-latchkey-user: root", "X-LATCHKEY-USER: root"],
        &["X_Latchkey_User: root"],
        &["X-Latchkey_User: root"],
        &["x.latchkey.user: root"],
        &["X-Latchkey-Scope: admin", "X_LATCHKEY_SCOPE: admin"],
        &["X-Latchkey-Token-Id: 1"],
        &["X-Latchkey-Anything: root"],
    ] {
        let sent = [&[bearer.as_str()], smuggled].concat();
        let seen = get(server, "/notes/1", &sent);
        let identity = seen.identity();
        let expected = format!("x-latchkey-user: {}", user.name);
        cases.check(smuggled, identity.first().copied(), Some(expected.as_str()));
        cases.check(smuggled, identity.len(), 3);
        cases.check(smuggled, seen.body.contains("root"), false);
        // Where no token is needed nobody is named.
        let seen = get(server, "/notes/about", smuggled);
        cases.check(smuggled, (seen.status, seen.identity()), (200, Vec::new()));
    }
    // Hop-by-hop by the client's word: refused, or the word is lost on the way.
    for connection in ["close, X-Latchkey-User", "x_latchkey_user, close"] {
        let connection = format!("Connection: {connection}");
        let request = head(server, "GET /notes/1", &[&bearer, &connection]);
        let seen = exchange(server, request);
        let named = seen.identity().len();
        cases.check(
            &connection,
            (seen.status, named == 3),
            match seen.status {
                200 => (200, true),
                _ => (400, false),
            },
        );
    }
    // In trailers, which the application shows behind the headers.
    let lines = [
        bearer.as_str(),
        "Connection: close",
        "TE: trailers",
        "Trailer: X-Latchkey-User",
        "Transfer-Encoding: chunked",
    ];
    let mut request = head(server, "POST /notes/1", &lines);
    request +=
        "3\r\nabc\r\n0\r\nX-Latchkey-User: root\r\nX_Latchkey_Scope: root\r\nX-Other: 1\r\n\r\n";
    let seen = exchange(server, request);
    cases.check("trailers", seen.body.contains("x-other: 1\n"), true);
    cases.check("trailers", seen.identity().len(), 3);
    cases.check("trailers", seen.body.contains("root"), false);
}

#[test]
fn carriers_that_are_ambiguous() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let token = issue(server, &user.name, "carried", "notes");
    let (bearer, key) = (
        format!("Authorization: Bearer {token}"),
        format!("X-Api-Key: {token}"),
    );
    let named = |name: &str| format!("Authorization: {}", basic(name, &token));
    let mut cases = Cases::default();
    for (headers, status) in [
        (vec![bearer.clone()], 200),
        (vec![key.clone()], 200),
        (vec![named(&user.name)], 200),
        (vec![named("token")], 200),
        (vec![named("root")], 401),
        (vec![bearer.clone(), bearer.clone()], 401),
        (
            vec!["Authorization: Bearer x".to_owned(), bearer.clone()],
            401,
        ),
        (vec![bearer.clone(), key.clone()], 401),
        (vec![key.clone(), key.clone()], 401),
        (
            vec![format!("Authorization: {}", basic(&user.name, PASSWORD))],
            401,
        ),
        (vec![format!("Cookie: token={token}")], 401),
        (vec![format!("X_Api_Key: {token}")], 401),
    ] {
        let lines: Vec<_> = headers.iter().map(String::as_str).collect();
        cases.check(&headers, get(server, "/notes/1", &lines).status, status);
    }
    // No token in the query.
    let path = format!("/notes/1?access_token={token}");
    cases.check("query", get(server, &path, &[]).status, 401);
}

#[test]
fn forged_tokens_do_not_reach_the_application() {
    if !host_only("signing keys of its own") {
        return;
    }
    let (private, public) = forgeries::keys();
    let asked = Guarded::with(
        r#"latchkey_scope = """#,
        CHAINED,
        &[("signing_keys", &private)],
    );
    let variables = format!("latchkey_scope = \"\", latchkey_keys = '''{public}'''");
    let offline = Guarded::with(&variables, CHAINED, &[("signing_keys", &private)]);
    let mut cases = Cases::default();
    for (how, guarded) in [("asked", &asked), ("offline", &offline)] {
        let server = &guarded.server;
        let (user, other) = (server.user(), server.user());
        let token = user.issue("Token", 360).token;
        let (forged, by_the_secret) = forge(server, &token, &user.name, &other.name);
        let send = |token: &str| {
            get(
                server,
                "/app/x",
                &[&format!("Authorization: Bearer {token}")],
            )
        };
        cases.check(how, send(&token).status, 200);
        // Who has the secret can have any claims, for who verifies by keys alone.
        let by_the_secret = by_the_secret.iter().filter(|_| how == "asked");
        for token in forged.iter().chain(by_the_secret) {
            let seen = send(token);
            cases.check((how, token), (seen.status, seen.reached()), (401, false));
        }
        cases.check(how, send(&token).status, 200);
    }
}
