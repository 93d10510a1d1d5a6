//! What carries a token: headers by themselves, and the programs that people use, behind a real nginx.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::cases::Cases;
use crate::client::basic;
use crate::process::{Process, Stderr};
use crate::python;
use crate::raw::ask;
use crate::server::{Server, User, host_only};
use crate::verify::VERIFY;

#[test]
fn three_headers_carry_a_token_and_two_at_once_carry_none() {
    let user = Server::shared().user();
    let token = user.issue("Token", 360).token;
    let of = |name: &str, password: &str| format!("Authorization: {}", basic(name, password));
    let bearer = format!("Authorization: Bearer {token}");
    let key = format!("X-Api-Key: {token}");
    let invalid = (401, "invalid_token");
    let nothing = (401, "unauthorized");
    let malformed = (401, "invalid_request");
    let mut cases = Cases::default();
    for (headers, expected) in [
        (vec![bearer.clone()], (200, "")),
        (vec![key.clone()], (200, "")),
        (vec![of(&user.name, &token)], (200, "")),
        (vec![of("token", &token)], (200, "")),
        (vec![of("", &token)], (200, "")),
        (vec![of("another", &token)], invalid),
        (vec![of(&user.name, "x.y.z")], invalid),
        (vec!["X-Api-Key: x".to_owned()], invalid),
        // The password of the user, which is not looked at.
        (vec![user.authorization()], nothing),
        (vec![of(&user.name, "wrong")], nothing),
        (vec![of(&token, "")], nothing),
        (vec![bearer.clone(), key.clone()], malformed),
        (vec![of("token", &token), key.clone()], malformed),
        (vec![key.clone(), key.clone()], malformed),
        (vec!["X-Api-Key:".to_owned()], malformed),
    ] {
        let lines: Vec<_> = headers.iter().map(String::as_str).collect();
        for (query, challenges) in [("", 1), ("?challenge=basic", 2)] {
            let answer = ask(user.server, &format!("GET {VERIFY}{query}"), &lines);
            let (status, code) = expected;
            cases.check(&headers, answer.outcome(), (status, code.to_owned()));
            let asked: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            let expected = if status == 200 { 0 } else { challenges };
            cases.check(&headers, asked.len(), expected);
            if asked.len() == 2 {
                cases.check(&headers, asked[0].as_bytes(), br#"Basic realm="latchkey""#);
            }
        }
    }
}

/// nginx that asks Latchkey, for a location each with a demand of its own.
struct Front {
    authority: String,
    directory: TempDir,
    _process: Process,
}

impl Front {
    /// In front of files in `files`, and of `git` for the repositories.
    fn start(server: &Server, git: &str) -> Option<Self> {
        let binary = crate::nginx::binary()?;
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let authority = free.local_addr().expect("an address").to_string();
        drop(free);
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("files")).expect("a directory");
        let ask = |name: &str, query: &str| {
            format!(
                "location = /_{name} {{
                    internal;
                    proxy_pass {}{VERIFY}?{query};
                    proxy_pass_request_body off;
                    proxy_set_header Content-Length \"\";
                }}",
                server.url
            )
        };
        let asks = [
            ask("git_read", "scope=git:read&challenge=basic"),
            ask("git_write", "scope=git:write&challenge=basic"),
            ask("pip", "audience=pip&challenge=basic"),
        ];
        let servers = format!(
            r#"
    server {{
        listen {authority};
        root files;
        {}
        location /git/ {{
            auth_request /_git_read;
            proxy_pass http://{git}/;
        }}
        # Which a client asks for before it pushes, and the push itself.
        location ~ ^/git/.*/git-receive-pack$ {{
            auth_request /_git_write;
            rewrite ^/git(/.*)$ $1 break;
            proxy_pass http://{git};
        }}
        location /simple/ {{
            auth_request /_pip;
            autoindex on;
        }}
        location /v2/ {{
            auth_request /_pip;
            default_type application/json;
            try_files /registry.json =404;
        }}
    }}
"#,
            asks.join("\n        ")
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, crate::nginx::with_servers(&servers)).expect("a file");
        fs::write(directory.path().join("files/registry.json"), "{}").expect("a file");
        let mut command = Command::new(binary);
        command.arg("-p").arg(directory.path());
        command.arg("-e").arg(directory.path().join("error.log"));
        command.arg("-c").arg(&file);
        let front = Self {
            authority,
            directory,
            _process: Process::start(command, Stderr::Kept),
        };
        for _ in 0..1_000 {
            if TcpStream::connect(&front.authority).is_ok() {
                return Some(front);
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not start");
    }
}

/// A token of `user` with these limits.
pub fn limited(user: &User<'_>, name: &str, limits: [(&str, &str); 1]) -> String {
    let mut body = json!({"jwt_token_description": name, "jwt_token_life": 360});
    for (field, value) in limits {
        body[field] = value.into();
    }
    user.post(body.to_string()).expect(201).text("jwt_token")
}

/// Whether a program is there; says that a test is skipped where it is not.
pub fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        // Past the capture of `eprintln!`.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
    }
    found
}

/// Serves the repositories in `directory` by `git http-backend`, as CGI (RFC 3875) has it. Returns its address.
fn serve_git(directory: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let directory = directory.to_owned();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let directory = directory.clone();
            thread::spawn(move || connection.map(|mut stream| serve_cgi(&mut stream, &directory)));
        }
    });
    address
}

fn serve_cgi(stream: &mut TcpStream, directory: &Path) {
    let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
    let mut line = String::new();
    reader.read_line(&mut line).expect("a request");
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env("REQUEST_METHOD", method);
    command.env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("GIT_PROJECT_ROOT", directory);
    command.env("GIT_HTTP_EXPORT_ALL", "1");
    // nginx has asked; this only says that there is somebody who may push.
    command.env("REMOTE_USER", "somebody");
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match &name.to_ascii_lowercase()[..] {
            "content-length" => length = value.parse().expect("a number"),
            "content-type" => drop(command.env("CONTENT_TYPE", value)),
            "content-encoding" => drop(command.env("HTTP_CONTENT_ENCODING", value)),
            "git-protocol" => drop(command.env("HTTP_GIT_PROTOCOL", value)),
            _ => {}
        }
    }
    command.env("CONTENT_LENGTH", length.to_string());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("git runs");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = thread::spawn(move || stdin.write_all(&body));
    let output = child.wait_with_output().expect("git ends").stdout;
    let _ = writer.join();
    // Its first lines are headers, the status among them.
    let text = String::from_utf8_lossy(&output);
    let status = text.lines().find_map(|line| line.strip_prefix("Status: "));
    let status = format!("HTTP/1.0 {}\r\n", status.unwrap_or("200 OK"));
    let _ = stream.write_all(&[status.as_bytes(), &output[..]].concat());
}

/// Git without anything that this machine's user has configured.
pub fn git(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=a", "-c", "user.email=a@b"]);
    command.args(args).current_dir(directory);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_TERMINAL_PROMPT", "0");
    command
        .env("HOME", "/nonexistent")
        .env_remove("GIT_ASKPASS");
    command.output().expect("git runs")
}

/// Fails where a program has.
#[track_caller]
pub fn done(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn git_reads_and_writes_by_what_its_token_may() {
    if !host_only("a server that nginx can reach") || !has("git") {
        return;
    }
    let server = Server::shared();
    let work = tempfile::tempdir().expect("a directory");
    let repositories = work.path().join("repositories");
    fs::create_dir(&repositories).expect("a directory");
    done(&git(
        &repositories,
        &["init", "-q", "--bare", "-b", "main", "a.git"],
    ));
    let Some(front) = Front::start(server, &serve_git(&repositories)) else {
        return;
    };
    let user = server.user();
    let reads = limited(&user, "reads", [("jwt_token_scope", "git:read")]);
    let writes = limited(&user, "writes", [("jwt_token_scope", "git:read git:write")]);
    let other = limited(&user, "other", [("jwt_token_scope", "mail")]);
    let url =
        |name: &str, token: &str| format!("http://{name}:{token}@{}/git/a.git", front.authority);
    let clone = |url: &str, into: &str| git(work.path(), &["clone", "-q", url, into]);

    done(&clone(&url("token", &writes), "one"));
    let one = work.path().join("one");
    fs::write(one.join("file"), "x".repeat(100_000)).expect("a file");
    done(&git(&one, &["add", "file"]));
    done(&git(&one, &["commit", "-qm", "a file"]));
    done(&git(&one, &["push", "-q", "origin", "HEAD:main"]));

    done(&clone(&url(&user.name, &reads), "two"));
    let two = work.path().join("two");
    let read = fs::read_to_string(two.join("file")).expect("the file");
    assert_eq!(read.len(), 100_000);
    done(&git(&two, &["commit", "-q", "--allow-empty", "-m", "more"]));
    let refused = git(&two, &["push", "-q", "origin", "HEAD:main"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("403"), "{said}");

    for (name, token, why) in [
        ("token", &other, "403"),
        ("another", &reads, "Authentication failed"),
        ("token", &format!("{reads}x"), "Authentication failed"),
    ] {
        let refused = clone(&url(name, token), "three");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
    for id in user.ids() {
        user.delete(&id).expect(200);
    }
    let refused = git(&two, &["fetch", "-q"]);
    assert!(!refused.status.success(), "at the very next request");
}

#[test]
fn curl_and_docker_send_a_token_as_a_password() {
    if !host_only("a server that nginx can reach") || !has("curl") {
        return;
    }
    let server = Server::shared();
    let Some(front) = Front::start(server, "127.0.0.1:1") else {
        return;
    };
    let user = server.user();
    let token = limited(&user, "pip", [("jwt_token_audience", "pip")]);
    let wrong = limited(&user, "git", [("jwt_token_audience", "git")]);
    let url = format!("http://{}/v2/", front.authority);
    let curl = |args: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-q", "-s", "-o", "-", "-D", "-"]);
        let output = command.args(args).arg(&url).output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let status = |args: &[&str]| curl(args).split(' ').nth(1).map(str::to_owned);
    for (args, expected) in [
        (&["-u", &format!("token:{token}")][..], "200"),
        (&["-u", &format!("{}:{token}", user.name)], "200"),
        (&["-u", &format!(":{token}")], "200"),
        (&["-H", &format!("X-Api-Key: {token}")], "200"),
        (&["-H", &format!("Authorization: Bearer {token}")], "200"),
        (&["-u", &format!("token:{wrong}")], "403"),
        (&["-u", &format!("another:{token}")], "401"),
        (&["-u", &format!("{}:{}", user.name, user.password)], "401"),
        (&["-H", "Authorization: Bearer"], "401"),
        (&["-H", "Authorization: Bearer a b"], "401"),
    ] {
        assert_eq!(status(args).as_deref(), Some(expected), "{args:?}");
    }
    // `docker login` asks for what is to be sent, and sends it then.
    let asked = curl(&[]).to_lowercase();
    assert!(asked.starts_with("http/1.1 401"), "{asked}");
    let challenge = "www-authenticate: basic realm=\"latchkey\"";
    assert!(asked.contains(challenge), "{asked}");
    let login = format!("token:{token}");
    let both = curl(&["--anyauth", "-u", &login]);
    let statuses: Vec<_> = (both.lines())
        .filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3))
        .collect();
    assert_eq!(statuses, ["401", "200"], "{both}");
}

/// Makes the package `latchkey-demo` in `directory`.
pub fn wheel(python: &Path, directory: &Path) {
    let script = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + '/latchkey_demo-1.0-py3-none-any.whl', 'w') as wheel:
    info = 'latchkey_demo-1.0.dist-info/'
    wheel.writestr('latchkey_demo.py', '')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: latchkey-demo\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', '')
";
    let mut command = Command::new(python);
    command.args(["-c", script]).arg(directory);
    done(&command.output().expect("Python runs"));
}

#[test]
fn pip_installs_from_an_index_behind_nginx() {
    if !host_only("a server that nginx can reach") {
        return;
    }
    let server = Server::shared();
    let Some(python) = python::with("pyjwt", &["pyjwt[crypto]>=2.10,<3"]) else {
        return;
    };
    let Some(front) = Front::start(server, "127.0.0.1:1") else {
        return;
    };
    let user = server.user();
    let token = limited(&user, "pip", [("jwt_token_audience", "pip")]);
    let wrong = limited(&user, "git", [("jwt_token_audience", "git")]);
    let package = front.directory.path().join("files/simple/latchkey-demo");
    fs::create_dir_all(&package).expect("a directory");
    wheel(&python, &package);
    let download = |token: &str| {
        let index = format!("http://token:{token}@{}/simple/", front.authority);
        let mut command = Command::new(&python);
        command.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--isolated",
            "--no-cache-dir",
        ]);
        command.args(["--no-input", "--retries", "0", "--index-url", &index, "-d"]);
        command
            .arg(front.directory.path().join("got"))
            .arg("latchkey-demo");
        command.output().expect("pip runs")
    };
    assert!(!download(&wrong).status.success());
    assert!(!download("x.y.z").status.success());
    done(&download(&token));
    let got = "got/latchkey_demo-1.0-py3-none-any.whl";
    assert!(front.directory.path().join(got).exists());
}
