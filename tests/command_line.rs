//! The command line of the host.

use std::net::TcpListener;
use std::process::Command;

use regex::Regex;

use crate::cases::Cases;
use crate::process::{Finished, Process, Stderr, latchkey};
use crate::raw::{Raw, head};
use crate::server::{HASH, Launch, PASSWORD, Server, TOKENS, host_only};

fn run<const N: usize>(args: [&str; N]) -> Finished {
    Process::start(latchkey(args), Stderr::Kept).finish()
}

#[test]
fn ready_when_it_says_so() {
    if !host_only("a server of its own") {
        return;
    }
    let server = Server::start(Launch::new());
    assert_eq!(server.greeting, [""; 0], "one line, and no other before it");
    let form = Regex::new("^http://127\\.0\\.0\\.1:[1-9][0-9]*$").expect("a valid pattern");
    assert!(form.is_match(&server.url), "{}", server.url);
    server.user().list().refused(404, "no_tokens");
    server.signal("TERM");
    let finished = server.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(
        finished.stdout + &finished.stderr,
        "",
        "and no other after it"
    );
}

#[test]
fn listens_where_it_is_told() {
    if !host_only("a server of its own") {
        return;
    }
    Server::shared();
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a free port")
        .local_addr()
        .expect("an address")
        .to_string();
    let mut process = Process::start(
        latchkey([
            "up", "--listen", &free, "--store", "memory:", "--user", "ada:pw",
        ]),
        Stderr::Kept,
    );
    let line = process.line(crate::process::PATIENCE);
    assert_eq!(line, Some(format!("Listening on http://{free}\n")));
}

#[test]
fn listens_on_names_and_on_every_address() {
    if !host_only("a server of its own") {
        return;
    }
    Server::shared();
    for (listen, host) in [("localhost:0", "127.0.0.1"), (":0", "0.0.0.0")] {
        let mut process = Process::start(
            latchkey([
                "up",
                "--listen",
                listen,
                "--metrics",
                listen,
                "--store",
                "memory:",
                "--user",
                "ada:pw",
            ]),
            Stderr::Kept,
        );
        let metrics = process.stderr_line();
        assert!(
            metrics.starts_with(&format!("Metrics on http://{host}:")),
            "{metrics}"
        );
        let line = process.line(crate::process::PATIENCE).unwrap_or_default();
        let address = line
            .trim_end()
            .strip_prefix(&format!("Listening on http://{host}:"));
        let port = address.unwrap_or_else(|| panic!("{line}"));
        let reached = std::net::TcpStream::connect(format!("localhost:{port}"));
        assert!(reached.is_ok(), "{listen}: {reached:?}");
    }
}

#[test]
fn ends_on_either_signal() {
    if !host_only("a server that it may end") {
        return;
    }
    for signal in ["TERM", "INT"] {
        let server = Server::start(Launch::new());
        server.user().issue("Token", 360);
        // A connection that is open but idle delays nothing.
        let mut idle = Raw::connect(&server);
        server.signal(signal);
        let finished = server.finish();
        assert_eq!(finished.status.code(), Some(0), "{signal}: {finished:?}");
        assert_eq!(finished.stderr, "", "{signal}");
        idle.closed();
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    if !host_only("a server that it may end") {
        return;
    }
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let server = Server::start(Launch::new());
        let user = server.user();
        // A request in flight, whose body never comes.
        let headers = [
            &user.authorization(),
            "Content-Type: application/json",
            "Content-Length: 10",
            "Expect: 100-continue",
        ];
        let request = format!("POST {TOKENS}");
        let mut raw = Raw::connect(&server);
        raw.send(head(&server, &request, &headers));
        assert_eq!(raw.any_response(&request).expect("an answer").status, 100);

        server.signal("TERM");
        // Nothing is listening any more: the signal has been acted on.
        while std::net::TcpStream::connect(server.authority()).is_ok() {
            std::thread::yield_now();
        }
        server.signal(signal);
        let finished = server.finish();
        assert_eq!(finished.status.code(), Some(code), "{signal}: {finished:?}");
    }
}

#[test]
fn requests_in_flight_are_answered() {
    if !host_only("a server that it may end") {
        return;
    }
    let server = Server::start(Launch::new());
    let user = server.user();
    let body = r#"{"jwt_token_description":"Token","jwt_token_life":360}"#;
    let length = format!("Content-Length: {}", body.len());
    let headers = [
        &user.authorization(),
        "Content-Type: application/json",
        &length,
        "Expect: 100-continue",
    ];
    let request = format!("POST {TOKENS}");
    let mut raw = Raw::connect(&server);
    raw.send(head(&server, &request, &headers));
    // Said when the body is asked for: the request is in flight now.
    assert_eq!(raw.any_response(&request).expect("an answer").status, 100);

    server.signal("TERM");
    // Nothing is listening any more: the signal has been acted on.
    while std::net::TcpStream::connect(server.authority()).is_ok() {
        std::thread::yield_now();
    }
    raw.send(body);
    raw.response(&request).expect(201);
    raw.closed();
    drop(user);
    assert_eq!(server.finish().status.code(), Some(0));
}

#[test]
fn an_administrator_where_there_are_no_users() {
    if !host_only("a server without users") {
        return;
    }
    let passwords = [(); 2].map(|()| {
        let server = Server::start(Launch::new().users(None));
        let said = server.stderr_line();
        let signs_in = |word: &&str| server.named("admin", word).signs_in();
        // It is said last; guesses are refused after a few.
        let password = said.split_whitespace().rev().find(signs_in);
        let password = password.unwrap_or_else(|| panic!("admin cannot sign in: {said}"));
        assert!(said.contains("admin") && password.len() >= 16, "{said}");

        // Printed once, and nowhere else.
        server.signal("TERM");
        let finished = server.finish();
        let rest = server.greeting.concat() + &finished.stdout + &finished.stderr;
        assert!(!rest.contains(password), "{rest}");
        password.to_owned()
    });
    assert_ne!(passwords[0], passwords[1], "the password is random");
}

#[test]
fn no_administrator_where_there_are_users() {
    if !host_only("servers of its own") {
        return;
    }
    let by_variable = Launch::new().users(Some(&format!("ada:{HASH}")));
    let by_option = Launch::new().users(None).arg("--user").arg("ada:password");
    for launch in [by_variable, by_option] {
        let server = Server::start(launch);
        assert!(server.named("ada", PASSWORD).signs_in());
        server.signal("TERM");
        let finished = server.finish();
        assert!(
            !(server.greeting.concat() + &finished.stderr).contains("admin"),
            "{finished:?}"
        );
    }
}

#[test]
fn no_administrator_where_users_are_given_and_there_are_none() {
    if !host_only("servers of its own") {
        return;
    }
    Server::shared();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    std::fs::write(path, " \n").expect("a file");
    let unset = "set the variable `users`";
    for (launch, code, reason) in [
        (Launch::new().users(Some("")), 1, unset),
        (
            Launch::new().users(Some(&format!("@{path}"))),
            2,
            "the file of the variable `users` is empty",
        ),
        (
            Launch::new().users(None).env("SPIN_VARIABLE_USERS", ""),
            1,
            unset,
        ),
    ] {
        let finished = launch.spawn(Stderr::Kept).finish();
        assert_eq!(
            (finished.status.code(), finished.stdout.as_str()),
            (Some(code), ""),
            "{finished:?}"
        );
        let said = &finished.stderr;
        assert!(said.contains(reason), "{said}");
        assert!(!said.contains("admin"), "{said}");
    }
}

#[test]
fn what_cannot_work_is_one_line_and_an_exit_code() {
    if !host_only("a command line of its own") {
        return;
    }
    Server::shared();
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let nothing = directory
        .path()
        .join("nothing")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let not_toml = file("not.toml", "spin_manifest_version = ");
    let not_spin = file("not-spin.toml", "[package]\nname = \"latchkey\"\n");
    let not_wasm = file("not.wasm", "not wasm");
    let core_module = file("core.wasm", "\0asm\u{1}\0\0\0");
    let not_sqlite = file(
        "not-sqlite.db",
        &"not a database, but longer than its header\n".repeat(100),
    );
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let no_store = format!("sqlite:{not_toml}/store.db");
    let no_database = format!("sqlite:{not_sqlite}");

    #[rustfmt::skip]
    let table: &[(&[&str], i32)] = &[
        (&["--bogus"], 2),
        (&["bogus"], 2),
        (&["--listen"], 2),
        (&["--listen", "nonsense"], 2),
        (&["--listen", "127.0.0.1"], 2),
        (&["--listen", "25441"], 2),
        (&["--listen", "http://localhost:25441"], 2),
        (&["--listen", "nobody.invalid:0"], 1),
        (&["--listen", "127.0.0.1:99999"], 2),
        (&["--user", ":password"], 2),
        (&["--variable", "no-equals"], 2),
        (&["--store", "mysql://localhost"], 2),
        (&["--store", "store.db"], 2),
        (&["--variable", &format!("users=@{nothing}")], 2),
        (&["--metrics", "nonsense"], 2),
        (&["--log-format", "xml"], 2),
        (&["--listen", &taken], 1),
        (&["--metrics", &taken], 1),
        (&["--store", &no_store], 1),
        (&["--store", &no_database], 1),
        (&["--manifest", &nothing], 1),
        (&["--manifest", &not_toml], 1),
        (&["--manifest", &not_spin], 1),
        (&["--component", &nothing], 1),
        (&["--component", &not_wasm], 1),
        (&["--component", &core_module], 1),
    ];
    let mut cases = Cases::default();
    for (args, code) in table {
        let mut command = latchkey(["up"]);
        command.args(*args);
        // An option may be given once, and a bad one must not be saved by a default that works.
        for (option, value) in [
            ("--listen", "127.0.0.1:0"),
            ("--store", "memory:"),
            ("--user", "ada:password"),
        ] {
            if !args.contains(&option) {
                command.args([option, value]);
            }
        }
        let finished = Process::start(command, Stderr::Kept).finish();
        cases.check(args, finished.status.code(), Some(*code));
        cases.check(args, finished.stdout, String::new());
        let lines = finished.stderr.lines().count();
        cases.check((args, &finished.stderr), lines, 1);
        let parts: Vec<_> = finished.stderr.trim_end().split(": ").collect();
        cases.check(
            (args, &finished.stderr, "said twice"),
            parts.windows(2).any(|pair| pair[0] == pair[1]),
            false,
        );
        // Nothing a program would print for its own authors.
        for word in ["panicked", "RUST_BACKTRACE", "Error {", "Os {"] {
            cases.check(
                (args, &finished.stderr),
                finished.stderr.contains(word),
                false,
            );
        }
    }
}

#[test]
fn the_store_may_be_named_in_the_environment() {
    if !host_only("an environment of its own") {
        return;
    }
    // Where it is no URL of a store: what it holds may be a password, and is not repeated.
    let mut command = latchkey(["up", "--listen", "127.0.0.1:0", "--user", "ada:password"]);
    command.env("LATCHKEY_STORE", "mysql://ada:hunter2@localhost");
    let finished = Process::start(command, Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(2));
    assert!(finished.stderr.contains("a store is"), "{finished:?}");
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
    // Set to nothing it is not set: the error is another.
    let nothing = [
        "up",
        "--listen",
        "127.0.0.1:0",
        "--user",
        "ada:pw",
        "--manifest",
        "/nowhere",
    ];
    let mut command = latchkey(nothing);
    command.env("LATCHKEY_STORE", " ");
    let finished = Process::start(command, Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.stderr.contains("/nowhere"), "{finished:?}");

    let mut help = latchkey(["up", "--help"]);
    help.env("LATCHKEY_STORE", "redis://:hunter2@localhost");
    let help = Process::start(help, Stderr::Kept).finish();
    assert!(help.stdout.contains("LATCHKEY_STORE") && !help.stdout.contains("hunter2"));
}

#[test]
fn other_commands() {
    if !host_only("a command line of its own") {
        return;
    }
    let bogus = run(["bogus"]);
    assert_eq!(
        (
            bogus.status.code(),
            bogus.stdout.as_str(),
            bogus.stderr.lines().count()
        ),
        (Some(2), "", 1),
        "{bogus:?}"
    );

    let help = run(["--help"]);
    assert_eq!((help.status.code(), help.stderr.as_str()), (Some(0), ""));
    let of_up = run(["up", "--help"]);
    assert_eq!((of_up.status.code(), of_up.stderr.as_str()), (Some(0), ""));
    let all = help.stdout + &of_up.stdout;
    for word in [
        "up",
        "hash-password",
        "--listen",
        "--store",
        "--user",
        "--variable",
        "--manifest",
        "--component",
        "sqlite:",
        "25441",
    ] {
        assert!(all.contains(word), "{word}: {all}");
    }
}

#[test]
fn hash_password_makes_an_entry_that_signs_in() {
    if !host_only("a command line of its own") {
        return;
    }
    let hash = |name: &str, input: &str| {
        let command: Command = latchkey(["hash-password", name]);
        Process::start_with_input(command, Stderr::Kept, input).finish()
    };
    let form = Regex::new(
        r"^[^: \n]+:\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+\n$",
    );
    let form = form.expect("a valid pattern");
    let table = [
        ("ada", "pass word:x\n", "pass word:x"),
        ("grace", "no line end", "no line end"),
        ("alan", "first line\nsecond line\n", "first line"),
        ("zoë", "pässwörd ☃\r\n", "pässwörd ☃"),
        ("bom", "\u{feff}password\r\n", "password"),
    ];
    let mut entries = String::new();
    for (name, input, _) in table {
        let finished = hash(name, input);
        assert_eq!(
            (finished.status.code(), finished.stderr.as_str()),
            (Some(0), ""),
            "{name}"
        );
        assert!(form.is_match(&finished.stdout), "{finished:?}");
        entries += &finished.stdout;
    }
    assert_ne!(
        hash("ada", "same\n").stdout,
        hash("ada", "same\n").stdout,
        "every hash has a salt of its own"
    );

    let server = Server::start(Launch::new().users(Some(&entries)));
    let mut cases = Cases::default();
    for (name, input, password) in table {
        cases.check(name, server.named(name, password).signs_in(), true);
        cases.check((name, input), server.named(name, "other").signs_in(), false);
    }
    for (name, input) in [
        ("a:b", "password\n"),
        ("a b", "password\n"),
        // It would be a comment.
        ("#a", "password\n"),
        // The server would refuse it.
        (&"a".repeat(256), "password\n"),
        ("", "password\n"),
        ("ada", ""),
        ("ada", "\n"),
    ] {
        let refused = hash(name, input);
        cases.check(
            (name, input),
            matches!(refused.status.code(), Some(1 | 2)),
            true,
        );
        cases.check(
            (name, input),
            (refused.stdout.as_str(), refused.stderr.lines().count()),
            ("", 1),
        );
    }
}
