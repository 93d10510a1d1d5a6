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
        let mut curl = Command::new("curl");
        let text = run(curl.args(self.common()).arg("-i").args(options).arg(url));
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Answer {
            status: head.split(' ').nth(1).expect("a status").to_owned(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// The options of every request.
    fn common(&self) -> Vec<String> {
        // `-q`: not the developer's ~/.curlrc.
        let options = ["-q", "-sS", "--noproxy", "*", "--max-time", "60"];
        let mut options = options.map(str::to_owned).to_vec();
        for port in [self.https.port(), self.http.port()] {
            options.extend(["--resolve".to_owned(), format!("{NAME}:{port}:127.0.0.1")]);
        }
        options.extend(["--cacert".to_owned(), self.path("fullchain.pem")]);
        options
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

/// What a command prints.
fn run(command: &mut Command) -> String {
    let output = command.output().expect("curl runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// How many requests a client sends in one go.
const MANY: usize = 60;

/// For each client, an address and what it sends as `Authorization`: how many of [`MANY`] requests are refused.
fn refused<const N: usize>(tls: &Tls, clients: [(&str, &str); N]) -> [usize; N] {
    // One process: the limits hardly recover between two clients.
    let mut curl = Command::new("curl");
    for (number, (address, authorization)) in clients.iter().enumerate() {
        if number > 0 {
            curl.arg("--next");
        }
        curl.args(tls.common()).args(["-o", &tls.path("discarded")]);
        curl.args(["-w", "%{http_code}\n"]);
        curl.args(["-H", &format!("x-test-address: {address}")]);
        curl.args(["-H", &format!("authorization: {authorization}")]);
        let port = tls.https.port();
        let path = format!("/api/healthz/liveness?[1-{MANY}]");
        curl.arg(format!("https://{NAME}:{port}{path}"));
    }
    let output = run(&mut curl);
    let statuses: Vec<_> = output.lines().collect();
    assert_eq!(statuses.len(), MANY * N, "{output}");
    assert!(
        statuses
            .iter()
            .all(|status| ["200", "429"].contains(status))
    );
    let mut clients = statuses.chunks(MANY);
    [(); N].map(|()| {
        let statuses = clients.next().expect("as many");
        statuses.iter().filter(|status| **status == "429").count()
    })
}

#[test]
fn requests_with_a_password_have_a_limit_of_their_own() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let Some(tls) = Tls::start(Server::shared()) else {
        return;
    };
    // `YTpi` is `a:b`.
    let clients = [
        ("192.0.2.1", "bAsic YTpi"),
        ("192.0.2.1", "Bearer x"),
        ("192.0.2.2", "Basic YTpi"),
    ];
    let [passwords, tokens, others] = refused(&tls, clients);
    assert!((1..MANY).contains(&passwords), "{passwords}");
    assert_eq!(tokens, 0, "tokens of the same address");
    assert!((1..MANY).contains(&others), "{others}");

    // One customer has all of a /64, and nothing of the next. The bytes of the network are no text: one is a newline.
    let networks = [
        "2001:db8:0:a0a::1",
        "2001:db8:0:a0a:1::2",
        "2001:db8:0:a0b::1",
    ];
    let [first, same, next] = refused(&tls, networks.map(|address| (address, "Basic YTpi")));
    assert!((1..MANY).contains(&first), "{first}");
    assert!(same > first, "{same}: the address has a limit of its own");
    assert!(next < same, "{next}");
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
