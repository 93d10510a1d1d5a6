//! A real nginx with TLS, set up as `deploy/nginx.conf` says, and `curl` in front of it.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::nginx;
use crate::process::{Process, Stderr};
use crate::server::{Server, TOKENS, host_only};

/// The name that the file serves, and that the certificate is for.
const NAME: &str = "id.example";

struct Tls {
    https: SocketAddr,
    http: SocketAddr,
    directory: TempDir,
    _process: Process,
}

/// What `curl` received.
struct Answer {
    status: String,
    head: String,
    body: String,
}

impl Tls {
    /// Starts nginx in front of `server`, if it is installed.
    fn start(server: &Server) -> Option<Self> {
        let binary = nginx::binary()?;
        let free = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [https, http] = free.map(|free| free.local_addr().expect("an address"));
        let directory = tempfile::tempdir().expect("a directory");
        certificate(&directory);
        let site = site(server, https, http, &directory);
        fs::write(directory.path().join("site.conf"), site).expect("a file");
        let config = directory.path().join("nginx.conf");
        fs::write(&config, MAIN).expect("a file");
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory.path());
        command.arg("-e").arg(directory.path().join("error.log"));
        command.arg("-c").arg(&config);
        let tls = Self {
            https,
            http,
            directory,
            _process: Process::start(command, Stderr::Kept),
        };
        for _ in 0..1_000 {
            if TcpStream::connect(https).is_ok() {
                return Some(tls);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not start");
    }

    /// By TLS, with the certificate verified.
    fn https(&self, path: &str, options: &[&str]) -> Answer {
        let url = format!("https://{NAME}:{}{path}", self.https.port());
        self.curl(&url, options)
    }

    fn http(&self, path: &str, options: &[&str]) -> Answer {
        let url = format!("http://{NAME}:{}{path}", self.http.port());
        self.curl(&url, options)
    }

    fn curl(&self, url: &str, options: &[&str]) -> Answer {
        let text = self.output(url, &[&["-i"], options].concat());
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Answer {
            status: head.split(' ').nth(1).expect("a status").to_owned(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// What curl prints.
    fn output(&self, url: &str, options: &[&str]) -> String {
        let mut command = Command::new("curl");
        // `-q`: not the developer's ~/.curlrc.
        command.args(["-q", "-sS", "--noproxy", "*", "--max-time", "60"]);
        for port in [self.https.port(), self.http.port()] {
            command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]);
        }
        command.arg("--cacert").arg(self.path("fullchain.pem"));
        let output = command.args(options).arg(url).output().expect("curl runs");
        assert!(output.status.success(), "curl {url}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// What is around a site in `/etc/nginx/nginx.conf`, in a directory of the test's own.
const MAIN: &str = "daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    # For clients with other addresses than that of this machine.
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Address;
    include site.conf;
}
";

/// The file, with ports and paths of the test's own and nothing else changed.
fn site(server: &Server, https: SocketAddr, http: SocketAddr, directory: &TempDir) -> String {
    let mut site = include_str!("../deploy/nginx.conf").to_owned();
    let directory = directory.path().display();
    for (from, to) in [
        ("    listen [::]:80;\n", String::new()),
        ("    listen [::]:443 ssl;\n", String::new()),
        ("listen 80;", format!("listen {http};")),
        ("listen 443 ssl;", format!("listen {https} ssl;")),
        ("/etc/ssl/latchkey/", format!("{directory}/")),
        ("/var/log/nginx/", format!("{directory}/")),
        ("127.0.0.1:25441", server.authority().to_owned()),
    ] {
        assert!(site.contains(from), "{from} is not in deploy/nginx.conf");
        site = site.replace(from, &to);
    }
    site
}

/// A certificate that is its own authority.
fn certificate(directory: &TempDir) {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(["-subj", &format!("/CN={NAME}")])
        .args(["-addext", &format!("subjectAltName=DNS:{NAME}")])
        .args(["-keyout", "privkey.pem", "-out", "fullchain.pem"])
        .current_dir(directory.path())
        .output()
        .expect("openssl runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_api_through_nginx_with_tls() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let server = Server::shared();
    let Some(tls) = Tls::start(server) else {
        return;
    };
    let user = server.user();
    let credentials = format!("{}:{}", user.name, user.password);
    let json = "content-type: application/json";

    let page = tls.https("/", &[]);
    assert_eq!(page.status, "200");
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    assert!(page.head.contains("\nstrict-transport-security: max-age="));

    let body = r#"{"jwt_token_description":"Token","jwt_token_life":"1 hour"}"#;
    let created = tls.https(TOKENS, &["-u", &credentials, "-H", json, "-d", body]);
    assert_eq!(created.status, "201", "{}", created.body);
    let created: serde_json::Value = serde_json::from_str(&created.body).expect("JSON");
    let id = created["jwt_token_id"].as_str().expect("an id");
    let token = created["jwt_token"].as_str().expect("a token");

    let list = tls.https(TOKENS, &["-u", &credentials]);
    assert_eq!(list.status, "200");
    assert!(list.body.contains(id), "{}", list.body);
    let bearer = format!("authorization: Bearer {token}");
    let verified = tls.https("/api/v1alpha/verify", &["-H", &bearer]);
    assert_eq!(verified.status, "200");
    let path = format!("{TOKENS}/{id}");
    let deleted = tls.https(&path, &["-u", &credentials, "-X", "DELETE"]);
    assert_eq!(deleted.status, "200");
    let verified = tls.https("/api/v1alpha/verify", &["-H", &bearer]);
    assert_eq!(verified.status, "401");

    // nginx and Latchkey refuse with the same body.
    let large = tls.path("large");
    fs::write(&large, vec![b' '; (16 << 10) + 1]).expect("a file");
    let upload = format!("@{large}");
    let options = ["-u", &credentials, "-H", json, "--data-binary", &upload];
    let refused = tls.https(TOKENS, &options);
    assert_eq!(refused.status, "413");
    let direct = user.post(vec![b' '; (16 << 10) + 1]).expect(413);
    assert_eq!(refused.body, direct.body);

    let log = fs::read_to_string(tls.path("latchkey.log")).expect("a log");
    assert!(log.contains("POST /api/v1alpha/token"), "{log}");
    for secret in [token, &user.password] {
        assert!(!log.contains(secret), "{log}");
    }
}

/// The statuses of many requests on one connection, from this address, and with these credentials.
fn flood(tls: &Tls, address: &str, authorization: &str) -> Vec<String> {
    let path = "/api/healthz/liveness?[1-60]";
    let address = format!("x-test-address: {address}");
    let authorization = format!("authorization: {authorization}");
    let discard = tls.path("discarded");
    let statuses = [
        "-H",
        &address,
        "-H",
        &authorization,
        "-o",
        &discard,
        "-w",
        "\n%{http_code}",
    ];
    let url = format!("https://{NAME}:{}{path}", tls.https.port());
    let output = tls.output(&url, &statuses);
    let lines = output.lines().filter(|line| !line.is_empty());
    let statuses: Vec<_> = lines.map(str::to_owned).collect();
    assert_eq!(statuses.len(), 60, "{output}");
    statuses
}

#[test]
fn requests_with_a_password_have_a_limit_of_their_own() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let Some(tls) = Tls::start(Server::shared()) else {
        return;
    };
    let is_limited = |address, authorization| {
        let statuses = flood(&tls, address, authorization);
        let limited = statuses.iter().filter(|status| *status == "429").count();
        let served = statuses.iter().filter(|status| *status == "200").count();
        assert_eq!(limited + served, 60, "{statuses:?}");
        assert!(served > 0, "{statuses:?}");
        limited > 0
    };
    // "YTpi" is "a:b".
    assert!(is_limited("192.0.2.1", "bAsic YTpi"));
    // Tokens from the same address go on, and passwords from others.
    assert!(!is_limited("192.0.2.1", "Bearer x"));
    assert_eq!(flood(&tls, "192.0.2.2", "Basic YTpi")[0], "200");
    // One customer has all of a /64, and nothing of the next.
    assert!(is_limited("2001:db8:0:a0a::1", "Basic YTpi"));
    assert_eq!(flood(&tls, "2001:db8:0:a0a:1::2", "Basic YTpi")[0], "429");
    assert_eq!(flood(&tls, "2001:db8:0:a0b::1", "Basic YTpi")[0], "200");
}

#[test]
fn nothing_but_a_browser_is_sent_from_http_to_https() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let Some(tls) = Tls::start(Server::shared()) else {
        return;
    };
    let page = tls.http("/", &[]);
    assert_eq!(page.status, "308");
    let target = format!("\nlocation: https://{NAME}/");
    assert!(page.head.contains(&target), "{}", page.head);
    for path in [TOKENS, "/api/healthz/liveness"] {
        let refused = tls.http(path, &["-u", "admin:password"]);
        assert_eq!(refused.status, "403");
        assert!(!refused.head.contains("\nlocation:"), "{}", refused.head);
    }
}

#[test]
fn while_latchkey_is_away_nginx_says_so_in_json() {
    if !host_only("a server that it may end") {
        return;
    }
    let server = Server::start(crate::server::Launch::new());
    let Some(tls) = Tls::start(&server) else {
        return;
    };
    assert_eq!(tls.https("/api/healthz/liveness", &[]).status, "200");
    server.kill();
    let away = tls.https("/api/healthz/liveness", &[]);
    assert_eq!(away.status, "503");
    assert!(away.head.contains("\nretry-after: 5"), "{}", away.head);
    let body: serde_json::Value = serde_json::from_str(&away.body).expect("JSON");
    assert_eq!(body["code"], "unavailable");
}
