//! The component on stores that fail in every way we know of, over HTTP: the host is right, so the backend lies, and what
//! it says reaches the component.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use latchkey_host::keyvalue::memory::Memory;
use latchkey_host::keyvalue::{Backend, BackendError, Swap};
use latchkey_host::manifest::Manifest;
use latchkey_host::server::{self, Application, Limits, Service};
use latchkey_host::variables::ApplicationVariables;
use tokio::sync::oneshot;

use crate::load::{self, Load};
use crate::server::{HASH, Server, host_only};

/// What a backend does wrong.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    /// A swap is committed and denied, as in Spin's Redis.
    denies_commits: bool,
    /// A swap is aborted and confirmed, as Spin's Redis would, were only that mended.
    confirms_aborts: bool,
    /// A swap on an absent key writes unconditionally, as in Spin's SQLite.
    upserts_absent: bool,
    /// A swap takes a while, as on a disk, so that the host answers before it is over. Without it, the component is told
    /// what became of each swap.
    answers_later: bool,
    /// Of how many operations one fails without effect.
    fails_before: Option<u64>,
    /// Of how many operations one fails although it took effect.
    fails_after: Option<u64>,
    /// Of how many swaps one finds no free handle, as in Spin once an instance has used up its own.
    no_handle: Option<u64>,
}

/// A correct store, and what comes between it and the component.
struct Faulty {
    store: Memory,
    faults: Faults,
    operations: AtomicU64,
    /// How often it has done something wrong.
    wrongs: Arc<AtomicU64>,
}

impl Faulty {
    /// Whether this is the operation of `every` that something happens to. Not quite every so many: those would be the
    /// same operations of each request.
    fn strikes(&self, every: Option<u64>) -> bool {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let strikes = every.is_some_and(|every| mixed.is_multiple_of(every));
        if strikes {
            self.count();
        }
        strikes
    }

    fn count(&self) {
        self.wrongs.fetch_add(1, Ordering::Relaxed);
    }

    async fn before(&self) -> Result<(), BackendError> {
        self.delay().await;
        self.fail(self.faults.fails_before)
    }

    async fn after(&self) -> Result<(), BackendError> {
        let failed = self.fail(self.faults.fails_after);
        self.delay().await;
        failed
    }

    async fn delay(&self) {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_micros(
            number.wrapping_mul(0x9e37_79b9) % 2_000,
        ))
        .await;
    }

    fn fail(&self, every: Option<u64>) -> Result<(), BackendError> {
        if self.strikes(every) {
            Err(BackendError::Failed("on purpose".to_owned()))
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        self.before().await?;
        let value = self.store.get(key).await?;
        self.after().await?;
        Ok(value)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        self.before().await?;
        self.store.set(key, value).await?;
        self.after().await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        if self.faults.answers_later {
            self.delay().await;
        }
        if self.strikes(self.faults.no_handle) {
            return Err(BackendError::Failed(
                "too many compare_and_swaps opened".to_owned(),
            ));
        }
        self.fail(self.faults.fails_before)?;
        let swap = if expected.is_none() && self.faults.upserts_absent {
            self.count();
            self.store.set(key, value).await?;
            Swap::Stored
        } else {
            self.store.compare_and_swap(key, expected, value).await?
        };
        self.fail(self.faults.fails_after)?;
        if self.faults.answers_later {
            self.delay().await;
        }
        Ok(match swap {
            Swap::Stored if self.faults.denies_commits => {
                self.count();
                Swap::Lost
            }
            Swap::Lost if self.faults.confirms_aborts => {
                self.count();
                Swap::Stored
            }
            truth => truth,
        })
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        self.before().await?;
        let sum = self.store.increment(key, delta).await?;
        self.after().await?;
        Ok(sum)
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.before().await?;
        self.store.delete(key).await?;
        self.after().await
    }

    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        self.before().await?;
        let keys = self.store.list_keys().await?;
        self.after().await?;
        Ok(keys)
    }
}

/// Serves the component over a faulty store while `client` runs. Returns how often the store has done something wrong.
fn serve(faults: Faults, client: impl FnOnce(&str)) -> u64 {
    let wrongs = Arc::new(AtomicU64::new(0));
    let backend = Arc::new(Faulty {
        store: Memory::default(),
        faults,
        operations: AtomicU64::new(0),
        wrongs: wrongs.clone(),
    });
    serve_here(backend, Limits::default(), client);
    wrongs.load(Ordering::Relaxed)
}

/// Serves the component in this process while `client` runs, with the URL.
pub fn serve_here(backend: Arc<dyn Backend>, limits: Limits, client: impl FnOnce(&str)) {
    // Which builds the component, once.
    Server::shared();
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let manifest = Manifest::load(&root.join("spin.toml")).expect("a manifest");
    let environment = |_: &str| Err(std::env::VarError::NotPresent);
    let variables = ApplicationVariables::resolve(&manifest.variables, &[], environment);
    let latchkey = &manifest.components["latchkey"];
    let variables = variables.and_then(|variables| variables.of(&latchkey.templates));
    let mut variables = variables.expect("variables");
    let users: Vec<_> = (0..4).map(|n| format!("user-{n}:{HASH}")).collect();
    variables.set("users", users.join(" ").as_str().into());
    variables.set("max_tokens_per_user", "1000".into());
    let component = std::fs::read(manifest.root.join(&latchkey.source)).expect("a component");
    let application = Application {
        services: vec![Service::latchkey(component, variables)],
        backend,
        metrics: None,
        audit: Arc::new(|_| {}),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (stop, stopped) = oneshot::channel::<()>();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = thread::spawn(move || {
        runtime.block_on(async {
            let server = server::Server::new(application, limits).expect("a server");
            server.serve(listener, async { _ = stopped.await }).await;
        });
    });
    client(&url);
    drop(stop);
    serving.join().expect("the server ends");
}

/// Clients of one user at work until enough is acknowledged; then nothing is lost, doubled or resurrected. Once with a
/// store that answers swaps at once, and once with one that answers later.
fn hold(faults: Faults, may_be_unavailable: bool) {
    if !host_only("a store that fails on purpose") {
        return;
    }
    for answers_later in [false, true] {
        let faults = Faults {
            answers_later,
            ..faults
        };
        let wrongs = serve(faults, |url| {
            for name in ["user-0", "user-1"] {
                let load = Load::start(&[url], name, 8, 0, true);
                load.wait_for(60);
                let told = load.stop();
                assert!(
                    may_be_unavailable || told.unavailable == 0,
                    "{faults:?}: {told:?}"
                );
                told.check(&load::list(url, name));
            }
        });
        assert!(wrongs > 0, "{faults:?}: the store did nothing wrong");
    }
}

#[test]
fn a_store_that_denies_what_it_committed() {
    hold(
        Faults {
            denies_commits: true,
            ..Faults::default()
        },
        false,
    );
}

#[test]
fn a_store_that_confirms_what_it_aborted() {
    hold(
        Faults {
            confirms_aborts: true,
            ..Faults::default()
        },
        false,
    );
}

#[test]
fn a_store_that_upserts() {
    hold(
        Faults {
            upserts_absent: true,
            ..Faults::default()
        },
        false,
    );
}

#[test]
fn a_store_that_fails_before_the_effect() {
    hold(
        Faults {
            fails_before: Some(25),
            ..Faults::default()
        },
        true,
    );
}

#[test]
fn a_store_that_fails_after_the_effect() {
    hold(
        Faults {
            fails_after: Some(25),
            ..Faults::default()
        },
        true,
    );
}

#[test]
fn a_store_without_handles() {
    hold(
        Faults {
            no_handle: Some(5),
            ..Faults::default()
        },
        true,
    );
}

#[test]
fn a_store_that_does_all_of_it() {
    let faults = Faults {
        denies_commits: true,
        confirms_aborts: true,
        upserts_absent: true,
        answers_later: false,
        fails_before: Some(40),
        fails_after: Some(40),
        no_handle: Some(20),
    };
    hold(faults, true);
}
