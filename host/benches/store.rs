//! What the store costs, measured over HTTP, two servers in turn:
//!
//! - creations per second with and without group commit, for 1, 8 and 64 clients;
//! - lists per second of one user, alone in the store and beside 10,000 others.
//!
//! ```text
//! cargo bench --locked --package latchkey-host --bench store
//! ```
//!
//! Servers and clients share the processors, so only the ratios mean something. Each row is the median of pairs.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark has nobody to tell but the one who runs it"
)]

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use latchkey_host::keyvalue::sqlite::Sqlite;
use latchkey_host::manifest::Manifest;
use latchkey_host::server::{Application, Limits, Server, Service};
use latchkey_host::variables::ApplicationVariables;
use tempfile::TempDir;
use tokio::sync::oneshot;

const PAIRS: usize = 5;
const RUN: Duration = Duration::from_millis(1500);
/// Each client takes turns with this many users, so that ledgers stay short.
const USERS_PER_CLIENT: usize = 50;
const MOST_CLIENTS: usize = 64;
/// Of the password `password`, with little work: signing in is not what is measured.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

fn main() {
    let has = |name| std::env::args().any(|argument| argument == name);
    // When cargo only tests that benchmarks run, it leaves `--bench` out.
    if !has("--bench") || has("--test") {
        return;
    }
    println!(
        "{:<34}{:>10}{:>10}{:>8}",
        "requests per second, median", "A", "B", "A / B"
    );
    for clients in [1, 8, MOST_CLIENTS] {
        let with = Host::start(64, MOST_CLIENTS * USERS_PER_CLIENT);
        let without = Host::start(1, MOST_CLIENTS * USERS_PER_CLIENT);
        let name = format!("create, {clients} clients, group commit / none");
        compare(
            &name,
            |run| create(&with, clients, run),
            |run| create(&without, clients, run),
        );
    }
    let (many, one) = (Host::start(64, 10_000), Host::start(64, 1));
    for host in [&many, &one] {
        for user in 0..host.users {
            host.create(user, "a token");
        }
    }
    compare(
        "list, 10,000 users / 1 user",
        |_| list(&many),
        |_| list(&one),
    );
}

fn compare(name: &str, a: impl Fn(usize) -> f64, b: impl Fn(usize) -> f64) {
    let mut pairs: Vec<_> = (0..=PAIRS).map(|run| (a(run), b(run))).collect();
    // The first warms up.
    pairs.remove(0);
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let ratio = median(pairs.iter().map(|(a, b)| a / b).collect());
    let a = median(pairs.iter().map(|(a, _)| *a).collect());
    let b = median(pairs.iter().map(|(_, b)| *b).collect());
    println!("{name:<44}{a:>8.0}{b:>8.0}{ratio:>8.2}");
}

/// Creations per second of clients that send one request after another.
fn create(host: &Host, clients: usize, run: usize) -> f64 {
    let begin = Instant::now();
    let done: usize = thread::scope(|scope| {
        let client = |client: usize| {
            let mut done = 0;
            while begin.elapsed() < RUN {
                let user = client * USERS_PER_CLIENT + done % USERS_PER_CLIENT;
                host.create(user, &format!("run {run}, {done}"));
                done += 1;
            }
            done
        };
        let threads: Vec<_> = (0..clients)
            .map(|n| scope.spawn(move || client(n)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    done as f64 / begin.elapsed().as_secs_f64()
}

/// Lists per second of one user.
fn list(host: &Host) -> f64 {
    let begin = Instant::now();
    let mut done = 0_u32;
    while begin.elapsed() < RUN {
        let url = format!("{}/api/v1alpha/token", host.url);
        let answer = host
            .agent
            .get(&url)
            .header("authorization", &authorization(0))
            .call();
        assert_eq!(answer.unwrap().status(), 200);
        done += 1;
    }
    f64::from(done) / begin.elapsed().as_secs_f64()
}

fn authorization(user: usize) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine};
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("user{user}:password"))
    )
}

/// A host in this process, over an SQLite file of its own.
struct Host {
    url: String,
    users: usize,
    agent: ureq::Agent,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<()>>,
    _directory: TempDir,
}

impl Host {
    fn start(batch: usize, users: usize) -> Self {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let manifest = Manifest::load(&root.join("spin.toml")).unwrap();
        let environment = |_: &str| Err(std::env::VarError::NotPresent);
        let variables = ApplicationVariables::resolve(&manifest.variables, &[], environment);
        let latchkey = &manifest.components["latchkey"];
        let mut variables = variables.unwrap().of(&latchkey.templates).unwrap();
        let entries: Vec<_> = (0..users).map(|n| format!("user{n}:{HASH}")).collect();
        variables.set("users", entries.join(" ").as_str().into());
        variables.set("max_tokens_per_user", "1000".into());
        let component = manifest.root.join(&latchkey.source);
        // Beside the component: where temporary files are in memory, a commit costs nothing.
        let directory = tempfile::tempdir_in(component.parent().unwrap()).unwrap();
        let store = Sqlite::open_with_batch(&directory.path().join("store.db"), batch).unwrap();
        let component = std::fs::read(&component).expect("build the component first: cargo up");
        let application = Application {
            services: vec![Service::latchkey(component, variables)],
            backend: Arc::new(store),
            metrics: None,
            audit: Arc::new(|_| {}),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            runtime.block_on(async {
                let server = Server::new(application, Limits::default()).unwrap();
                server.serve(listener, async { _ = stopped.await }).await;
            });
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(MOST_CLIENTS)
            .max_idle_connections_per_host(MOST_CLIENTS)
            .build()
            .into();
        let (stop, serving) = (Some(stop), Some(serving));
        Self {
            url,
            users,
            agent,
            stop,
            serving,
            _directory: directory,
        }
    }

    fn create(&self, user: usize, description: &str) {
        let url = format!("{}/api/v1alpha/token", self.url);
        let body =
            format!(r#"{{"jwt_token_description":"{description}","jwt_token_life":"1 day"}}"#);
        let mut answer = self
            .agent
            .post(&url)
            .header("authorization", &authorization(user))
            .header("content-type", "application/json")
            .send(body)
            .unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 201, "{body}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.serving.take().map(JoinHandle::join);
    }
}
