//! The store in a real Redis, shared by two hosts.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::health::{can_write_again, cannot_write, health};
use crate::load::{self, Load};
use crate::process::{Process, Stderr};
use crate::server::{Launch, PASSWORD, Server, User, host_only};

/// Whether there is a Redis; says so on stderr where there is none. In CI there always is.
pub fn is_installed() -> bool {
    let version = Command::new("redis-server").arg("--version").output();
    if version.is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "redis-server is not installed"
        );
        eprintln!("SKIPPED: redis-server is not installed");
    }
    version.is_ok()
}

/// A Redis of the test's own, which keeps what it has acknowledged.
pub struct Redis {
    directory: TempDir,
    port: u16,
    process: Option<Process>,
}

impl Redis {
    /// Starts one on a free port; `None`, and a line on stderr, where Redis is not installed. In CI it always is.
    pub fn start() -> Option<Self> {
        if !host_only("a Redis of its own") || !is_installed() {
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut redis = Self {
            directory: tempfile::tempdir().expect("a directory"),
            port: free.local_addr().expect("an address").port(),
            process: None,
        };
        drop(free);
        redis.resume();
        Some(redis)
    }

    /// Starts the server, again.
    fn resume(&mut self) {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ])
            .args(["--requirepass", "hunter2", "--dir"])
            .arg(self.directory.path());
        self.process = Some(Process::start(command, Stderr::Kept));
        for _ in 0..1_000 {
            if self.cli(&["PING"]) == "PONG" {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("Redis does not start");
    }

    /// Ends the server as a power cut would.
    fn kill(&mut self) {
        self.process.take().expect("a running Redis").kill();
    }

    fn cli(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args([
                "-p",
                &self.port.to_string(),
                "--no-auth-warning",
                "-a",
                "hunter2",
            ])
            .args(command)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    pub fn url(&self) -> String {
        format!("redis://:hunter2@127.0.0.1:{}/1", self.port)
    }

    pub fn launch(&self) -> Launch {
        Launch::new()
            .store(&self.url())
            .variable("max_tokens_per_user", "1000")
    }
}

#[test]
fn two_hosts_share_one() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (Server::start(redis.launch()), Server::start(redis.launch()));
    let on_one = one.named("user-0", PASSWORD);
    let on_other = other.named("user-0", PASSWORD);
    let issued = on_one.issue("alpha", 360);
    assert_eq!(on_other.ids(), [issued.id.as_str()]);
    on_other
        .create("alpha", 360)
        .refused(400, "description_taken");
    on_other.delete(&issued.id).expect(200);
    on_one.show(&issued.id).refused(404, "no_such_token");

    // The keys and the counter are those that Spin writes.
    on_one.issue("beta", 360);
    let keys = redis.cli(&["-n", "1", "KEYS", "latchkey-*"]);
    let mut keys: Vec<_> = keys.lines().collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "latchkey-gate-ledger-user_2d0-0",
            "latchkey-gate-signing-key-0",
            "latchkey-ledger-user_2d0",
            "latchkey-signing-key",
        ]
    );
    let counter = redis.cli(&["-n", "1", "GET", "latchkey-gate-ledger-user_2d0-0"]);
    assert!(counter.parse::<u64>().is_ok(), "{counter}");
}

#[test]
fn the_user_of_the_documents_may_do_what_the_host_does_and_no_more() {
    let Some(redis) = Redis::start() else { return };
    let rights = include_str!("../docs/deploying.md")
        .lines()
        .find(|line| line.starts_with("ACL SETUSER latchkey "))
        .expect("the command")
        .replace("PASSWORD", "hunter3");
    let rights: Vec<_> = rights.split(' ').collect();
    assert_eq!(redis.cli(&rights), "OK");

    let url = format!("redis://latchkey:hunter3@127.0.0.1:{}/1", redis.port);
    let server = Server::start(Launch::new().store(&url));
    can_write_again(&server);
    let user = named(&server);
    let [first, second] = ["alpha", "beta"].map(|name| user.issue(name, 360));
    user.delete(&first.id).expect(200);
    assert_eq!(user.ids(), [second.id.as_str()]);
    assert_eq!(redis.cli(&["ACL", "LOG"]), "", "something was refused");

    for command in [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "DEL latchkey-ledger-user_2d0",
        "EVAL return 0",
        "GET other",
        "CONFIG GET dir",
        "SCRIPT FLUSH",
        "ACL LIST",
        "SHUTDOWN NOSAVE",
    ] {
        let login = ["--user", "latchkey", "--pass", "hunter3"];
        let words: Vec<_> = login.into_iter().chain(command.split(' ')).collect();
        let answer = redis.cli(&words);
        assert!(answer.starts_with("NOPERM"), "{command}: {answer}");
    }
}

#[test]
fn a_redis_that_dies_and_comes_back_loses_nothing() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let hosts = [Server::start(redis.launch()), Server::start(redis.launch())];
    let urls = [hosts[0].url.as_str(), &hosts[1].url];
    let load = Load::start(&urls, "user-0", 4, 0, true);
    let mut unavailable = 0;
    for _ in 0..5 {
        load.wait_for(load.acknowledged() + 30);
        redis.kill();
        // 503 while the store is away, and everything as before once it is back.
        unavailable += 3;
        load.wait_for_unavailable(unavailable);
        redis.resume();
    }
    load.wait_for(load.acknowledged() + 30);
    let told = load.stop();
    for url in urls {
        told.check(&load::list(url, "user-0"));
    }
}

#[test]
fn an_outage_is_two_lines_for_reads_and_two_for_writes() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let server = Server::start(redis.launch());
    can_write_again(&server);
    redis.kill();
    let user = named(&server);
    for number in 0..5 {
        let description = format!("never there {number}");
        user.create(&description, 360)
            .refused(503, "storage_unavailable");
        user.list().refused(503, "storage_unavailable");
        cannot_write(&server);
    }
    redis.resume();
    // For a second, operations that were begun before might still fail.
    for _ in 0..2 {
        can_write_again(&server);
        thread::sleep(Duration::from_millis(1_100));
    }
    can_write_again(&server);

    let log = server.kill();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    for access in ["read", "written"] {
        let away = format!("the store cannot be {access}: ");
        assert_eq!(lines(&away), 1, "{log}");
        let back = format!("the store can be {access} again, after ");
        assert_eq!(lines(&back), 1, "{log}");
    }
}

#[test]
fn a_store_that_takes_no_writes_can_be_read() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let server = Server::start(redis.launch());
    can_write_again(&server);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..3 {
        cannot_write(&server);
        named(&server).list().expect(404);
    }
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    thread::sleep(Duration::from_millis(1_100));
    can_write_again(&server);
    let log = server.kill();
    assert!(log.contains("the store cannot be written: "), "{log}");
    assert!(log.contains("the store can be written again"), "{log}");
    assert!(!log.contains("the store cannot be read"), "{log}");
}

/// A host on a Redis that takes no writes after `refuse`, until after `accept`.
fn not_ready_between(refuse: impl FnOnce(&mut Redis), accept: impl FnOnce(&mut Redis)) {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let server = Server::start(redis.launch());
    can_write_again(&server);
    refuse(&mut redis);
    cannot_write(&server);
    accept(&mut redis);
    can_write_again(&server);
}

#[test]
fn not_ready_while_redis_is_away() {
    not_ready_between(Redis::kill, Redis::resume);
}

#[test]
fn not_ready_while_redis_does_not_answer() {
    let signal = |redis: &Redis, name| {
        let process = redis.process.as_ref().expect("a running Redis");
        process.signal(name);
    };
    not_ready_between(|redis| signal(redis, "STOP"), |redis| signal(redis, "CONT"));
}

/// The calls that change something are synchronous to the component: an instance that waits in one serves nobody.
#[test]
fn creations_that_wait_for_redis_do_not_queue_up_before_liveness() {
    let Some(redis) = Redis::start() else { return };
    let server = Server::start(redis.launch());
    // On every connection: each instance has read the signing key, and knows the password.
    for number in 0..16 {
        let description = format!("token {number}");
        named(&server).create(&description, 360).expect(201);
    }
    let process = redis.process.as_ref().expect("it runs");
    process.signal("STOP");
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..12 {
            let (server, ended) = (&server, &ended);
            scope.spawn(move || {
                let description = format!("never there {number}");
                let created = named(server).create(&description, 360);
                ended.fetch_add(1, Ordering::Relaxed);
                created.refused(503, "storage_unavailable");
            });
        }
        thread::sleep(Duration::from_millis(500));
        for _ in 0..8 {
            health(&server, "liveness").expect(200);
        }
        assert!(
            ended.load(Ordering::Relaxed) < 12,
            "liveness waited for all"
        );
    });
    process.signal("CONT");
    can_write_again(&server);
}

fn named(server: &Server) -> User<'_> {
    server.named("user-0", PASSWORD)
}

#[test]
fn not_ready_while_redis_lacks_replicas() {
    let at_least = |redis: &Redis, count| {
        let set = redis.cli(&["CONFIG", "SET", "min-replicas-to-write", count]);
        assert_eq!(set, "OK");
    };
    not_ready_between(|redis| at_least(redis, "1"), |redis| at_least(redis, "0"));
}

#[test]
fn not_ready_while_redis_is_full() {
    let at_most = |redis: &Redis, bytes| {
        let set = redis.cli(&["CONFIG", "SET", "maxmemory", bytes]);
        assert_eq!(set, "OK");
    };
    not_ready_between(|redis| at_most(redis, "1"), |redis| at_most(redis, "0"));
}

#[test]
fn not_ready_while_redis_is_a_replica() {
    let replica_of = |redis: &Redis, host, port| {
        assert_eq!(redis.cli(&["REPLICAOF", host, port]), "OK");
    };
    not_ready_between(
        // Of nobody who answers.
        |redis| replica_of(redis, "127.0.0.1", "1"),
        |redis| replica_of(redis, "NO", "ONE"),
    );
}

#[test]
fn hosts_that_die_lose_nothing() {
    let Some(redis) = Redis::start() else { return };
    for round in 0..5 {
        let hosts = [Server::start(redis.launch()), Server::start(redis.launch())];
        let urls = [hosts[0].url.as_str(), &hosts[1].url];
        let name = format!("user-{round}");
        let load = Load::start(&urls, &name, 4, round, false);
        load.wait_for(3 + round);
        hosts[0].kill();
        load.wait_for(load.acknowledged() + 10);
        let told = load.stop();
        told.check(&load::list(&hosts[1].url, &name));
    }
}

#[test]
fn a_redis_that_cannot_be_used_is_one_line() {
    let Some(redis) = Redis::start() else { return };
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = nobody.local_addr().expect("an address").port();
    drop(nobody);
    for (url, says) in [
        (
            format!("redis://:wrong-secret@127.0.0.1:{}", redis.port),
            "cannot use the Redis store",
        ),
        (
            format!("redis://127.0.0.1:{}", redis.port),
            "cannot use the Redis store",
        ),
        (
            format!("redis://127.0.0.1:{closed}"),
            "refuses the connection",
        ),
    ] {
        let finished = Launch::new().store(&url).spawn(Stderr::Kept).finish();
        assert_eq!(finished.status.code(), Some(1), "{url}: {finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{url}: {finished:?}");
        assert!(finished.stderr.contains(says), "{url}: {finished:?}");
        assert!(!finished.stderr.contains("wrong-secret"), "{finished:?}");
        assert_eq!(finished.stdout, "", "{url}");
    }
    assert!(Path::new(redis.directory.path()).exists());
}

#[test]
fn five_tries_are_five_on_two_hosts() {
    let Some(redis) = Redis::start() else { return };
    let hosts = [(); 2].map(|()| Server::start(redis.launch()));
    let failed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..16 {
            let (host, failed) = (&hosts[number % 2], &failed);
            scope.spawn(move || {
                let guess = host.named("user-0", &format!("guess {number}")).list();
                if guess.status == 401 {
                    failed.fetch_add(1, Ordering::Relaxed);
                } else {
                    guess.refused(429, "too_many_attempts");
                }
            });
        }
    });
    assert_eq!(failed.load(Ordering::Relaxed), 5);
    for host in &hosts {
        let refused = host.named("user-0", PASSWORD).list();
        refused.refused(429, "too_many_attempts");
    }
}
