//! The recipes of `docs/recipes.md`: their blocks run as they stand, at other addresses and in another directory.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::carriers::{done, has, limited, wheel};
use crate::process::{PATIENCE, Process, Stderr};
use crate::server::{Server, User, host_only};
use crate::{nginx, python};

const PAGE: &str = include_str!("../docs/recipes.md");

/// What surrounds a recipe.
struct Recipe {
    heading: &'static str,
    user: User<'static>,
    /// Where the proxy listens.
    front: String,
    /// Where the service is that it protects.
    service: String,
    directory: TempDir,
    /// Where programs are looked for first.
    programs: String,
    processes: Vec<Process>,
}

/// A port that is free.
fn free_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address");
    address.port().to_string()
}

/// Waits for `condition`.
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if condition() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("no {what}");
}

fn listens(port: &str) -> bool {
    TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
}

/// Starts a service that answers with the head of the request. Returns its port.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|length| length > 2) {}
                let length = head.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{head}"
                );
            });
        }
    });
    address.port().to_string()
}

impl Recipe {
    /// The one below `heading`, if this machine can run it.
    fn new(heading: &'static str) -> Option<Self> {
        if !host_only("a server that a proxy can reach") || !has("curl") {
            return None;
        }
        let latchkey = Path::new(env!("CARGO_BIN_EXE_latchkey"));
        let programs = latchkey.parent().expect("a directory");
        Some(Self {
            heading,
            user: Server::shared().user(),
            front: free_port(),
            service: echo(),
            directory: tempfile::tempdir().expect("a directory"),
            programs: programs.display().to_string(),
            processes: Vec::new(),
        })
    }

    /// Its block of this language and number, from 0, with the addresses and paths of this test.
    fn block(&self, language: &str, number: usize) -> String {
        let heading = format!("# {}\n", self.heading);
        let (_, mut text) = PAGE.split_once(&heading).expect("the heading");
        let begin = format!("```{language}\n");
        for _ in 0..=number {
            (_, text) = text.split_once(&begin).expect("the block");
        }
        let (block, _) = text.split_once("\n```").expect("its end");
        let mut block = block.to_owned();
        let (_, latchkey) = (self.user.server.authority().split_once(':')).expect("a port");
        for (of_page, here) in [
            ("25441", latchkey),
            ("8000", &self.front),
            ("8001", &self.service),
            ("8080", &self.service),
            ("9464", &self.service),
        ] {
            for before in [":", ": ", "port="] {
                let here = format!("{before}{here}");
                block = block.replace(&format!("{before}{of_page}"), &here);
            }
        }
        let here = format!("{}/", self.directory.path().display());
        for of_page in ["/etc/prometheus/", "/run/", "/srv/"] {
            block = block.replace(of_page, &here);
        }
        if let Ok(output) = Command::new("git").arg("--exec-path").output() {
            let here = String::from_utf8_lossy(&output.stdout);
            block = block.replace("/usr/lib/git-core", here.trim_end());
        }
        block.replace("login admin", &format!("login {}", self.user.name))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).expect("a file")
    }

    /// A shell in the recipe's directory, for its user.
    fn sh(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-ec", script]);
        command.current_dir(self.directory.path());
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", self.programs));
        command.env("HOME", self.directory.path());
        command.env("LATCHKEY_URL", &self.user.server.url);
        let User { name, password, .. } = &self.user;
        command.env("LATCHKEY_USER", format!("{name}:{password}"));
        // Nothing that this machine has configured.
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_TERMINAL_PROMPT", "0");
        command.env("PIP_CONFIG_FILE", "/dev/null");
        command.env("PIP_NO_CACHE_DIR", "1");
        command.env_remove("NETRC").env_remove("XDG_CONFIG_HOME");
        command
    }

    fn run(&self, script: &str) -> Output {
        self.sh(script).output().expect("a shell")
    }

    fn start(&mut self, command: Command) {
        self.processes.push(Process::start(command, Stderr::Kept));
    }

    /// Starts nginx with the recipe's block; returns whether it is installed.
    fn start_nginx(&mut self) -> bool {
        let Some(binary) = nginx::binary() else {
            return false;
        };
        self.write("nginx.conf", &nginx::with_servers(&self.block("nginx", 0)));
        let directory = self.directory.path();
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory);
        command.arg("-e").arg(directory.join("error.log"));
        command.arg("-c").arg(directory.join("nginx.conf"));
        self.start(command);
        until("nginx", || listens(&self.front));
        true
    }

    /// Starts the program of the recipe's command with its configuration.
    fn start_proxy(&mut self, language: &str, file: &str) {
        self.write(file, &self.block(language, 0));
        let command = self.sh(&format!("exec {}", self.block("sh", 0)));
        self.start(command);
    }

    /// Status and body of what the proxy answers.
    fn get(&self, path: &str, headers: &[&str]) -> (String, String) {
        let mut command = Command::new("curl");
        command.args(["-q", "-s", "--path-as-is", "-w", "%{http_code}"]);
        for header in headers {
            command.args(["-H", header]);
        }
        command.arg(format!("http://127.0.0.1:{}{path}", self.front));
        let output = command.output().expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, status) = text.split_at(text.len() - 3);
        (status.to_owned(), body.to_owned())
    }

    /// Whether a proxy demands `read` everywhere and `admin` below `/admin`.
    fn demands_by_location(self) {
        let issue = |name, scope| limited(&self.user, name, [("jwt_token_scope", scope)]);
        let reader = issue("reader", "read");
        let admin = issue("admin", "read admin");
        let other = issue("other", "admin");
        let every = self.user.issue("every", 360).token;
        until(self.heading, || self.get("/", &[]).0 == "401");
        let name = format!("x-latchkey-user: {}", self.user.name);
        for (token, path, expected) in [
            (&reader, "/", "200"),
            (&reader, "/x/admin/?scope=admin&audience=x", "200"),
            (&reader, "/admin/", "403"),
            (&admin, "/", "200"),
            (&admin, "/admin/?scope=other", "200"),
            (&other, "/", "403"),
            (&other, "/admin/", "403"),
            (&every, "/admin/", "200"),
            (&format!("{reader}x"), "/", "401"),
        ] {
            for carrier in ["Authorization: Bearer", "X-Api-Key:"] {
                let header = format!("{carrier} {token}");
                let (status, body) = self.get(path, &[&header, "X-Latchkey-User: impostor"]);
                assert_eq!(status, expected, "{} {path} {carrier}", self.heading);
                if status == "200" {
                    let seen = body.to_lowercase();
                    let told: Vec<_> = (seen.lines())
                        .filter(|line| line.starts_with("x-latchkey-user:"))
                        .collect();
                    assert_eq!(told, [&name], "{}", self.heading);
                    assert!(!body.contains(token), "{} {body}", self.heading);
                }
            }
        }
        let bearer = format!("Authorization: Bearer {reader}");
        for path in [
            "/admin",
            "//admin/",
            "/./admin/",
            "/%61dmin/",
            "/x/../admin/",
            "/x/%2e%2e/admin/",
            "/%2fadmin/",
            "/x/..%2fadmin/",
        ] {
            let (status, body) = self.get(path, &[&bearer]);
            let refused = status == "403" || status == "400";
            assert!(refused, "{} {path} {status} {body}", self.heading);
        }
        for name in ["X_Latchkey_User", "X_Latchkey-User", "X-Latchkey_User"] {
            let (status, body) = self.get("/", &[&bearer, &format!("{name}: impostor")]);
            let ignored = status == "200" && !body.contains("impostor");
            assert!(ignored || status == "400", "{} {body}", self.heading);
        }
        for id in self.user.ids() {
            self.user.delete(&id).expect(200);
        }
        assert_eq!(self.get("/", &[&bearer]).0, "401", "at the next request");
    }
}

#[test]
fn nginx_demands_scopes_by_location() {
    if let Some(mut recipe) = Recipe::new("nginx")
        && recipe.start_nginx()
    {
        recipe.demands_by_location();
    }
}

#[test]
fn traefik_demands_scopes_by_location() {
    if let Some(mut recipe) = Recipe::new("Traefik")
        && has("traefik")
    {
        recipe.start_proxy("yaml", "dynamic.yaml");
        recipe.demands_by_location();
    }
}

#[test]
fn caddy_demands_scopes_by_location() {
    if let Some(mut recipe) = Recipe::new("Caddy")
        && has("caddy")
    {
        recipe.start_proxy("caddy", "Caddyfile");
        recipe.demands_by_location();
    }
}

#[test]
fn envoy_demands_scopes_by_location() {
    if let Some(mut recipe) = Recipe::new("Envoy")
        && has("envoy")
    {
        recipe.start_proxy("yaml", "envoy.yaml");
        recipe.demands_by_location();
    }
}

#[test]
fn git_over_http() {
    // Where Debian has it, which is not on everybody's path.
    let fcgiwrap = "/usr/sbin/fcgiwrap";
    let Some(mut recipe) = Recipe::new("git over HTTP") else {
        return;
    };
    if !has("git") || !has(fcgiwrap) {
        return;
    }
    let socket = recipe.directory.path().join("fcgiwrap.socket");
    let mut command = Command::new(fcgiwrap);
    command.args(["-s", &format!("unix:{}", socket.display())]);
    recipe.start(command);
    until("socket", || socket.exists());
    if !recipe.start_nginx() {
        return;
    }
    done(&recipe.run("mkdir git"));
    done(&recipe.run(&recipe.block("sh", 0)));
    let commit = "git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a";
    done(&recipe.run(&format!("cd demo; {commit}; git push -q origin HEAD")));
    assert!(!recipe.read("demo/.git/config").contains("token"));

    let reads = limited(&recipe.user, "reads", [("jwt_token_scope", "git:read")]);
    let url = format!(
        "http://token:{reads}@127.0.0.1:{}/git/demo.git",
        recipe.front
    );
    done(&recipe.run(&format!("git clone -q {url} reader; cd reader; git log")));
    let refused = recipe.run(&format!("cd reader; {commit}; git push -q origin HEAD"));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("403"), "{said}");
}

#[test]
fn a_private_pypi_index() {
    let Some(mut recipe) = Recipe::new("A private PyPI index") else {
        return;
    };
    let Some(python) = python::with("pyjwt", &["pyjwt[crypto]>=2.10,<3"]) else {
        return;
    };
    if !recipe.start_nginx() {
        return;
    }
    recipe.programs = format!(
        "{}:{}",
        python.parent().expect("a directory").display(),
        recipe.programs
    );
    let project = recipe.directory.path().join("pypi/simple/latchkey-demo");
    fs::create_dir_all(&project).expect("a directory");
    wheel(&python, &project);
    let script = recipe.block("sh", 0);
    done(&recipe.run(&script));
    let file = "latchkey_demo-1.0-py3-none-any.whl";
    let downloaded = recipe.directory.path().join(file);
    fs::remove_file(downloaded).expect("it was downloaded");
    let other = script.replace("create pip", "create other");
    let other = other.replace("--audience pypi", "--audience npm");
    assert!(!recipe.run(&other).status.success());
}

#[test]
fn an_mcp_server() {
    let Some(mut recipe) = Recipe::new("An MCP server") else {
        return;
    };
    let Some(python) = python::with("mcp", &["mcp==2.3.0"]) else {
        return;
    };
    recipe.service = free_port();
    if !recipe.start_nginx() {
        return;
    }
    recipe.programs = format!(
        "{}:{}",
        python.parent().expect("a directory").display(),
        recipe.programs
    );
    recipe.write("server.py", &recipe.block("python", 0));
    recipe.write("client.py", &recipe.block("python", 1));
    let script = recipe.block("sh", 0);
    let (server, client) = script.split_once(" &\n").expect("two parts");
    let command = recipe.sh(&format!("exec {server}"));
    recipe.start(command);
    until("server", || listens(&recipe.service));
    let output = recipe.run(client);
    done(&output);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n");
    let other = client.replace("create mcp", "create other");
    let other = other.replace("--audience mcp", "--audience mail");
    assert!(!recipe.run(&other).status.success());
}

/// Prometheus itself is not started: curl scrapes in its place.
#[test]
fn a_token_that_renews_itself() {
    let Some(mut recipe) = Recipe::new("Prometheus") else {
        return;
    };
    if !recipe.start_nginx() {
        return;
    }
    let commands = recipe.block("sh", 1);
    let create = commands.lines().next().expect("a command");
    done(&recipe.run(create));
    let old = recipe.read("token");
    assert_eq!(recipe.get("/metrics", &[]).0, "401");

    recipe.heading = "A token that renews itself";
    recipe.write("netrc", &recipe.block("", 0));
    let script = format!("unset LATCHKEY_USER\n{}", recipe.block("sh", 0));
    done(&recipe.run(&format!("chmod 600 netrc\n{script}")));
    let new = recipe.read("token");
    assert_ne!(old, new);
    for token in [&old, &new] {
        let header = format!("Authorization: Bearer {}", token.trim_end());
        assert_eq!(recipe.get("/metrics", &[&header]).0, "200");
    }
    let file = fs::metadata(recipe.directory.path().join("token")).expect("the file");
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    // Which of the two is to be replaced is not clear now, and the file stays.
    assert!(!recipe.run(&script).status.success());
    assert_eq!(recipe.read("token"), new);
}
