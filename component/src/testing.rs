//! A fixture for tests: the service over a fake clock, fake randomness and a store in memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::auth::Authority;
use crate::config::Config;
use crate::ports::{Clock, Random};
use crate::service::{Issued, Service, ServiceError};
use crate::store::{AtomicKeyValue, Change, Documents, KeyValue, KeyValueError};
use crate::token::{Limits, Timestamp};

/// A clock that only `advance` and `sleep` move.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeClock(Rc<Cell<Duration>>);

impl FakeClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.set(self.0.get() + by);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.0.get())
    }

    async fn sleep(&self, pause: Duration) {
        self.advance(pause);
        tokio::task::yield_now().await;
    }
}

/// Counts: no two draws are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeRandom(Rc<Cell<u64>>);

impl Random for FakeRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.set(self.0.get() + 1);
        bytes.fill(0);
        for (byte, digit) in bytes.iter_mut().zip(self.0.get().to_le_bytes()) {
            *byte = digit;
        }
    }
}

/// A store in memory that can be broken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) documents: Rc<RefCell<HashMap<String, Vec<u8>>>>,
    counters: Rc<RefCell<HashMap<String, i64>>>,
    pub(crate) broken: Rc<Cell<bool>>,
    pub(crate) read_only: Rc<Cell<bool>>,
}

impl Memory {
    fn check(&self) -> Result<(), KeyValueError> {
        if self.broken.get() {
            Err(KeyValueError("broken".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl KeyValue for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.check()?;
        Ok(self.documents.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.check()?;
        if self.read_only.get() {
            return Err(KeyValueError("read-only".to_owned()));
        }
        self.documents.borrow_mut().insert(key.to_owned(), value);
        Ok(())
    }
}

impl AtomicKeyValue for Memory {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        self.check()?;
        let current = self.documents.borrow().get(key).cloned();
        if let Some(value) = change(current.as_deref()) {
            self.documents.borrow_mut().insert(key.to_owned(), value);
        }
        Ok(())
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.check()?;
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry(key.to_owned()).or_default();
        *counter += delta;
        Ok(*counter)
    }
}

/// A service and its ports.
pub(crate) struct Fixture {
    pub(crate) clock: FakeClock,
    pub(crate) memory: Memory,
    random: FakeRandom,
    pub(crate) service: Service<Documents<(Memory, FakeClock, FakeRandom)>>,
}

/// The credentials of `ada`.
pub(crate) const ADA: &str = "Basic YWRhOmh1bnRlcjI=";

/// The hash of `hunter2`, at the lowest cost.
pub(crate) const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

/// A service with these variables. `users` are names here, by default `ada` and `bob`; their password is `hunter2`, and `since
/// NAME` may say since when one has the name.
pub(crate) fn fixture(variables: &[(&str, &str)]) -> Fixture {
    let clock = FakeClock(Rc::new(Cell::new(Duration::from_millis(1_662_720_135_250))));
    assemble(variables, clock, Memory::default(), FakeRandom::default())
}

fn assemble(
    variables: &[(&str, &str)],
    clock: FakeClock,
    memory: Memory,
    random: FakeRandom,
) -> Fixture {
    let variable = |name| {
        let set = variables.iter().find(|(set, _)| *set == name);
        set.map(|(_, value)| *value)
    };
    let users = variable("users").unwrap_or("ada bob");
    let users: Vec<_> = users
        .split(' ')
        .map(|name| {
            let since = format!("since {name}");
            let since = variables.iter().find(|(set, _)| *set == since);
            let since = since.map(|(_, secs)| format!(":since={secs}"));
            format!("{name}:{HASH}{}", since.unwrap_or_default())
        })
        .collect();
    let config = Config::from_variables(|name| match name {
        "users" => Some(users.join(" ")),
        _ => variable(name).map(str::to_owned),
    })
    .unwrap();
    let service = Service::new(
        config,
        Documents::new((memory.clone(), clock.clone(), random.clone())),
    );
    Fixture {
        clock,
        memory,
        random,
        service,
    }
}

impl Fixture {
    /// Of its service.
    pub(crate) fn ports(&self) -> (Memory, FakeClock, FakeRandom) {
        let (memory, clock) = (self.memory.clone(), self.clock.clone());
        (memory, clock, self.random.clone())
    }

    /// Another service over the same store.
    pub(crate) fn restarted(&self, variables: &[(&str, &str)]) -> Self {
        assemble(
            variables,
            self.clock.clone(),
            self.memory.clone(),
            self.random.clone(),
        )
    }

    pub(crate) async fn issue(
        &self,
        user: &str,
        description: &str,
        life: &str,
    ) -> Result<Issued, ServiceError> {
        let (user, description) = (user.parse().unwrap(), description.parse().unwrap());
        self.service
            .issue(
                &user,
                &Authority::default(),
                description,
                life.parse().unwrap(),
                Limits::default(),
                None,
            )
            .await
    }

    /// For an hour.
    pub(crate) async fn issue_limited(
        &self,
        user: &str,
        description: &str,
        limits: Limits,
    ) -> Issued {
        let (user, description) = (user.parse().unwrap(), description.parse().unwrap());
        self.service
            .issue(
                &user,
                &Authority::default(),
                description,
                "1h".parse().unwrap(),
                limits,
                None,
            )
            .await
            .unwrap()
    }

    pub(crate) async fn list(&self, user: &str) -> Result<Vec<String>, ServiceError> {
        let listing = self.service.list(&user.parse().unwrap()).await?;
        Ok(listing
            .tokens
            .iter()
            .map(|status| status.token.description.as_str().to_owned())
            .collect())
    }
}

/// The type of the service where there is none, because the configuration cannot work.
pub(crate) type NoService = Service<Documents<(Memory, FakeClock, FakeRandom)>>;
