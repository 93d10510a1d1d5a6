//! Files of variables that change while hosts run.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::health::health;
use crate::keys::keygen;
use crate::process::{PATIENCE, Process, Stderr, latchkey};
use crate::redis::Redis;
use crate::server::{HASH, Launch, PASSWORD, Server, host_only};
use crate::user_command::user;
use crate::verify::verify;

/// Waits until it is so on all hosts.
#[track_caller]
fn on_all<'a>(servers: &'a [Server], what: &str, is_so: impl Fn(&'a Server) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !servers.iter().all(&is_so) {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_warned(server: &Server) -> bool {
    let ready = health(server, "readiness").expect(200);
    let warning = ready.json()["warning"].as_str().map(str::to_owned);
    warning.is_some_and(|warning| {
        assert!(!warning.contains("eve"), "{warning}");
        true
    })
}

#[test]
fn hosts_follow_their_files() {
    let Some(redis) = Redis::start() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let (users, keys) = (path("users"), path("keys"));
    fs::write(&users, format!("ada:{HASH}\n# end\n")).expect("a file");
    // Generated passwords may be tried as often as it takes.
    let add_bob = || {
        let added = user(&users, &["add", "bob", "--generate"]);
        assert!(added.status.success(), "{added:?}");
        added.stdout.trim_end().to_owned()
    };
    let password = add_bob();
    fs::write(&keys, keygen(&["--alg", "EdDSA"])).expect("a file");
    let launch = || {
        let launch = redis
            .launch()
            .users(Some(&format!("@{}", users.display())))
            .variable("signing_keys", &format!("@{}", keys.display()));
        Server::start(launch)
    };
    let servers = [launch(), launch()];
    let [one, other] = &servers;
    let bob = |server| Server::named(server, "bob", &password);
    let token = bob(one).issue("Token", 3_600).token;
    let others = other.named("ada", PASSWORD).issue("Token", 3_600).token;
    for server in &servers {
        assert!(bob(server).signs_in());
        verify(server, &token).expect(200);
    }

    // A key is added, and the first one is taken out.
    let rotate = Process::start(
        latchkey(["keygen", "--rotate"].iter().map(Path::new).chain([&*keys])),
        Stderr::Kept,
    )
    .finish();
    assert!(rotate.status.success(), "{rotate:?}");
    let published = |server: &Server| {
        let answer = server.request("GET", "/.well-known/jwks.json").send();
        let keys = answer.expect(200).json()["keys"].as_array().cloned();
        keys.unwrap_or_default().len()
    };
    on_all(&servers, "two keys are published", |server| {
        published(server) == 2
    });
    let newer = bob(one).issue("newer", 3_600).token;
    for server in &servers {
        verify(server, &token).expect(200);
        verify(server, &newer).expect(200);
    }
    let mut set: Value =
        serde_json::from_str(&fs::read_to_string(&keys).expect("keys")).expect("JSON");
    set["keys"].as_array_mut().expect("keys").truncate(1);
    fs::write(&keys, set.to_string()).expect("a file");
    on_all(&servers, "its tokens are refused", |server| {
        verify(server, &token).status == 401
    });
    for server in &servers {
        verify(server, &others).expect(401);
        verify(server, &newer).expect(200);
    }

    // A user is taken out.
    assert!(user(&users, &["remove", "bob"]).status.success());
    on_all(&servers, "bob is out", |server| {
        verify(server, &newer).status == 401 && !bob(server).signs_in()
    });
    for server in &servers {
        assert!(server.named("ada", PASSWORD).signs_in());
    }

    // Somebody else gets the name, and none of the tokens.
    thread::sleep(Duration::from_secs(1));
    let password = add_bob();
    let new_bob = |server| Server::named(server, "bob", &password);
    on_all(&servers, "bob is back", |server| new_bob(server).signs_in());
    for server in &servers {
        verify(server, &newer).expect(401);
        new_bob(server).list().refused(404, "no_tokens");
    }
    let token = new_bob(one).issue("Token", 3_600).token;
    verify(other, &token).expect(200);
}

#[test]
fn what_cannot_work_leaves_the_last_good_configuration() {
    if !host_only("a configuration of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let users = directory.path().join("users");
    let good = format!("ada:{HASH}\n");
    fs::write(&users, &good).expect("a file");
    let launch = Launch::new()
        .users(Some(&format!("@{}", users.display())))
        .arg("--user=eve:given")
        .arg("--metrics=127.0.0.1:0");
    let servers = [Server::start(launch)];
    let [server] = &servers;
    let metrics = server.stderr_line();
    let metrics = metrics
        .trim_end()
        .strip_prefix("Metrics on ")
        .expect("an address");
    let refused = || {
        let text = ureq::get(metrics).call().expect("metrics");
        let text = text.into_body().read_to_string().expect("text");
        let line = text
            .lines()
            .find(|line| line.starts_with("latchkey_configuration_refused "));
        line.expect("the metric").ends_with(" 1")
    };
    let ada = server.named("ada", PASSWORD);
    let token = ada.issue("Token", 3_600).token;
    assert!(!is_warned(server) && !refused());
    let log_line = |what: &str| {
        let line = server.stderr_line();
        assert!(
            line.contains("the one before stays in use") && line.contains(what),
            "{line}"
        );
        assert!(!line.contains("hunter2"), "{line}");
    };
    for (text, problem) in [
        ("ada:hunter2", "entry 1 (`ada`)"),
        // The one that is given by the command line.
        (&format!("{good}eve:{HASH}"), "entry 3 (`eve`)"),
    ] {
        fs::write(&users, text).expect("a file");
        on_all(&servers, "the warning is seen", is_warned);
        log_line(problem);
        assert!(refused());
        assert!(ada.signs_in() && server.named("eve", "given").signs_in());
        verify(server, &token).expect(200);
        fs::write(&users, &good).expect("a file");
        on_all(&servers, "the warning is gone", |server| !is_warned(server));
        assert!(!refused());
    }
    fs::remove_file(&users).expect("removed");
    on_all(&servers, "the warning is seen", is_warned);
    log_line("cannot read the variables file");
    assert!(refused() && ada.signs_in() && server.named("eve", "given").signs_in());
    // The next change is taken as if nothing had been.
    fs::write(&users, format!("bob:{HASH}\n")).expect("a file");
    on_all(&servers, "ada is out", |server| {
        verify(server, &token).status == 401
    });
    assert!(!is_warned(server) && !refused() && !ada.signs_in());
    assert!(server.named("bob", PASSWORD).signs_in());
}

#[test]
fn a_file_of_users_that_is_cut_off_takes_nobody_out() {
    if !host_only("a configuration of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let users = directory.path().join("users");
    let good = format!("ada:{HASH}\n");
    fs::write(&users, &good).expect("a file");
    let file = format!("@{}", users.display());
    let servers = [Server::start(
        crate::login_proxy::launch().users(Some(&file)),
    )];
    let [server] = &servers;
    let ada = server.named("ada", PASSWORD);
    let token = ada.issue("Token", 3_600).token;
    for text in ["", " \n", "\u{feff}\n"] {
        fs::write(&users, text).expect("a file");
        on_all(&servers, "the warning is seen", is_warned);
        let line = server.stderr_line();
        let problem = "the file of the variable `users` is empty";
        assert!(line.contains(problem), "{line}");
        assert!(ada.signs_in());
        verify(server, &token).expect(200);
        fs::write(&users, &good).expect("a file");
        on_all(&servers, "the warning is gone", |server| !is_warned(server));
    }
    // Who means it says so.
    fs::write(&users, "# nobody\n").expect("a file");
    on_all(&servers, "ada is out", |server| {
        verify(server, &token).status == 401
    });
    assert!(!is_warned(server) && !ada.signs_in());

    // At the start it is the same.
    fs::write(&users, "").expect("a file");
    let finished = crate::login_proxy::launch().users(Some(&file));
    let finished = finished.spawn(Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    assert!(finished.stderr.contains("`users` is empty"), "{finished:?}");
    drop(Server::start(crate::login_proxy::launch().users(Some(""))));
}
