//! `latchkey token`: what goes wrong, in words and as an exit code, and what is tried again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cases::Cases;
use crate::impostor::{Impostor, answer, forward};
use crate::process::Finished;
use crate::server::Server;
use crate::token_command::{client, run, signed_in};

const ID: &str = "2bc0160d-edf4-4ab6-9801-52d185f65b59";

const UNAVAILABLE: &str = r#"{"message":"Try again","code":"storage_unavailable"}"#;

/// A client with a password that must not be seen anywhere.
fn ada<const N: usize>(url: &str, args: [&str; N]) -> Finished {
    let mut command = client(url, args);
    command.env("LATCHKEY_USER", "ada:hunter2");
    let finished = run(command);
    assert!(!format!("{finished:?}").contains("hunter2"), "{finished:?}");
    finished
}

#[test]
fn exit_codes() {
    let server = Server::shared();
    let user = server.user();
    user.issue("ci", 360);
    #[rustfmt::skip]
    let table: &[(&[&str], i32)] = &[
        (&["list"], 0),
        (&["show", "ci"], 0),
        (&["create", "ci", "--life", "1h"], 1),
        (&["create", " ", "--life", "1h"], 1),
        (&["create", "x", "--life", "never"], 1),
        (&["rotate", "ci", "--overlap", "never"], 1),
        (&[], 2),
        (&["bogus"], 2),
        (&["create", "x"], 2),
        (&["create", "--life", "1h"], 2),
        (&["show"], 2),
        (&["revoke"], 2),
        (&["revoke", "ci", "--all"], 2),
        (&["revoke", "--all"], 2),
        (&["list", "--url", "nonsense"], 2),
        (&["list", "--url", "ftp://127.0.0.1"], 2),
        (&["list", "--url", "http://ada:hunter2@127.0.0.1"], 2),
        (&["show", ID], 4),
        (&["revoke", ID], 4),
        (&["rotate", ID], 4),
        (&["show", "nothing"], 4),
        (&["list", "--url", "http://127.0.0.1:1"], 5),
    ];
    let mut cases = Cases::default();
    for (args, code) in table {
        let mut command = signed_in(&user, []);
        command.args(*args);
        let finished = run(command);
        cases.check(args, finished.status.code(), Some(*code));
        if *code > 0 && !args.is_empty() {
            cases.check((args, &finished), &*finished.stdout, "");
            cases.check((args, &finished), finished.stderr.lines().count(), 1);
            let form = finished.stderr.starts_with("error: ");
            cases.check((args, &finished), form, true);
            cases.check(args, finished.stderr.contains("hunter2"), false);
        }
    }
    let wrong = server.named(&user.name, "wrong");
    let refused = run(signed_in(&wrong, ["list"]));
    cases.check(&refused, refused.status.code(), Some(3));
    let said = format!("error: not signed in as {}: ", user.name);
    cases.check(&refused, refused.stderr.starts_with(&said), true);
    cases.check("nothing was done", user.ids().len(), 1);
}

#[test]
fn what_a_server_says() {
    #[rustfmt::skip]
    let table = [
        ("401 Unauthorized", "", r#"{"message":"No","code":"unauthorized"}"#, 3,
            "error: not signed in as ada: No"),
        ("429 Too Many Requests", "Retry-After: 64\r\n", r#"{"message":"Later","code":"too_many_attempts"}"#, 3,
            "error: not signed in as ada: Later (1m 4s)"),
        ("403 Forbidden", "", r#"{"message":"\u001b[2JNo\nmore\u202e","code":"token_limit_reached"}"#, 1,
            "error: \\u{1b}[2JNo\\u{a}more\\u{202e}"),
        ("500 Internal Server Error", "", r#"{"message":"Oh","code":"internal_error"}"#, 1, "error: Oh"),
        ("404 Not Found", "", r#"{"message":"Gone","code":"no_such_token"}"#, 4, "error: Gone"),
        ("503 Service Unavailable", "", r#"{"message":"Set it up","code":"not_configured"}"#, 5,
            "error: the server at URL is not available: Set it up"),
        ("502 Bad Gateway", "Content-Type: text/html\r\n", "<html>", 5,
            "error: the server at URL is not available: it answered 502 Bad Gateway with text/html"),
        ("200 OK", "Content-Type: text/html; charset=utf-8\r\n", "<html>", 5,
            "error: there is no Latchkey server at URL: it answered 200 OK with text/html; charset=utf-8"),
        ("404 Not Found", "Content-Type: application/json\r\n", r#"{"error":"no"}"#, 5,
            "error: there is no Latchkey server at URL: it answered 404 Not Found with application/json"),
        ("200 OK", "Content-Type: application/json\r\n", r#"{"message":"hello"}"#, 5,
            "error: there is no Latchkey server at URL: it answered 200 OK with application/json"),
        ("301 Moved Permanently", "Location: https://example.org/\u{9b}\r\n", "", 5,
            "error: there is no Latchkey server at URL: it answered 301 Moved Permanently"),
        ("307 Temporary Redirect", "Location: https://example.org/\r\n", "", 5,
            "error: there is no Latchkey server at URL: it answered 307 Temporary Redirect, which points to https://example.org/"),
    ];
    let mut cases = Cases::default();
    for (status, headers, body, code, said) in table {
        let server = Impostor::answering(status, headers, body);
        let finished = ada(&server.url, ["show", ID]);
        let stderr = finished.stderr.replace(&server.url, "URL");
        let seen = (finished.status.code(), &*finished.stdout, &*stderr);
        let expected = (Some(code), "", &*format!("{said}\n"));
        cases.check((status, body), seen, expected);
        cases.check((status, body), server.requests().len(), 1);
    }
}

#[test]
fn what_is_sent() {
    let nothing = r#"{"message":"Tokens does not exist","code":"no_tokens"}"#;
    let server = Impostor::answering("404 Not Found", "", nothing);
    let finished = ada(&format!("{}/a%20b/", server.url), ["list"]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let request = server.requests().pop().expect("a request");
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "GET /a%20b/api/v1alpha/token?details=true HTTP/1.1\r\n",
        &format!("user-agent: latchkey/{version}\r\n"),
        "accept: application/json\r\n",
    ] {
        assert!(request.contains(line), "{line}: {request}");
    }
}

#[test]
fn a_password_in_the_clear() {
    let nothing = r#"{"message":"Tokens does not exist","code":"no_tokens"}"#;
    let server = Impostor::answering("404 Not Found", "", nothing);
    // This machine, but nobody can tell by the address.
    let url = server.url.replace("127.0.0.1", "0.0.0.0");
    let warned = ada(&url, ["list"]);
    assert_eq!(warned.status.code(), Some(0), "{warned:?}");
    let warning = format!("warning: anybody on the way to {url} can read ");
    assert!(warned.stderr.starts_with(&warning), "{warned:?}");
}

#[test]
fn a_proxy_is_not_for_this_machine() {
    let nothing = r#"{"message":"Tokens does not exist","code":"no_tokens"}"#;
    let server = Impostor::answering("404 Not Found", "", nothing);
    let proxy = Impostor::answering("502 Bad Gateway", "", "");
    let mut command = client(&server.url, ["list"]);
    command.env("LATCHKEY_USER", "ada:hunter2");
    command.env("ALL_PROXY", &proxy.url);
    assert_eq!(run(command).status.code(), Some(0));
    assert_eq!(proxy.requests(), [""; 0]);
}

#[test]
fn the_proxy_is_that_of_curl() {
    let proxy = Impostor::answering("502 Bad Gateway", "", "");
    let ask = |variables: &[(&str, &str)]| {
        // No name of this kind is ever found, so a request goes through the proxy or nowhere.
        let mut command = client("http://latchkey.invalid:8080", ["list"]);
        command.env("LATCHKEY_USER", "ada:hunter2");
        command.envs(variables.iter().copied());
        let before = proxy.requests().len();
        let finished = run(command);
        assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
        let code = finished.status.code().unwrap_or_default();
        (proxy.requests().len() > before, code, finished.stderr)
    };
    let url = &proxy.url[..];
    let mut cases = Cases::default();
    for (variables, asked) in [
        (&[("http_proxy", url)][..], true),
        (&[("ALL_PROXY", url), ("http_proxy", "")], true),
        (&[("HTTP_PROXY", url)], false),
        (&[("https_proxy", url), ("HTTPS_PROXY", url)], false),
        (&[("http_proxy", url), ("no_proxy", ".invalid")], false),
        (&[("http_proxy", url), ("NO_PROXY", "a, invalid")], false),
        (&[("http_proxy", url), ("NO_PROXY", "10.0.0.0/8")], true),
    ] {
        let seen = ask(variables);
        cases.check((variables, &seen), seen.0, asked);
        cases.check((variables, &seen), seen.1, 5);
    }
    for value in ["socks5h://u:hunter2@127.0.0.1:1", "hunter2 is no proxy"] {
        let (_, code, said) = ask(&[("all_proxy", value)]);
        cases.check(value, code, 2);
        cases.check(
            (value, &said),
            said.contains("error: the proxy in all_proxy is"),
            true,
        );
    }
}

#[test]
fn a_creation_whose_answer_is_lost_is_made_once() {
    let server = Server::shared();
    let user = server.user();
    let lossy = Impostor::new(|number, request| {
        let answer = forward(Server::shared(), request);
        (number > 0).then_some(answer)
    });
    let mut command = signed_in(&user, ["create", "ci", "--life", "1h"]);
    command.env("LATCHKEY_URL", &lossy.url);
    let finished = run(command);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(lossy.requests().len(), 2);
    let [id] = &user.ids()[..] else {
        panic!("not one token")
    };
    assert!(finished.stderr.contains(id), "{finished:?}");
    let warning = "warning: the connection broke before the answer; trying again\n";
    assert!(finished.stderr.starts_with(warning), "{finished:?}");
}

#[test]
fn a_creation_is_tried_again_so_often() {
    let create = ["create", "ci", "--life", "1h"];
    let impatient = Impostor::answering("503 Busy", "Retry-After: 0\r\n", UNAVAILABLE);
    let finished = ada(&impatient.url, create);
    assert_eq!(finished.status.code(), Some(5), "{finished:?}");
    let doubt = "shows whether it was done nevertheless\n";
    assert!(finished.stderr.ends_with(doubt), "{finished:?}");
    let requests = impatient.requests();
    assert_eq!(requests.len(), 4);
    let mut keys: Vec<_> = requests
        .iter()
        .filter_map(|request| {
            let mut lines = request.lines();
            lines.find_map(|line| line.strip_prefix("idempotency-key: "))
        })
        .collect();
    assert_eq!(keys.len(), 4);
    keys.dedup();
    assert_eq!(keys.len(), 1, "one creation, one key");
    assert!(keys[0].len() >= 20, "{keys:?}");

    // Another creation, another key.
    ada(&impatient.url, create);
    let another = impatient.requests().pop().expect("a request");
    assert!(!another.contains(keys[0]), "{another}");

    // Whatever is not going to change soon is not waited for.
    let misconfigured = r#"{"message":"Set it up","code":"misconfigured"}"#;
    for (headers, body) in [("Retry-After: 3600\r\n", UNAVAILABLE), ("", misconfigured)] {
        let away = Impostor::answering("503 Service Unavailable", headers, body);
        assert_eq!(ada(&away.url, create).status.code(), Some(5));
        assert_eq!(away.requests().len(), 1, "{headers}{body}");
    }
}

#[test]
fn nothing_else_is_tried_again() {
    let mut cases = Cases::default();
    for args in [["rotate", "--id", ID], ["revoke", "--id", ID]] {
        let busy = answer("503 Busy", "Retry-After: 0\r\n", UNAVAILABLE);
        for answer in [None, Some(busy)] {
            let server = Impostor::new({
                let answer = answer.clone();
                move |_, _| answer.clone()
            });
            let finished = ada(&server.url, args);
            cases.check((args, &answer), finished.status.code(), Some(5));
            cases.check((args, &answer), server.requests().len(), 1);
            let doubt = finished.stderr.contains("latchkey token list");
            cases.check((args, &finished), doubt, true);
        }
    }
}

#[test]
fn a_token_that_would_act_on_a_terminal() {
    let body = format!(
        r#"{{"message":"Token generated","jwt_token_id":"{ID}","jwt_token":"a.b.c\n\u001b[2J","jwt_token_description":"x","jwt_token_life":1}}"#
    );
    let server = Impostor::answering("201 Created", "", &body);
    let refused = ada(&server.url, ["create", "x", "--life", "1s"]);
    assert_eq!((refused.status.code(), &*refused.stdout), (Some(5), ""));
}

#[test]
fn an_answer_without_end() {
    let server = Impostor::answering("200 OK", "", &"[".repeat(9 << 20));
    let refused = ada(&server.url, ["list"]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(
        refused.stderr.ends_with("its answer is too long\n"),
        "{refused:?}"
    );
}

#[test]
fn certificates() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let mut openssl = Command::new("openssl");
    openssl.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '));
    openssl.args(["-subj", "/CN=127.0.0.1"]);
    openssl.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl
        .arg("-keyout")
        .arg(file("key"))
        .arg("-out")
        .arg(file("cert"));
    let made = openssl.output().expect("`openssl` starts");
    assert!(made.status.success(), "{made:?}");

    // A server with TLS that answers HTML.
    let mut server = Command::new("openssl")
        .args(["s_server", "-www", "-accept", "127.0.0.1:0", "-key"])
        .arg(file("key"))
        .arg("-cert")
        .arg(file("cert"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("`openssl` starts");
    let lines = BufReader::new(server.stdout.take().expect("stdout is piped")).lines();
    let mut lines = lines.map_while(Result::ok);
    let port = lines.find_map(|line| {
        let port = line.strip_prefix("ACCEPT ")?.rsplit(':').next()?.to_owned();
        Some(port)
    });
    let port = port.expect("openssl says where it listens");

    let ask = |host: &str, variable: &str, value: &str| {
        let mut command = client(&format!("https://{host}:{port}"), ["list"]);
        command.env("LATCHKEY_USER", "ada:hunter2");
        command.env(variable, value);
        run(command)
    };
    let cert = file("cert").display().to_string();
    let missing = file("missing").display().to_string();
    let key = file("key").display().to_string();
    let results = [
        ask("127.0.0.1", "SSL_CERT_FILE", ""),
        ask("localhost", "SSL_CERT_FILE", &cert),
        ask("127.0.0.1", "SSL_CERT_FILE", &cert),
    ];
    // Whoever names certificates wants those, and is told where there are none.
    let unusable = [
        ("SSL_CERT_FILE", &missing),
        ("SSL_CERT_DIR", &missing),
        ("SSL_CERT_FILE", &key),
    ]
    .map(|(variable, path)| (variable, ask("127.0.0.1", variable, path)));
    let _ = server.kill();
    let _ = server.wait();
    let mut cases = Cases::default();
    for (finished, problem) in results.iter().zip([
        "cannot be reached: its certificate is not valid: it is issued by nobody whom this machine trusts",
        "cannot be reached: its certificate is not valid: it is for another host",
        // With a certificate that it trusts, it asks.
        "it answered 200 OK with text/html",
    ]) {
        cases.check(finished, finished.status.code(), Some(5));
        cases.check(finished, finished.stderr.trim_end().ends_with(problem), true);
    }
    for (variable, finished) in unusable {
        cases.check(&finished, finished.status.code(), Some(2));
        let said = format!("error: {variable}: ");
        cases.check(&finished, finished.stderr.starts_with(&said), true);
    }
}
