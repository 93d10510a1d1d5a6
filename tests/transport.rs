//! HTTP/1 itself, where clients are old, slow, in a hurry or hostile.

use crate::cases::Cases;
use crate::raw::{Raw, head};
use crate::server::{Server, TOKENS, host_only};
use crate::verify::VERIFY;

#[test]
fn http_1_0() {
    if !host_only("the HTTP of the host") {
        return;
    }
    let user = Server::shared().user();
    user.issue("Token", 360);
    let mut raw = Raw::connect(user.server);
    // Without `Host`, which this version does not know.
    raw.send(format!(
        "GET {TOKENS} HTTP/1.0\r\n{}\r\n\r\n",
        user.authorization()
    ));
    raw.response(&format!("GET {TOKENS}")).expect(200);
    raw.closed();
}

#[test]
fn absolute_targets() {
    let user = Server::shared().user();
    for scheme in ["http", "HTTP"] {
        let line = format!("GET {scheme}://{}{TOKENS}", user.server.authority());
        let mut raw = Raw::connect(user.server);
        raw.send(head(user.server, &line, &[&user.authorization()]));
        raw.response(&line).refused(404, "no_tokens");
    }
}

/// A name that leads to this machine, and the port of the server: so asks a page whose owner has its name lead here.
#[test]
fn a_page_of_another_name_is_not_served_at_a_loopback_address() {
    if !host_only("a loopback address") {
        return;
    }
    let user = Server::shared().user();
    let (_, port) = user.server.authority().rsplit_once(':').expect("a port");
    let line = format!("GET {TOKENS}");
    let mut cases = Cases::default();
    for (host, expected) in [
        (format!("evil.example:{port}"), (421, "misdirected_request")),
        (
            format!("localhost.evil.example:{port}"),
            (421, "misdirected_request"),
        ),
        // As proxies pass on what they are reached by.
        ("id.example".to_owned(), (404, "no_tokens")),
        ("id.example:8443".to_owned(), (404, "no_tokens")),
        (format!("localhost:{port}"), (404, "no_tokens")),
        (format!("127.0.0.1:{port}"), (404, "no_tokens")),
        (format!("[::1]:{port}"), (404, "no_tokens")),
    ] {
        let mut raw = Raw::connect(user.server);
        let authorization = user.authorization();
        raw.send(format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\n{authorization}\r\n\r\n"
        ));
        // The host's own answer is not part of the API's description.
        let seen = raw.any_response(&line).expect("an answer").outcome();
        cases.check(host, (seen.0, seen.1.as_str()), expected);
    }
}

#[test]
fn many_requests_on_one_connection() {
    let user = Server::shared().user();
    let authorization = user.authorization();
    let mut raw = Raw::connect(user.server);
    for (line, headers, status) in [
        (format!("GET {TOKENS}"), &[authorization.as_str()][..], 404),
        (format!("GET {TOKENS}"), &[], 401),
        ("GET /nowhere".to_owned(), &[], 404),
        (format!("PUT {TOKENS}"), &[], 405),
        (format!("OPTIONS {TOKENS}"), &[], 204),
        (format!("HEAD {TOKENS}"), &[&authorization], 404),
        (format!("POST {TOKENS}"), &[&authorization], 415),
        (
            format!("POST {TOKENS}"),
            &[&authorization, "Content-Type: application/json"],
            400,
        ),
        (format!("GET {TOKENS}"), &[&authorization], 404),
    ] {
        raw.send(head(user.server, &line, headers));
        raw.response(&line).expect(status);
    }
}

/// Without `TCP_NODELAY`, as under Spin, a body that does not leave with its head waits for an acknowledgement.
#[test]
fn head_and_body_come_in_one_piece() {
    let user = Server::shared().user();
    let authorization = user.authorization();
    let bearer = format!("Authorization: Bearer {}", user.issue("Token", 360).token);
    let mut raw = Raw::connect(user.server);
    for (line, headers, status) in [
        (format!("GET {TOKENS}"), &[authorization.as_str()][..], 200),
        (format!("GET {TOKENS}"), &[], 401),
        (format!("GET {VERIFY}"), &[&bearer], 200),
        (format!("PUT {TOKENS}"), &[], 405),
    ] {
        // Without the turns in `host_turn`, Spin gives a third of the lists in two.
        for _ in 0..30 {
            raw.send(head(user.server, &line, headers));
            raw.response_in_one_piece(&line).expect(status);
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let user = Server::shared().user();
    let authorization = user.authorization();
    let body = r#"{"jwt_token_description":"Token","jwt_token_life":360}"#;
    let get = format!("GET {TOKENS}");
    let post = format!("POST {TOKENS}");
    let length = format!("Content-Length: {}", body.len());
    let mut all = head(user.server, &get, &[&authorization]);
    all += &head(
        user.server,
        &post,
        &[&authorization, "Content-Type: application/json", &length],
    );
    all += body;
    all += &head(user.server, &get, &[&authorization]);
    all += &head(user.server, &get, &[]);
    let mut raw = Raw::connect(user.server);
    raw.send(all);
    for (line, status) in [(&get, 404), (&post, 201), (&get, 200), (&get, 401)] {
        raw.response(line).expect(status);
    }
}

#[test]
fn a_body_that_is_not_read_is_not_the_next_request() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let hidden = head(
        user.server,
        &format!("DELETE {TOKENS}/{}", issued.id),
        &[&user.authorization()],
    );
    let length = format!("Content-Length: {}", hidden.len());
    for (line, headers, status) in [
        (format!("POST {TOKENS}"), vec![length.as_str()], 401),
        (format!("PUT {TOKENS}"), vec![length.as_str()], 405),
        ("POST /nowhere".to_owned(), vec![length.as_str()], 404),
        (format!("GET {TOKENS}"), vec![length.as_str()], 401),
    ] {
        let mut raw = Raw::connect(user.server);
        raw.send(head(user.server, &line, &headers) + &hidden);
        raw.response(&line).expect(status);
        // The connection is closed, or the body was skipped: what follows is then the answer to this.
        raw.end();
        raw.closed();
    }
    assert_eq!(user.ids(), [issued.id]);
}

#[test]
fn a_slow_client_keeps_nobody_waiting() {
    let user = Server::shared().user();
    let whole = head(
        user.server,
        &format!("GET {TOKENS}"),
        &[&user.authorization()],
    );
    let (start, end) = whole.split_at(whole.len() - 10);
    let mut slow: Vec<_> = (0..20).map(|_| Raw::connect(user.server)).collect();
    for raw in &mut slow {
        raw.send(start);
    }
    user.list().refused(404, "no_tokens");
    for raw in &mut slow {
        raw.send(end);
        raw.response(&format!("GET {TOKENS}"))
            .refused(404, "no_tokens");
    }
}

#[test]
fn a_slow_body_keeps_nobody_waiting() {
    let user = Server::shared().user();
    let length = |body: &str| format!("Content-Length: {}", body.len());
    let mut slow: Vec<_> = (0..20)
        .map(|number| {
            let body =
                format!(r#"{{"jwt_token_description":"Token {number}","jwt_token_life":360}}"#);
            let headers = [
                &user.authorization(),
                "Content-Type: application/json",
                &length(&body),
            ];
            let mut raw = Raw::connect(user.server);
            raw.send(head(user.server, &format!("POST {TOKENS}"), &headers));
            let (start, end) = body.split_at(20);
            raw.send(start);
            (raw, end.to_owned())
        })
        .collect();
    user.list().refused(404, "no_tokens");
    for (raw, end) in &mut slow {
        raw.send(end);
        raw.response(&format!("POST {TOKENS}")).expect(201);
    }
    assert_eq!(user.ids().len(), slow.len());
}

#[test]
fn a_body_cut_short_is_no_request() {
    let user = Server::shared().user();
    // Complete JSON, but not a complete body.
    let body = r#"{"jwt_token_description":"Token","jwt_token_life":360}"#;
    let length = format!("Content-Length: {}", body.len() + 10);
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    for (framing, sent) in [
        (length.as_str(), body),
        ("Transfer-Encoding: chunked", &chunk),
    ] {
        let headers = [
            &user.authorization(),
            "Content-Type: application/json",
            framing,
        ];
        let mut raw = Raw::connect(user.server);
        raw.send(head(user.server, &format!("POST {TOKENS}"), &headers) + sent);
        raw.end();
        if let Some(response) = raw.any_response(&format!("POST {TOKENS}")) {
            assert_eq!(response.status, 400, "{framing}: {response:?}");
        }
        raw.closed();
    }
    user.list().refused(404, "no_tokens");
}

#[test]
fn clients_that_hang_up_disturb_nobody() {
    let user = Server::shared().user();
    let authorization = user.authorization();
    let get = head(user.server, &format!("GET {TOKENS}"), &[&authorization]);
    let headers = [
        &authorization,
        "Content-Type: application/json",
        "Content-Length: 1000",
    ];
    let post = head(user.server, &format!("POST {TOKENS}"), &headers);
    for _ in 0..20 {
        // In the middle of a header, before the answer, before and in the middle of a body.
        for sent in [&get[..20], &get, &post, &format!("{post}{{")] {
            Raw::connect(user.server).send(sent);
        }
    }
    user.list().refused(404, "no_tokens");
    user.issue("Token", 360);
}

#[test]
fn nonsense_is_refused_and_never_a_server_error() {
    if !host_only("the HTTP of the host") {
        return;
    }
    let user = Server::shared().user();
    let authorization = user.authorization();
    let host = format!("Host: {}", user.server.authority());
    let long = "x".repeat(1 << 20);
    let many = "X-Many: x\r\n".repeat(10_000);
    let request =
        |line: &str, headers: &str| format!("{line}\r\n{host}\r\n{authorization}\r\n{headers}\r\n");
    let get = format!("GET {TOKENS} HTTP/1.1");
    let post = format!("POST {TOKENS} HTTP/1.1\r\nContent-Type: application/json");
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("no HTTP", b"hello\r\n\r\n".to_vec()),
        (
            "a TLS greeting",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("HTTP/0.9", format!("GET {TOKENS}\r\n\r\n").into()),
        (
            "HTTP/9.9",
            request(&format!("GET {TOKENS} HTTP/9.9"), "").into(),
        ),
        (
            "no method",
            request(&format!(" {TOKENS} HTTP/1.1"), "").into(),
        ),
        ("no target", request("GET  HTTP/1.1", "").into()),
        (
            "a target with a space",
            request(&format!("GET {TOKENS} x HTTP/1.1"), "").into(),
        ),
        (
            "a relative target",
            request("GET token HTTP/1.1", "").into(),
        ),
        (
            "a target with NUL",
            request(&format!("GET {TOKENS}/\0 HTTP/1.1"), "").into(),
        ),
        (
            "a target of Latin-1",
            [b"GET /\xE9 HTTP/1.1\r\n", host.as_bytes(), b"\r\n\r\n"].concat(),
        ),
        (
            "a target with a fragment",
            request(&format!("GET {TOKENS}#x HTTP/1.1"), "").into(),
        ),
        ("an asterisk", request("OPTIONS * HTTP/1.1", "").into()),
        (
            "CONNECT",
            request("CONNECT example.org:443 HTTP/1.1", "").into(),
        ),
        (
            "a method of signs",
            request(&format!("G@T {TOKENS} HTTP/1.1"), "").into(),
        ),
        (
            "a long method",
            request(&format!("{long} {TOKENS} HTTP/1.1"), "").into(),
        ),
        (
            "a long path",
            request(&format!("GET {TOKENS}/{long} HTTP/1.1"), "").into(),
        ),
        (
            "a long query",
            request(&format!("GET {TOKENS}?{long} HTTP/1.1"), "").into(),
        ),
        (
            "a long header",
            request(&get, &format!("X-Long: {long}\r\n")).into(),
        ),
        ("many headers", request(&get, &many).into()),
        (
            "a header without a colon",
            request(&get, "nonsense\r\n").into(),
        ),
        ("a header without a name", request(&get, ": x\r\n").into()),
        (
            "a space before the colon",
            request(&get, "X-Space : x\r\n").into(),
        ),
        ("NUL in a header", request(&get, "X-Nul: \0\r\n").into()),
        (
            "no host",
            format!("{get}\r\n{authorization}\r\n\r\n").into(),
        ),
        ("two hosts", request(&get, "Host: example.org\r\n").into()),
        (
            "a host that is none",
            format!("{get}\r\nHost: a b/c?d#e@f:\r\n{authorization}\r\n\r\n").into(),
        ),
        (
            "an empty host",
            format!("{get}\r\nHost:\r\n{authorization}\r\n\r\n").into(),
        ),
        (
            "a negative length",
            request(&post, "Content-Length: -1\r\n").into(),
        ),
        (
            "a length in words",
            request(&post, "Content-Length: many\r\n").into(),
        ),
        (
            "a length past all integers",
            request(&post, "Content-Length: 99999999999999999999\r\n").into(),
        ),
        (
            "two lengths",
            request(&post, "Content-Length: 2\r\nContent-Length: 3\r\n").into(),
        ),
        (
            "an unknown coding",
            request(&post, "Transfer-Encoding: x\r\n").into(),
        ),
        (
            "a chunk without a size",
            (request(&post, "Transfer-Encoding: chunked\r\n") + "x\r\n{}\r\n0\r\n\r\n").into(),
        ),
        (
            "a chunk past all integers",
            (request(&post, "Transfer-Encoding: chunked\r\n")
                + "fffffffffffffffff\r\n{}\r\n0\r\n\r\n")
                .into(),
        ),
        (
            "an unknown expectation",
            request(&get, "Expect: miracles\r\n").into(),
        ),
        (
            "an upgrade",
            request(&get, "Connection: Upgrade\r\nUpgrade: websocket\r\n").into(),
        ),
        (
            "an HTTP/2 upgrade",
            request(&get, "Connection: Upgrade\r\nUpgrade: h2c\r\n").into(),
        ),
    ];

    let mut cases = Cases::default();
    for (case, bytes) in table {
        let mut raw = Raw::connect(user.server);
        let mut writer = raw.writer();
        let writing = std::thread::spawn(move || {
            use std::io::Write;
            // The server may hang up in the middle.
            let _ = writer.write_all(&bytes);
            let _ = writer.shutdown(std::net::Shutdown::Write);
        });
        // An answer, or a closed connection.
        let status = raw.any_response(case).map_or(0, |response| response.status);
        drop(raw);
        writing.join().expect("the writer ends");
        cases.check(case, status < 500, true);
    }
    drop(cases);
    user.list().refused(404, "no_tokens");
}
