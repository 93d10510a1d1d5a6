//! Users who are signed in by a proxy in front: a real nginx that stands for it, and a real browser.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases::Cases;
use crate::client::{Request, basic};
use crate::nginx;
use crate::process::{Process, Stderr};
use crate::response::Response;
use crate::server::{HASH, Launch, PASSWORD, Server, TOKENS, host_only};
use crate::verify::verify;
use crate::webdriver::Browser;

pub const SECRET: &str = "the-secret-of-the-proxy-32-bytes-or-more";

/// Whom nginx says that everybody is.
const NAME: &str = "Zoë \"Q\" O'Neill / 日本";

pub fn launch() -> Launch {
    Launch::new()
        .users(Some(&format!("ada:{HASH}")))
        .variable("proxy_user_header", "X-Forwarded-User")
        .variable("proxy_secret", SECRET)
}

/// A server for each of the two components.
fn servers() -> [Server; 2] {
    // Which builds it, once.
    Server::edge();
    [launch(), launch().edge()].map(Server::start)
}

/// A request as the proxy sends it.
fn vouched<'a>(server: &'a Server, name: &str, method: &str, path: &str) -> Request<'a> {
    server
        .request(method, path)
        .header("x-latchkey-proxy-secret", SECRET)
        .header("x-forwarded-user", name)
        .header("sec-fetch-site", "same-origin")
}

/// Creates a token for the user whom the proxy names.
pub fn create(server: &Server, name: &str, description: &str) -> Response {
    let body = json!({ "jwt_token_description": description, "jwt_token_life": 360 });
    vouched(server, name, "POST", TOKENS)
        .json(body.to_string())
        .send()
}

#[test]
fn any_name_is_a_user_with_the_secret_and_nobody_is_without() {
    if !host_only("a configuration of its own") {
        return;
    }
    for server in servers() {
        any_name_is_a_user(&server);
    }
}

fn any_name_is_a_user(server: &Server) {
    let mut cases = Cases::default();
    for (name, encoded) in [
        ("ada", "ada"),
        ("grace@example.org", "grace@example.org"),
        (
            NAME,
            "Zo%C3%AB%20%22Q%22%20O%27Neill%20%2F%20%E6%97%A5%E6%9C%AC",
        ),
        ("a%2Fb", "a%252Fb"),
        ("..", ".."),
        (&"x".repeat(255), &"x".repeat(255)),
    ] {
        let created = create(server, name, "Token").expect(201);
        let token = created.text("jwt_token");
        cases.check(
            name,
            verify(server, &token).text("username"),
            name.to_owned(),
        );
        let listed = vouched(server, name, "GET", &format!("{TOKENS}?details=true")).send();
        cases.check(
            name,
            listed.header("x-latchkey-user").to_owned(),
            encoded.to_owned(),
        );
        let id = created.text("jwt_token_id");
        let listed = &listed.expect(200).json()["jwt_tokens"];
        assert_eq!(listed.as_object().expect("an object").len(), 1, "{name}");
        cases.check(name, listed[&id]["jwt_token_means"].clone(), json!("proxy"));
        assert!(listed[&id]["jwt_user_last_sign_in"].is_string(), "{listed}");
        // What it is, to a service that asks.
        let form = ("content-type", "application/x-www-form-urlencoded");
        let told = vouched(server, name, "POST", "/api/v1alpha/introspect")
            .header(form.0, form.1)
            .body(format!("token={token}"))
            .send()
            .json();
        assert_eq!(
            (&told["active"], &told["means"]),
            (&json!(true), &json!("proxy"))
        );
        assert!(told["last_sign_in"].is_u64(), "{told}");
    }

    let headers = |lines: &[(&str, &str)]| {
        let mut request = server.request("GET", TOKENS);
        for (name, value) in lines {
            request = request.header(name, value);
        }
        request.send().status
    };
    let user = ("x-forwarded-user", "ada");
    let secret = ("x-latchkey-proxy-secret", SECRET);
    let (own, other) = (basic("ada", PASSWORD), basic("bob", ""));
    for (lines, status) in [
        (&[user][..], 401),
        (&[secret], 401),
        (&[user, ("x-latchkey-proxy-secret", "")], 401),
        (&[user, ("x-latchkey-proxy-secret", &SECRET[1..])], 401),
        (
            &[
                user,
                (
                    "x-latchkey-proxy-secret",
                    "another-secret-of-just-the-same-lengthy",
                ),
            ],
            401,
        ),
        (&[user, secret, secret], 401),
        (&[user, user, secret], 401),
        (&[("x-forwarded-user", "a:b"), secret], 401),
        (&[user, secret], 200),
        // Credentials of one's own.
        (&[("authorization", &own)], 200),
        (&[("authorization", &own), user], 200),
        (&[("authorization", &own), user, secret], 200),
        (&[("authorization", &other), user, secret], 401),
        (&[("authorization", "Bearer x.y.z"), user, secret], 401),
    ] {
        cases.check(lines, headers(lines), status);
    }
}

#[test]
fn what_changes_something_says_that_it_is_of_the_same_origin() {
    if !host_only("a configuration of its own") {
        return;
    }
    for server in servers() {
        changes_are_of_the_same_origin(&server);
    }
}

fn changes_are_of_the_same_origin(server: &Server) {
    let id = create(server, "zoe", "Token")
        .expect(201)
        .text("jwt_token_id");
    let host = server.authority();
    let own = format!("https://{host}");
    let mut cases = Cases::default();
    for (header, refused) in [
        (None, true),
        (Some(("sec-fetch-site", "cross-site")), true),
        (Some(("sec-fetch-site", "same-site")), true),
        (Some(("origin", "https://evil.example")), true),
        (Some(("origin", "null")), true),
        (Some(("origin", &own[..])), false),
        (Some(("sec-fetch-site", "same-origin")), false),
    ] {
        let send = |method: &str, path: String| {
            let mut request = server
                .request(method, &path)
                .header("x-latchkey-proxy-secret", SECRET)
                .header("x-forwarded-user", "zoe");
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            request.send().outcome()
        };
        let expected = match refused {
            true => (403, "cross_site".to_owned()),
            false => (404, "no_such_token".to_owned()),
        };
        let unknown = format!("{TOKENS}/{}", crate::show::UNKNOWN);
        cases.check(
            header,
            send("POST", format!("{unknown}/rotate")),
            expected.clone(),
        );
        cases.check(header, send("DELETE", unknown), expected);
        // Reading is free.
        cases.check(header, send("GET", format!("{TOKENS}/{id}")).0, 200);
    }
}

#[test]
fn a_configuration_that_is_half_done_is_refused() {
    if !host_only("configurations of its own") {
        return;
    }
    let mut cases = Cases::default();
    for (header, secret, problem) in [
        (
            "X-User",
            "",
            "`proxy_user_header` cannot be used: it needs the variable `proxy_secret`",
        ),
        (
            "",
            SECRET,
            "`proxy_secret` cannot be used: it needs the variable `proxy_user_header`",
        ),
        (
            "X-User",
            "too-short",
            "`proxy_secret` cannot be used: it must have at least 32 bytes",
        ),
        (
            "X-User",
            &SECRET.replace('-', " "),
            "`proxy_secret` cannot be used: no header can hold it",
        ),
        (
            "X User",
            SECRET,
            "`proxy_user_header` cannot be used: it is not the name of a header",
        ),
        (
            "Authorization",
            SECRET,
            "`proxy_user_header` cannot be used: this header has another",
        ),
        (
            "X-Latchkey-Proxy-Secret",
            SECRET,
            "`proxy_user_header` cannot be used: this header has",
        ),
    ] {
        let launch = Launch::new()
            .variable("proxy_user_header", header)
            .variable("proxy_secret", secret);
        let finished = launch.spawn(Stderr::Kept).finish();
        let case = (header, secret, &finished.stderr);
        cases.check(case, finished.status.code(), Some(1));
        cases.check(case, finished.stderr.contains(problem), true);
        cases.check(
            case,
            secret.is_empty() || !finished.stderr.contains(secret),
            true,
        );
    }
}

#[test]
fn the_means_are_in_the_audit_lines_and_the_secret_is_nowhere() {
    if !host_only("a log of its own") {
        return;
    }
    let server = Server::start(launch().env("RUST_LOG", "trace"));
    create(&server, "zoe", "Token").expect(201);
    vouched(&server, "zoe", "DELETE", &format!("{TOKENS}?all=true"))
        .send()
        .expect(200);
    server.signal("TERM");
    let log = server.finish().stderr;
    let audit: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["audit"].is_string())
        .collect();
    let seen: Vec<_> = audit
        .iter()
        .map(|line| {
            (
                line["audit"].as_str(),
                line["user"].as_str(),
                line["means"].as_str(),
            )
        })
        .collect();
    let expected = ["token_issued", "all_tokens_revoked"];
    assert_eq!(
        seen,
        expected.map(|event| (Some(event), Some("zoe"), Some("proxy")))
    );
    assert!(!log.contains(SECRET), "{log}");
}

/// nginx that has signed in everybody who comes, and beside it a site of somebody else.
struct Proxy {
    url: String,
    other: String,
    _process: Process,
    _directory: TempDir,
}

impl Proxy {
    fn start(server: &Server) -> Option<Self> {
        let binary = nginx::binary()?;
        let [front, other] = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [front, other] = [front, other].map(|free| free.local_addr().expect("an address"));
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("nginx.conf");
        let name = NAME.replace('"', "\\\"");
        let servers = format!(
            r#"
    server {{
        listen {front};
        location / {{
            proxy_pass {};
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-User "{name}";
            proxy_set_header X-Latchkey-Proxy-Secret "{SECRET}";
        }}
    }}
    server {{
        listen {other};
        default_type text/html;
        return 200 "<!doctype html><title>Another site</title>";
    }}
"#,
            server.url
        );
        fs::write(&config, nginx::with_servers(&servers)).expect("a file");
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory.path());
        command.arg("-e").arg(directory.path().join("error.log"));
        command.arg("-c").arg(&config);
        let proxy = Self {
            url: format!("http://{front}"),
            other: format!("127.0.0.1:{}", other.port()),
            _process: Process::start(command, Stderr::Kept),
            _directory: directory,
        };
        for _ in 0..1_000 {
            if server.agent.get(&proxy.url).call().is_ok() {
                return Some(proxy);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not start");
    }
}

#[test]
fn the_page_signs_in_by_itself_and_another_site_changes_nothing() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let server = Server::start(launch());
    let Some(proxy) = Proxy::start(&server) else {
        return;
    };
    let Some(browser) = Browser::start() else {
        return;
    };
    browser.open(&format!("{}/", proxy.url));
    browser.says("#account", NAME);
    assert!(!browser.shows("#leave"), "nothing here could sign out");
    browser.says("#empty", "No tokens yet");
    browser.fill("#name", "Phone");
    browser.click("#create .main");
    let token = browser.text(".fresh .token");
    browser.click(".fresh .dismiss");
    browser.says("#rows li", "Phone");
    assert_eq!(verify(&server, &token).expect(200).text("username"), NAME);

    let tokens = || {
        let list = vouched(&server, NAME, "GET", TOKENS)
            .send()
            .expect(200)
            .json();
        let tokens = list["jwt_tokens"].as_object().expect("an object");
        let names = tokens
            .values()
            .map(|token| token["jwt_token_description"].clone());
        tokens.keys().cloned().zip(names).collect::<Vec<_>>()
    };
    let before = tokens();
    let id = before[0].0.clone();
    // A port beside it is another origin of the same site; another name is another site.
    for other in [
        proxy.other.clone(),
        proxy.other.replace("127.0.0.1", "localhost"),
    ] {
        let at = format!("{}{TOKENS}", proxy.url);
        for (method, path, content_type, body) in [
            (
                "POST",
                String::new(),
                "text/plain",
                r#"{"jwt_token_description":"evil","jwt_token_life":60}"#,
            ),
            (
                "POST",
                String::new(),
                "application/json",
                r#"{"jwt_token_description":"evil","jwt_token_life":60}"#,
            ),
            ("POST", format!("/{id}/rotate"), "", ""),
            ("DELETE", format!("/{id}"), "", ""),
            ("DELETE", "?all=true".to_owned(), "", ""),
        ] {
            for mode in ["no-cors", "cors"] {
                browser.open(&format!("http://{other}/"));
                let headers = match content_type {
                    "" => json!({}),
                    kind => json!({ "Content-Type": kind }),
                };
                let mut options = json!({ "method": method, "mode": mode, "credentials": "include", "headers": headers });
                if !body.is_empty() {
                    options["body"] = body.into();
                }
                let script = format!(
                    "return fetch({}, {options}).then((answer) => answer.type + answer.status, () => 'failed')",
                    json!(format!("{at}{path}"))
                );
                let seen = browser.run(&script);
                assert!(seen == "failed" || seen == "opaque0", "{script}: {seen}");
            }
        }
        // Forms send what no script may.
        for (path, kind) in [
            ("", "text/plain"),
            (&format!("/{id}/rotate")[..], "text/plain"),
            (
                &format!("/{id}/rotate"),
                "application/x-www-form-urlencoded",
            ),
        ] {
            browser.open(&format!("http://{other}/"));
            browser.run(&format!(
                "const form = document.createElement('form');
                 Object.assign(form, {{ method: 'post', enctype: '{kind}', action: '{at}{path}' }});
                 document.body.append(form);
                 form.submit();"
            ));
            browser.wait("the answer", || {
                let source = browser.source();
                source.contains("cross_site").then_some(())
            });
        }
        assert_eq!(tokens(), before, "{other}");
    }
    assert_eq!(verify(&server, &token).status, 200);

    // The page itself may.
    browser.open(&format!("{}/", proxy.url));
    browser.click("[aria-label='Revoke Phone']");
    browser.click("#revoke-yes");
    browser.says("#empty", "No tokens yet");
    assert_eq!(verify(&server, &token).status, 401);
}
