//! What an operator sees: the log, the lines for an auditor, the metrics.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::basic;
use crate::process::{PATIENCE, Stderr};
use crate::raw::{Raw, head};
use crate::response::Response;
use crate::server::{Launch, PASSWORD, Server, TOKENS, host_only};

/// A host that logs all that it logs by itself, as JSON.
fn server(launch: Launch) -> Server {
    let launch = launch.arg("--log-format").arg("json");
    Server::start(launch.env("RUST_LOG", ""))
}

/// The next line of the log.
fn line(server: &Server) -> Value {
    let line = server.stderr_line();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The next two lines: an audit line and that of its request, in either order, as two threads write them.
fn audited(server: &Server) -> (Value, Value) {
    let (one, other) = (line(server), line(server));
    match one["audit"].is_string() {
        true => (one, other),
        false => (other, one),
    }
}

/// The members of a line, in this order.
fn members<const N: usize>(line: &Value, names: [&str; N]) -> Value {
    names.map(|name| line[name].clone()).to_vec().into()
}

/// What it has logged besides, to its end.
fn rest(server: &Server) -> String {
    server.signal("TERM");
    server.finish().stderr
}

#[test]
fn a_line_for_each_request() {
    if !host_only("the log of a server") {
        return;
    }
    let server = server(Launch::new());
    let user = server.user();
    let known = basic(&user.name, PASSWORD);
    let wrong = basic(&user.name, "wrong-secret");
    let id = "/api/v1alpha/token/2bc0160d-edf4-4ab6-9801-52d185f65b59";
    let name = Some(user.name.as_str());
    for (method, path, authorization, route, status, logged) in [
        ("GET", TOKENS, &known, TOKENS, 404, name),
        ("GET", "/v1alpha/token/", &known, TOKENS, 404, name),
        (
            "GET",
            id,
            &known,
            "/api/v1alpha/token/{jwt_token_id}",
            404,
            name,
        ),
        ("PUT", TOKENS, &known, TOKENS, 405, None),
        ("GET", "/a?token=secret", &known, "unmatched", 404, None),
        ("GET", TOKENS, &wrong, TOKENS, 401, None),
    ] {
        let request = server.request(method, path);
        let request = request.header("authorization", authorization);
        let response = request.header("x-request-id", "from-a-proxy").send();
        assert_eq!(response.status, status);
        assert_eq!(response.header("x-request-id"), "from-a-proxy");
        let line = match status {
            401 => {
                let (audit, request) = audited(&server);
                assert_eq!(audit["audit"], "sign_in_failed");
                request
            }
            _ => line(&server),
        };
        assert_eq!(
            members(
                &line,
                ["target", "method", "route", "status", "user", "request_id"]
            ),
            json!([
                "latchkey::request",
                method,
                route,
                status,
                logged,
                "from-a-proxy"
            ]),
            "{line}"
        );
        assert!(line["duration_ms"].as_f64().is_some_and(|ms| ms >= 0.0));
        let client: Result<std::net::SocketAddr, _> = line["client"].as_str().unwrap().parse();
        assert!(client.is_ok_and(|client| client.ip().is_loopback()));
    }
    // Made up where there is none, or none that can be used.
    let long = "x".repeat(129);
    let ids = ["", "a b", &long].map(|given| {
        let response = server
            .request("GET", TOKENS)
            .header("x-request-id", given)
            .send();
        let id = response.header("x-request-id").to_owned();
        assert_eq!(line(&server)["request_id"], id.as_str());
        assert!(id.len() == 16 && id != given, "{id}");
        id
    });
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);

    let rest = rest(&server);
    assert!(!rest.contains("secret"), "{rest}");
}

#[test]
fn a_line_for_an_auditor_of_each_change_and_each_failure() {
    if !host_only("the log of a server") {
        return;
    }
    let server = server(Launch::new());
    let user = server.user();
    // What is audited has the id of the request.
    let audited = |response: Response| {
        let (audit, request) = audited(&server);
        assert!(audit["time"].is_string(), "{audit}");
        assert_eq!(audit["request_id"], response.header("x-request-id"));
        assert_eq!(request["request_id"], audit["request_id"]);
        assert_eq!(request["client"], audit["client"]);
        assert_eq!(request["target"], "latchkey::request");
        (audit, response)
    };
    let name = &user.name;
    let (audit, created) = audited(user.create("CI \u{2603}", "6 hours").expect(201));
    assert_eq!(
        members(
            &audit,
            ["audit", "user", "jwt_token_description", "jwt_token_life"]
        ),
        json!(["token_issued", name, "CI \u{2603}", 21600])
    );
    let (id, token) = (created.text("jwt_token_id"), created.text("jwt_token"));
    assert_eq!(audit["jwt_token_id"], id.as_str());

    let rotate = user.request("POST", &format!("{TOKENS}/{id}/rotate"));
    let (audit, rotated) = audited(rotate.send().expect(201));
    assert_eq!(
        members(&audit, ["audit", "replaces", "jwt_token_id"]),
        json!(["token_rotated", id, rotated.text("jwt_token_id")])
    );
    let (audit, _) = audited(user.delete(&rotated.text("jwt_token_id")).expect(200));
    assert_eq!(audit["audit"], "token_revoked");

    // What a description would do to the terminal of a reader is escaped.
    let created = user
        .create("code\u{202e}exe\u{200b}\u{2066}", 360)
        .expect(201);
    assert!(created.body.contains('\u{202e}'));
    // One is the line of the request; which comes first is open.
    let raw = server.stderr_line() + &server.stderr_line();
    assert!(
        raw.contains(r"code\u202eexe\u200b\u2066") && !raw.contains('\u{202e}'),
        "{raw}"
    );

    let failed = server.named(&user.name, "wrong-secret").list();
    let (audit, _) = audited(failed.expect(401));
    assert_eq!(
        members(&audit, ["audit", "user"]),
        json!(["sign_in_failed", name])
    );
    // Somebody's password, where the name belongs.
    let failed = server.named("wrong-secret", "x").list();
    let (audit, _) = audited(failed.expect(401));
    assert_eq!(
        members(&audit, ["audit", "user"]),
        json!(["sign_in_failed", null])
    );
    let name = server.user().name;
    for _ in 0..5 {
        audited(server.named(&name, "wrong-secret").list());
    }
    let (audit, _) = audited(server.named(&name, "wrong-secret").list().expect(429));
    assert_eq!(
        members(&audit, ["audit", "user"]),
        json!(["sign_in_throttled", name])
    );

    let rest = rest(&server);
    assert!(!rest.contains("wrong-secret") && !rest.contains(&token));
}

/// Who has used up the idempotency keys has signed in all the same.
#[test]
fn too_many_idempotency_keys_are_no_failure_to_sign_in() {
    if !host_only("the log of a server") {
        return;
    }
    let launch = Launch::new().env("RUST_LOG", "warn,latchkey::request=info");
    let server = Server::start(launch.arg("--log-format").arg("json"));
    let user = server.user();
    let create = |number: usize| {
        let body = json!({ "jwt_token_description": number.to_string(), "jwt_token_life": 360 });
        let request = user.request("POST", TOKENS).json(body.to_string());
        request
            .header("idempotency-key", &format!("key-{number}"))
            .send()
    };
    for number in 0..1_000 {
        create(number).expect(201);
        if number % 100 == 99 {
            let all = user.request("DELETE", &format!("{TOKENS}?all=true"));
            all.send().expect(200);
        }
    }
    let refused = create(1_000).refused(429, "too_many_idempotency_keys");
    let id = refused.header("x-request-id");
    let mut lines = std::iter::repeat_with(|| line(&server));
    let logged = lines
        .find(|line| line["request_id"] == id)
        .expect("its line");
    assert_eq!(
        members(&logged, ["status", "user"]),
        json!([429, user.name])
    );
}

#[test]
fn what_is_not_asked_for_is_not_logged() {
    if !host_only("the log of a server") {
        return;
    }
    for (filter, lines) in [("warn,latchkey::audit=info", 1), ("warn", 0)] {
        let server = Server::start(Launch::new().env("RUST_LOG", filter));
        server.user().issue("Token", 360);
        let log = rest(&server);
        assert_eq!(log.lines().count(), lines, "{log}");
        assert!(
            lines == 0 || log.starts_with(r#"{"audit":"token_issued","time":"#),
            "{log}"
        );
    }
    let server = Server::start(Launch::new().env("RUST_LOG", "latchkey=loud"));
    let warned = server.stderr_line();
    assert!(
        warned.starts_with("warning: RUST_LOG cannot be used: "),
        "{warned}"
    );
}

#[test]
fn a_store_that_others_can_read_is_warned_of() {
    if !host_only("stores of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mode = |path: &Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).expect("an own file");
    };
    let file = directory.path().join("store.db");
    std::fs::write(&file, "").expect("a file");
    mode(directory.path(), 0o755);
    mode(&file, 0o644);
    let server = Server::start(Launch::new().store(&format!("sqlite:{}", file.display())));
    let said = server.stderr_line();
    assert!(
        said.contains("WARN") && said.contains("chmod 600"),
        "{said}"
    );

    // On the way to another machine, here one that cannot be found.
    let launch = Launch::new().store("redis://:hunter2@redis.invalid");
    let said = launch.spawn(Stderr::Kept).finish().stderr;
    assert!(
        said.contains("WARN") && said.contains("rediss://"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn metrics_for_prometheus() {
    if !host_only("the metrics of a server") {
        return;
    }
    let launch = Launch::new().arg("--metrics").arg("127.0.0.1:0");
    let server = Server::start(launch);
    let said = server.stderr_line();
    let url = said
        .trim_end()
        .strip_prefix("Metrics on ")
        .expect("the address");
    let get = |url: &str| {
        let mut response = server.agent.get(url).call().expect("an answer");
        let body = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), body)
    };
    let user = server.user();
    let issued = user.issue("Token", 360);
    user.list().expect(200);
    user.delete(&issued.id).expect(200);
    server.named(&user.name, "wrong").list().expect(401);
    server.request("GET", "/nowhere").send().expect(404);

    let (status, text) = get(url);
    assert_eq!(status, 200);
    for line in [
        r#"latchkey_requests_total{method="POST",route="/api/v1alpha/token",status="201"} 1"#,
        r#"latchkey_requests_total{method="GET",route="/api/v1alpha/token",status="200"} 1"#,
        r#"latchkey_requests_total{method="GET",route="/api/v1alpha/token",status="401"} 1"#,
        r#"latchkey_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        r#"latchkey_request_duration_seconds_count{route="/api/v1alpha/token/{jwt_token_id}"} 1"#,
        "latchkey_requests_in_flight 0",
        // The signing key, the token, its end, the failure to sign in.
        r#"latchkey_store_operations_total{operation="compare_and_swap",outcome="done"} 4"#,
        "latchkey_compare_and_swap_retries_total 0",
        r#"latchkey_events_total{event="token_issued"} 1"#,
        r#"latchkey_events_total{event="token_revoked"} 1"#,
        r#"latchkey_events_total{event="sign_in_failed"} 1"#,
        r#"latchkey_events_total{event="sign_in_throttled"} 0"#,
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let instances = text
        .lines()
        .find_map(|line| line.strip_prefix("latchkey_instances "));
    assert!(instances.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0)));
    // What is counted is nobody's business but the operator's.
    assert_eq!(server.request("GET", "/metrics").send().status, 404);
    assert_eq!(get(url.trim_end_matches("/metrics")).0, 404);
    // Nor of a web page whose name leads to this machine.
    let port = url.trim_end_matches("/metrics").rsplit(':').next();
    let host = format!("evil.example:{}", port.expect("a port"));
    let page = server.agent.get(url).header("host", host).call();
    assert_eq!(page.expect("an answer").status(), 421);

    // While a body is awaited, the request is in flight.
    let request = format!("POST {TOKENS}");
    let mut waiting = Raw::connect(&server);
    waiting.send(head(
        &server,
        &request,
        &[
            &format!("Authorization: {}", basic(&user.name, PASSWORD)),
            "Content-Type: application/json",
            "Content-Length: 2",
        ],
    ));
    let deadline = Instant::now() + PATIENCE;
    while !get(url).1.contains("latchkey_requests_in_flight 1\n") {
        assert!(Instant::now() < deadline, "{}", get(url).1);
        std::thread::sleep(Duration::from_millis(5));
    }
    waiting.send("{}");
    waiting.response(&request).expect(400);
    assert!(get(url).1.contains("latchkey_requests_in_flight 0\n"));
}

/// Has four clients send requests of one kind, so many in all, to a server whose log nobody reads.
fn flood(server: &Server, requests: usize, send: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        break;
                    }
                    send(number);
                }
            });
        }
    });
    server.request("GET", LIVENESS).send().expect(200);
}

const LIVENESS: &str = "/api/healthz/liveness";

#[test]
fn a_log_that_nobody_reads_stops_nothing_and_pushes_out_no_audit_line() {
    if !host_only("the log of a server") {
        return;
    }
    let launch = Launch::new().env("RUST_LOG", "");
    let server = Server::start_with(launch, Stderr::Later);
    // More than fit into the pipe and wait for it.
    flood(&server, 40_000, |_| {
        server.request("GET", LIVENESS).send().expect(200);
    });
    let user = server.user();
    let issued: Vec<_> = (0..20)
        .map(|number| user.issue(&format!("Token {number}"), 360).id)
        .collect();

    server.read_stderr();
    server.signal("TERM");
    let log = server.finish().stderr;
    for id in issued {
        let line = log.lines().find(|line| line.contains(&id));
        let line = line.unwrap_or_else(|| panic!("no line of {id}"));
        assert!(line.starts_with(r#"{"audit":"token_issued","#), "{line}");
    }
}

#[test]
fn lost_audit_lines_are_counted_and_said() {
    if !host_only("the log of a server") {
        return;
    }
    let launch = Launch::new().arg("--metrics").arg("127.0.0.1:0");
    let launch = launch.env("RUST_LOG", "warn,latchkey::audit=info");
    let server = Server::start_with(launch, Stderr::Later);
    // Each is a line, most of them for being throttled.
    flood(&server, 20_000, |number| {
        let guess = server.named("user-0", &format!("guess {number}")).list();
        assert!(matches!(guess.status, 401 | 429), "{guess:?}");
    });
    server.read_stderr();
    let metrics = server.stderr_line();
    let url = metrics.trim_end().strip_prefix("Metrics on ");
    let url = url.expect("the address");
    let said = loop {
        let line = server.stderr_line();
        if let Some((before, _)) = line.split_once(" audit lines were lost") {
            break before.rsplit(' ').next().expect("a number").to_owned();
        }
    };
    let mut response = server.agent.get(url).call().expect("an answer");
    let text = response.body_mut().read_to_string().expect("text");
    let counted = format!("latchkey_audit_lines_lost_total {said}");
    assert!(
        said != "0" && text.lines().any(|line| line == counted),
        "{said} {text}"
    );
}
