use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::*;
use crate::keyvalue::conformance;

/// A Redis of the test's own.
struct Server {
    /// A shell, which ends the server when its standard input is closed: also if this process is killed.
    keeper: Child,
    url: Secret,
    /// Where it writes: a replica keeps a copy of what it was sent.
    _directory: TempDir,
}

impl Server {
    /// `None`, and a line on standard error, where Redis is not installed. In CI it always is.
    fn start(more: &[&str]) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output();
        if version.is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no redis-server");
            // Past the capture of `eprintln!`, which would swallow it.
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no redis-server");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let directory = tempfile::tempdir().unwrap();
        let keeper = Command::new("sh")
            .current_dir(directory.path())
            .args([
                "-c",
                r#""$@" & read -r _; kill -9 $!"#,
                "sh",
                "redis-server",
            ])
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--save",
                "",
            ])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("redis://127.0.0.1:{port}").into();
        Some(Self {
            keeper,
            url,
            _directory: directory,
        })
    }

    async fn connect(&self) -> Redis {
        self.connect_with("").await
    }

    async fn connect_with(&self, options: &str) -> Redis {
        let url = format!("{}{options}", self.url.expose()).as_str().into();
        for _ in 0..1_000 {
            if let Ok(store) = Redis::connect(&url).await {
                return store;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("Redis does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let (one, other) = (server.connect().await, server.connect().await);
    let decimal = |counter: i64| counter.to_string().into_bytes();
    conformance::run(Arc::new(one), Arc::new(other), decimal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_replicas() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let port = server.url.expose().rsplit(':').next().unwrap().to_owned();
    let follow = || Server::start(&["--replicaof", "127.0.0.1", &port]).unwrap();
    let replica = follow();
    let one = server.connect_with("?wait=1").await;
    // Until the replica has joined.
    while one.set("a", b"0".to_vec()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let other = server.connect_with("?wait=1").await;
    let (one, other) = (Arc::new(one), Arc::new(other));
    let decimal = |counter: i64| counter.to_string().into_bytes();
    conformance::run(one.clone(), other, decimal).await;

    for key in ["a", "b"] {
        one.set(key, b"0".to_vec()).await.unwrap();
    }
    drop(replica);
    let few = BackendError::Failed("too few replicas of Redis have a write".to_owned());
    let swapped = one.compare_and_swap("a", Some(b"0".to_vec()), b"1".to_vec());
    assert_eq!(swapped.await, Err(few.clone()));
    assert_eq!(one.increment("n", 1).await, Err(few.clone()));
    // It is there to be read, and nobody knows for how long.
    let other = server.connect().await;
    assert_eq!(other.get("a").await, Ok(Some(b"1".to_vec())));
    assert_eq!(one.get("a").await, Err(few));
    assert_eq!(one.get("b").await, Ok(Some(b"0".to_vec())));

    let _replica = follow();
    let mut read = one.get("a").await;
    for _ in 0..1_000 {
        if read.is_ok() {
            break;
        }
        read = one.get("a").await;
    }
    assert_eq!(read, Ok(Some(b"1".to_vec())));
}

#[test]
fn what_leaves_the_machine_in_clear() {
    for (url, expected) in [
        ("redis://:hunter2@example.org", true),
        ("redis://192.0.2.1:6380", true),
        ("redis://[2001:db8::1]", true),
        ("redis://localhost.example.org", true),
        ("rediss://:hunter2@example.org", false),
        ("redis://:hunter2@LocalHost", false),
        ("redis://127.0.0.2", false),
        ("redis://[::1]:6380", false),
        ("redis+unix:///run/redis.sock", false),
    ] {
        let (client, _) = check_url(url).unwrap();
        assert_eq!(
            is_in_clear(client.get_connection_info().addr()),
            expected,
            "{url}"
        );
    }
}
