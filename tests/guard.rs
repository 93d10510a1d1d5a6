//! The guard, over the host: what reaches the application behind it, and what does not.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::cases::Cases;
use crate::client::basic;
use crate::forgeries::forge;
use crate::impostor::{Impostor, answer};
use crate::process::{Finished, Stderr};
use crate::raw::{Raw, head};
use crate::server::{Launch, PASSWORD, Server, TOKENS, host_only};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The manifest of the example.
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../deploy/guarded/spin.toml"
);

/// More than the guard waits for Latchkey.
const TOO_LONG: Duration = Duration::from_secs(20);

const ID: &str = "b56929f3-54f1-4dc2-9984-9bba615e26e6";

/// The example, which the suite starts once. Its start builds all components in it.
fn example() -> &'static Server {
    static EXAMPLE_SERVER: OnceLock<Server> = OnceLock::new();
    EXAMPLE_SERVER.get_or_init(|| start(EXAMPLE, &[]))
}

fn start(manifest: &str, variables: &[(&str, &str)]) -> Server {
    let launch = Launch::new().arg("--manifest").arg(manifest);
    let launch = variables
        .iter()
        .fold(launch, |launch, (name, value)| launch.variable(name, value));
    Server::ready(launch.spawn(Stderr::Kept), Duration::from_secs(1800))
}

/// Builds the guard with `latchkey_keys`: the example has no need of it.
fn build_offline() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(ROOT).args([
            "build",
            "--locked",
            "--package",
            "latchkey-guard-offline",
            "--target",
            "wasm32-wasip2",
            "--profile",
            "edge",
            "--config",
            "deploy/edge/cargo.toml",
        ]);
        assert!(build.status().expect("cargo runs").success());
    });
}

/// An application of Latchkey and the service of the example below `/app`, guarded with these variables, as TOML.
struct Guarded {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Guarded {
    fn new(guard: &str, variables: &str, hosts: &str) -> Self {
        Self::with(guard, variables, hosts, &[])
    }

    fn with(guard: &str, variables: &str, hosts: &str, given: &[(&str, &str)]) -> Self {
        // Which builds the components.
        example();
        let directory = tempfile::tempdir().expect("a directory");
        let manifest = directory.path().join("spin.toml");
        let target = format!("{ROOT}/target/wasm32-wasip2");
        let text = format!(
            r#"spin_manifest_version = 2
[application]
name = "guarded"
[variables]
users = {{ default = "" }}
signing_keys = {{ default = "" }}
scope = {{ default = "" }}
[[trigger.http]]
route = "/..."
component = "latchkey"
[[trigger.http]]
route = "/app/..."
component = "app"
dependencies.middleware = [{{ component = "guard", inherit_configuration = ["allowed_outbound_hosts", "variables"] }}]
[component.app]
source = "{target}/release/latchkey_guarded_app.wasm"
allowed_outbound_hosts = [{hosts:?}]
variables = {{ {variables} }}
[component.guard]
source = "{target}/edge/{guard}.wasm"
[component.latchkey]
source = "{target}/release/latchkey_wasm.wasm"
key_value_stores = ["default"]
variables = {{ users = "{{{{ users }}}}", signing_keys = "{{{{ signing_keys }}}}" }}
"#
        );
        fs::write(&manifest, text).expect("a manifest");
        let manifest = manifest.to_str().expect("a path of UTF-8");
        Self {
            server: start(manifest, given),
            _directory: directory,
        }
    }

    /// Asks a Latchkey elsewhere.
    fn asking(latchkey: &str) -> Self {
        let variables = format!(r#"latchkey_scope = "", latchkey_url = "{latchkey}""#);
        Self::new("latchkey_guard", &variables, latchkey)
    }
}

const CHAINED: &str = "http://latchkey.spin.internal";

/// A response of the guard, or of what is behind it.
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// Whether the application answered: with the request line.
    fn reached(&self) -> bool {
        self.body.starts_with("GET ")
    }

    /// The lines that the application got for headers whose name may be taken for one of the guard's.
    fn identity(&self) -> Vec<&str> {
        let plain = |line: &str| line.to_lowercase().replace(['_', '.'], "-");
        let lines = self.body.lines().skip(1);
        lines
            .filter(|line| plain(line).starts_with("x-latchkey"))
            .collect()
    }
}

/// Sends these bytes on a connection of its own and reads to its end.
fn exchange(server: &Server, bytes: impl AsRef<[u8]>) -> Seen {
    let mut raw = Raw::connect(server);
    raw.send(bytes);
    let mut text = Vec::new();
    raw.writer().read_to_end(&mut text).expect("an answer");
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Seen {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// A request without a body, after which the connection ends.
fn get(server: &Server, path: &str, headers: &[&str]) -> Seen {
    let headers = [headers, &["Connection: close"]].concat();
    exchange(server, head(server, &format!("GET {path}"), &headers))
}

fn issue(server: &Server, user: &str, description: &str, scope: &str) -> String {
    let body = json!({
        "jwt_token_description": description,
        "jwt_token_life": "1 hour",
        "jwt_token_scope": scope,
    });
    let request = server.request("POST", TOKENS);
    let request = request.header("authorization", &basic(user, PASSWORD));
    let created = request.json(body.to_string()).send().expect(201);
    created.text("jwt_token")
}

#[test]
fn the_example() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let notes = issue(server, &user.name, "notes", "notes");
    let admin = issue(server, &user.name, "admin", "admin notes");
    let notes = format!("Authorization: Bearer {notes}");
    let admin = format!("X-Api-Key: {admin}");
    let mut cases = Cases::default();
    for (path, header, status) in [
        ("/notes/1", "", 401),
        ("/notes/1", &*notes, 200),
        ("/notes/1", &*admin, 200),
        ("/admin/1", &*notes, 403),
        ("/admin/1", &*admin, 200),
        ("/notes/about", "", 200),
        ("/notes/static/a.css", "", 200),
        ("/notes/static/../1", "", 401),
        ("/api/healthz/liveness", "", 200),
    ] {
        let headers = [header];
        let headers = if header.is_empty() { &[][..] } else { &headers };
        cases.check((path, header), get(server, path, headers).status, status);
    }
    drop(cases);
    let seen = get(server, "/notes/1?a=b", &[&notes]);
    assert!(seen.body.starts_with("GET /notes/1?a=b\n"), "{}", seen.body);
    let identity = seen.identity();
    assert_eq!(identity[0], format!("x-latchkey-user: {}", user.name));
    assert!(identity[1].starts_with("x-latchkey-token-id: "));
    assert_eq!(identity[2..], ["x-latchkey-scope: notes"]);
    assert!(
        !seen.body.to_lowercase().contains("authorization"),
        "{}",
        seen.body
    );
    let refused = get(server, "/admin/1", &[&notes]);
    assert_eq!(
        refused.header("www-authenticate"),
        Some(r#"Bearer realm="latchkey", error="insufficient_scope", scope="admin""#)
    );
    assert!(refused.body.contains(r#""code":"insufficient_scope""#));
    // A revoked token is dead at once.
    user.delete_all();
    assert_eq!(get(server, "/notes/1", &[&notes]).status, 401);
}

#[test]
fn variables_are_followed() {
    if !host_only("an application of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("scope");
    fs::write(&file, "notes").expect("a file");
    let given = format!("@{}", file.display());
    let guarded = Guarded::with(
        "latchkey_guard",
        r#"latchkey_scope = "{{ scope }}""#,
        CHAINED,
        &[("scope", &given)],
    );
    let server = &guarded.server;
    let user = server.user();
    let notes = issue(server, &user.name, "notes", "notes");
    let notes = format!("Authorization: Bearer {notes}");
    let status = || get(server, "/app/x", &[&notes]).status;
    assert_eq!(status(), 200);
    for (scope, expected) in [("admin", 403), ("a\"b", 503), ("notes", 200)] {
        fs::write(&file, scope).expect("a file");
        let deadline = Instant::now() + TOO_LONG;
        while status() != expected {
            assert!(Instant::now() < deadline, "{scope}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

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
    build_offline();
    let (private, public) = crate::forgeries::keys();
    let asked = Guarded::with(
        "latchkey_guard",
        r#"latchkey_scope = """#,
        CHAINED,
        &[("signing_keys", &private)],
    );
    let variables = format!("latchkey_scope = \"\", latchkey_keys = '''{public}'''");
    let offline = Guarded::with(
        "latchkey_guard_offline",
        &variables,
        CHAINED,
        &[("signing_keys", &private)],
    );
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

#[test]
fn public_paths_and_preflights() {
    if !host_only("an application of its own") {
        return;
    }
    let guarded = Guarded::new(
        "latchkey_guard",
        r#"latchkey_scope = "", latchkey_public = "/app/about /app/static/...", latchkey_preflight = "true""#,
        CHAINED,
    );
    let server = &guarded.server;
    let mut cases = Cases::default();
    for (path, status) in [
        ("/app/about", 200),
        ("/app/about?x=/app/secret", 200),
        ("/app/static/a", 200),
        ("/app/About", 401),
        ("/app/about/", 401),
        ("/app/about/secret", 401),
        ("/app/aboutsecret", 401),
        ("/app/static/../secret", 401),
        ("/app/static/..;/secret", 401),
        ("/app/static//secret", 401),
        ("/app/static/%2e%2e/secret", 401),
        ("/app/static/..%2fsecret", 401),
        ("/app/static/%5c..%5csecret", 401),
        ("/app/static/.%2e/secret", 401),
    ] {
        cases.check(path, get(server, path, &[]).status, status);
    }
    for (header, status) in [
        ("X-Original-URL: /app/secret", 401),
        ("X_Rewrite_Url: /app/secret", 401),
        ("X-HTTP-Method-Override: DELETE", 401),
        ("Authorization: Bearer nonsense", 200),
    ] {
        cases.check(header, get(server, "/app/about", &[header]).status, status);
    }
    let seen = get(server, "/app/about", &["Authorization: Bearer secret"]);
    cases.check("no token", seen.body.contains("secret"), false);
    let (origin, method) = (
        "Origin: https://a.example",
        "Access-Control-Request-Method: PUT",
    );
    for (line, headers, status) in [
        (
            "OPTIONS /app/x",
            &[origin, method, "Connection: close"][..],
            200,
        ),
        ("OPTIONS /app/x", &[method, "Connection: close"], 401),
        ("OPTIONS /app/x", &["Connection: close"], 401),
        ("GET /app/x", &[origin, method, "Connection: close"], 401),
    ] {
        let seen = exchange(server, head(server, line, headers));
        cases.check((line, headers), seen.status, status);
    }
}

#[test]
fn a_latchkey_that_fails_lets_nobody_in() {
    if !host_only("an application of its own") {
        return;
    }
    let good = format!("X-Latchkey-User: ada\r\nX-Latchkey-Token-Id: {ID}\r\n");
    let impostor = Impostor::new(move |_, request| {
        let has = |text: &str| request.contains(text);
        match () {
            () if has("good") => Some(answer("200 OK", &good, "{}")),
            () if has("silent") => None,
            () if has("slow") => {
                thread::sleep(TOO_LONG);
                None
            }
            () if has("noise") => Some("\u{0}\u{1}nonsense\r\n\r\n".to_owned()),
            () if has("error") => Some(answer("500 Internal Server Error", &good, "{}")),
            () if has("moved") => {
                let location = format!("Location: http://127.0.0.1:1/\r\n{good}");
                Some(answer("302 Found", &location, ""))
            }
            () if has("created") => Some(answer("201 Created", &good, "{}")),
            () if has("bare") => Some(answer("200 OK", "", "ok")),
            () if has("twice") => Some(answer("200 OK", &format!("{good}{good}"), "{}")),
            () if has("page") => Some(answer(
                "401 Unauthorized",
                "Content-Type: text/html\r\n",
                "x",
            )),
            () if has("long") => Some(answer(
                "401 Unauthorized",
                "Content-Type: application/json\r\n",
                &"x".repeat(100_000),
            )),
            () if has("no") => Some(answer(
                "403 Forbidden",
                "Content-Type: application/json\r\nWWW-Authenticate: Bearer\r\nSet-Cookie: a=b\r\n",
                r#"{"code":"wrong_audience"}"#,
            )),
            () => Some(answer(
                "200 OK",
                "X-Latchkey-User: a b\r\nX-Latchkey-Token-Id: 1\r\n",
                "",
            )),
        }
    });
    let guarded = Guarded::asking(&impostor.url);
    let server = &guarded.server;
    let mut cases = Cases::default();
    for (key, status) in [
        ("good", 200),
        ("silent", 503),
        ("noise", 503),
        ("error", 503),
        ("moved", 503),
        ("created", 503),
        ("bare", 503),
        ("twice", 503),
        ("rubbish", 503),
        ("page", 503),
        ("long", 503),
        ("no", 403),
        // Last, since the impostor answers one after the other.
        ("slow", 503),
    ] {
        let seen = get(server, "/app/x", &[&format!("X-Api-Key: {key}")]);
        cases.check(key, (seen.status, seen.reached()), (status, status == 200));
        if status == 503 {
            cases.check(key, seen.header("retry-after").is_some(), true);
            cases.check(
                key,
                seen.body.contains(r#""code":"latchkey_unavailable""#),
                true,
            );
        }
        if status == 403 {
            cases.check(key, seen.body.as_str(), r#"{"code":"wrong_audience"}"#);
            cases.check(key, seen.header("www-authenticate"), Some("Bearer"));
            cases.check(key, seen.header("set-cookie"), None);
        }
    }
    drop(cases);
    // Nobody there.
    let away = Guarded::asking("http://127.0.0.1:9");
    let seen = get(&away.server, "/app/x", &["X-Api-Key: good"]);
    assert_eq!((seen.status, seen.reached()), (503, false));
}

#[test]
fn a_configuration_that_cannot_work_refuses_everything() {
    if !host_only("an application of its own") {
        return;
    }
    for (variables, problem) in [
        (
            r#"latchkey_scope = "", latchkey_cache = "soon""#,
            "latchkey_cache",
        ),
        (r#"latchkey_audience = "a""#, "latchkey_scope"),
    ] {
        let guarded = Guarded::new("latchkey_guard", variables, CHAINED);
        let server = &guarded.server;
        let user = server.user();
        let bearer = format!("Authorization: Bearer {}", user.issue("Token", 360).token);
        for _ in 0..2 {
            let seen = get(server, "/app/x", &[&bearer]);
            assert_eq!((seen.status, seen.reached()), (503, false));
            assert!(
                seen.body.contains(r#""code":"misconfigured""#),
                "{}",
                seen.body
            );
            assert!(!seen.body.contains(problem), "{}", seen.body);
        }
        let Finished { stderr, .. } = {
            server.signal("TERM");
            server.finish()
        };
        assert!(
            stderr.contains(&format!("latchkey-guard: the variable `{problem}`")),
            "{stderr}"
        );
    }
}

#[test]
fn a_cached_answer_ends_with_its_time() {
    if !host_only("an application of its own") {
        return;
    }
    let good = format!("X-Latchkey-User: ada\r\nX-Latchkey-Token-Id: {ID}\r\n");
    let impostor = Arc::new(Impostor::new(move |_, request| {
        let expires = match request.contains("old") {
            true => "X-Latchkey-Expires: 1\r\n",
            false => "X-Latchkey-Expires: 99999999999\r\n",
        };
        Some(answer("200 OK", &format!("{good}{expires}"), "{}"))
    }));
    let url = &impostor.url;
    let variables =
        format!(r#"latchkey_scope = "", latchkey_url = "{url}", latchkey_cache = "1 hour""#);
    let guarded = Guarded::new("latchkey_guard", &variables, url);
    // One that has ended is asked about each time; the other once for each instance.
    for (key, most) in [("old", 12), ("new", 11)] {
        let before = impostor.requests().len();
        for _ in 0..12 {
            let seen = get(&guarded.server, "/app/x", &[&format!("X-Api-Key: {key}")]);
            assert_eq!(seen.status, 200);
        }
        let asked = impostor.requests().len() - before;
        assert!(
            asked <= most && (key == "new" || asked == most),
            "{key}: {asked}"
        );
    }
}

#[test]
fn a_thousand_requests_at_once() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let token = issue(server, &user.name, "many", "notes");
    let bearer = format!("Authorization: Bearer {token}");
    let statuses: Vec<_> = thread::scope(|scope| {
        let send = |number: usize| {
            let bearer = &bearer;
            // Every other one has no good token.
            move || match number % 2 {
                0 => get(server, "/notes/1", &[bearer]).status,
                _ => get(server, "/notes/1", &[&format!("{bearer}x")]).status,
            }
        };
        let clients: Vec<_> = (0..1_000).map(|number| scope.spawn(send(number))).collect();
        let clients = clients.into_iter();
        clients
            .map(|client| client.join().expect("a client"))
            .collect()
    });
    for (number, status) in statuses.into_iter().enumerate() {
        assert_eq!(status, [200, 401][number % 2], "{number}");
    }
}

#[test]
fn a_hundred_megabytes_stream_through() {
    if !host_only("an application of its own") {
        return;
    }
    const LENGTH: usize = 100 << 20;
    let server = example();
    let user = server.user();
    let token = issue(server, &user.name, "large", "notes");
    let lines = [
        format!("Authorization: Bearer {token}"),
        format!("Content-Length: {LENGTH}"),
        "Connection: close".to_owned(),
    ];
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let before = server.peak_memory();
    let mut raw = Raw::connect(server);
    raw.send(head(server, "POST /notes/echo", &lines));
    let mut writer = raw.writer();
    let sender = thread::spawn(move || {
        let chunk = vec![b'~'; 64 << 10];
        for _ in 0..LENGTH / chunk.len() {
            writer.write_all(&chunk).expect("the server reads");
        }
    });
    let mut reader = raw.writer();
    let mut bytes = vec![0; 64 << 10];
    let mut seen = 0;
    loop {
        match reader.read(&mut bytes).expect("the server answers") {
            0 => break,
            length => seen += bytes[..length].iter().filter(|byte| **byte == b'~').count(),
        }
    }
    sender.join().expect("all was sent");
    assert_eq!(seen, LENGTH);
    // Tests beside this one need some, too.
    let more = server.peak_memory() - before;
    assert!(more < LENGTH as u64 / 2, "{more} bytes more");
}
