//! The store in a real Redis that speaks TLS, with a certificate that the system trusts or not.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{PATIENCE, Process, Stderr};
use crate::redis;
use crate::server::{Launch, Server, host_only};

/// A certificate for the loopback address that has signed itself.
fn certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(["-subj", "/CN=redis.example"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
}

/// A Redis that speaks TLS and nothing else, and its URL.
fn start(directory: &TempDir) -> (Process, String) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let mut command = Command::new("redis-server");
    command
        .args("--port 0 --bind 127.0.0.1 --appendonly yes --appendfsync always".split(' '))
        .args("--tls-cert-file certificate.pem --tls-key-file key.pem".split(' '))
        .args("--tls-ca-cert-file certificate.pem --tls-auth-clients no".split(' '))
        .args(["--tls-port", &port, "--requirepass", "hunter2"])
        .current_dir(directory.path());
    let mut redis = Process::start(command, Stderr::Kept);
    loop {
        let line = redis.line(PATIENCE).expect("Redis starts");
        if line.contains("Ready to accept connections") {
            return (redis, format!("rediss://:hunter2@127.0.0.1:{port}"));
        }
    }
}

#[test]
fn its_certificate_has_to_be_trusted() {
    if !host_only("a Redis of its own") || !redis::is_installed() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    certificate(directory.path());
    let (_redis, url) = start(&directory);

    let refused = Launch::new().store(&url).spawn(Stderr::Kept).finish();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:?}");
    let said = &refused.stderr;
    assert!(
        said.contains("certificate") && !said.contains("hunter2"),
        "{said}"
    );

    let trusted = directory.path().join("certificate.pem");
    let launch = || {
        let trusted = trusted.to_str().expect("UTF-8");
        Launch::new().store(&url).env("SSL_CERT_FILE", trusted)
    };
    let server = Server::start(launch());
    let user = server.user();
    let issued = user.issue("Token", 360);
    server.kill();
    let server = Server::start(launch());
    assert_eq!(server.user().ids(), [issued.id]);
}
