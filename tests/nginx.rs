//! A real nginx with `auth_request` in front of a page, set up as the README says.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use ureq::http;

use crate::process::{Process, Stderr};
use crate::server::{Server, host_only};

/// nginx with a page that shows the user it was told.
struct Nginx {
    url: String,
    _process: Process,
    _directory: TempDir,
}

/// The program; `None`, and a line on stderr, where nginx is not installed. In CI it always is.
pub fn binary() -> Option<&'static str> {
    let binary = ["nginx", "/usr/sbin/nginx"]
        .into_iter()
        .find(|binary| Command::new(binary).arg("-v").output().is_ok());
    if binary.is_none() {
        assert!(std::env::var_os("CI").is_none(), "nginx is not installed");
        // Past the capture of `eprintln!`.
        let _ = writeln!(std::io::stderr(), "SKIPPED: nginx is not installed");
    }
    binary
}

impl Nginx {
    /// Starts one in front of `server`, if it is installed.
    fn start(server: &Server) -> Option<Self> {
        let binary = binary()?;
        let [front, page] = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let [front, page] = [front, page].map(|free| free.local_addr().expect("an address"));
        let directory = tempfile::tempdir().expect("a directory");
        let config = directory.path().join("nginx.conf");
        fs::write(
            &config,
            config_text(server, &front.to_string(), &page.to_string()),
        )
        .expect("a file");
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory.path());
        command.arg("-e").arg(directory.path().join("error.log"));
        command.arg("-c").arg(&config);
        let nginx = Self {
            url: format!("http://{front}"),
            _process: Process::start(command, Stderr::Kept),
            _directory: directory,
        };
        for _ in 0..1_000 {
            if server.agent.get(&nginx.url).call().is_ok() {
                return Some(nginx);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not start");
    }
}

/// nginx that hands everything on to `target`, and its address. It ends with the process.
pub fn in_front(server: &Server, target: &str) -> Option<(String, Process, TempDir)> {
    let binary = binary()?;
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let front = free.local_addr().expect("an address");
    drop(free);
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("nginx.conf");
    let text = format!("server {{ listen {front}; location / {{ proxy_pass {target}; }} }}");
    fs::write(&config, with_servers(&text)).expect("a file");
    let mut command = Command::new(binary);
    command.arg("-p").arg(directory.path());
    command.arg("-e").arg(directory.path().join("error.log"));
    command.arg("-c").arg(&config);
    let process = Process::start(command, Stderr::Kept);
    let url = format!("http://{front}");
    for _ in 0..1_000 {
        if server.agent.get(&url).call().is_ok() {
            return Some((url, process, directory));
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("nginx does not start");
}

/// The two locations are those of the README.
fn config_text(server: &Server, front: &str, page: &str) -> String {
    let readme = include_str!("../README.md");
    let (_, block) = readme.split_once("```nginx\n").expect("the block");
    let (locations, _) = block.split_once("```").expect("its end");
    assert_eq!(locations.lines().count(), 10, "ten lines");
    let locations = locations
        .replace("http://127.0.0.1:8080", &format!("http://{page}"))
        .replace("http://127.0.0.1:25441", &server.url);
    with_servers(&format!(
        r#"
    server {{
        listen {front};
        {locations}
    }}
    server {{
        listen {page};
        default_type text/plain;
        return 200 "page of $http_x_latchkey_user by $request_method";
    }}
"#
    ))
}

/// A configuration with these `server` blocks, which keeps what it writes in the directory of `-p`.
pub fn with_servers(servers: &str) -> String {
    format!(
        "daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {servers}
}}
"
    )
}

#[test]
fn nginx_lets_in_whoever_has_a_good_token() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let server = Server::shared();
    let Some(nginx) = Nginx::start(server) else {
        return;
    };
    let user = server.user();
    let issued = user.issue("Token", 360);
    let send = |method: &str, authorization: Option<&str>| {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}/some/page?x=y", nginx.url))
            // What a client says of itself does not reach the page.
            .header("x-latchkey-user", "root");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let body = if method == "POST" { "a body" } else { "" };
        let mut answer = server
            .agent
            .run(request.body(body).expect("a valid request"))
            .expect("an answer");
        let challenge = answer
            .headers()
            .get("www-authenticate")
            .map(|value| value.to_str().expect("text").to_owned());
        let body = answer.body_mut().read_to_string().expect("a body");
        (
            answer.status().as_u16(),
            challenge.unwrap_or_default(),
            body,
        )
    };
    let bearer = format!("Bearer {}", issued.token);

    let (status, challenge, _) = send("GET", None);
    assert_eq!(
        (status, &challenge[..]),
        (401, r#"Bearer realm="latchkey""#)
    );
    for method in ["GET", "POST", "DELETE"] {
        let (status, _, body) = send(method, Some(&bearer));
        assert_eq!(status, 200);
        assert_eq!(body, format!("page of {} by {method}", user.name));
    }
    let (status, challenge, _) = send("GET", Some(&format!("{bearer}x")));
    assert_eq!(status, 401);
    assert!(
        challenge.contains(r#"error="invalid_token""#),
        "{challenge}"
    );

    user.delete(&issued.id).expect(200);
    assert_eq!(
        send("GET", Some(&bearer)).0,
        401,
        "at the very next request"
    );
}
