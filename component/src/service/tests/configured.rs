//! Variables that change while an instance lives.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::auth::{Authentication, Authority, SignIn, VERIFICATIONS};
use crate::config::VARIABLES;
use crate::service::Rotation;
use crate::store::Documents;
use crate::testing::{FakeClock, FakeRandom, Fixture, HASH, Memory, fixture};
use crate::token::Limits;

/// The hash of `other`, at the lowest cost.
const OTHER_HASH: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

type Ports = (Memory, FakeClock, FakeRandom);

struct Instance {
    fixture: Fixture,
    configured: Configured<Documents<Ports>>,
    variables: RefCell<HashMap<&'static str, String>>,
    reads: RefCell<usize>,
    log: RefCell<Vec<String>>,
}

impl Instance {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let instance = Self {
            fixture: fixture(&[]),
            configured: Configured::default(),
            variables: RefCell::default(),
            reads: RefCell::default(),
            log: RefCell::default(),
        };
        for (name, value) in variables {
            instance.set(name, value);
        }
        instance
    }

    fn set(&self, name: &'static str, value: &str) {
        self.variables.borrow_mut().insert(name, value.to_owned());
    }

    async fn service(&self) -> Result<Rc<Service<Documents<Ports>>>, ConfigError> {
        let get = async |name| {
            *self.reads.borrow_mut() += 1;
            tokio::task::yield_now().await;
            match self.variables.borrow().get(name) {
                Some(value) if value == "unreadable" => {
                    Err(ConfigError::Unreadable { variable: name })
                }
                value => Ok(value.cloned()),
            }
        };
        let make = |config| Ok(Service::new(config, Documents::new(self.fixture.ports())));
        let log = |line: &str| self.log.borrow_mut().push(line.to_owned());
        self.configured.service(get, make, log).await
    }

    async fn signs_in(&self, name: &str, password: &str) -> bool {
        use base64::Engine as _;
        let credentials = format!("{name}:{password}");
        let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
        let header = format!("Basic {encoded}");
        let sign_in = SignIn::parse([header.as_bytes()].into_iter());
        let service = self.service().await.unwrap();
        let authentication = service.authenticate(sign_in, None).await.unwrap();
        matches!(authentication, Authentication::Valid(_))
    }

    async fn issue(&self, name: &str) -> String {
        let service = self.service().await.unwrap();
        let (name, life) = (name.parse().unwrap(), "1h".parse().unwrap());
        let description = "Token".parse().unwrap();
        let authority = Authority::default();
        let issued = service.issue(
            &name,
            &authority,
            description,
            life,
            Limits::default(),
            None,
        );
        issued.await.unwrap().signed.expose().to_owned()
    }

    async fn is_live(&self, token: &str) -> bool {
        let service = self.service().await.unwrap();
        service.verify(token).await.unwrap().is_some()
    }

    async fn is_warned(&self) -> bool {
        self.service().await.unwrap().refuses_configuration()
    }

    fn pass(&self, secs: u64) {
        self.fixture.clock.advance(Duration::from_secs(secs));
    }
}

fn users(entries: &[(&str, &str)]) -> String {
    let entries = entries
        .iter()
        .map(|(name, hash)| format!("{name}:{hash}\n"));
    entries.collect()
}

#[tokio::test(flavor = "current_thread")]
async fn a_user_who_is_taken_out_is_out() {
    let instance = Instance::new(&[("users", &users(&[("ada", HASH), ("bob", HASH)]))]);
    assert!(instance.signs_in("bob", "hunter2").await);
    let token = instance.issue("bob").await;
    instance.set("users", &users(&[("ada", HASH)]));
    instance.pass(24);
    assert!(instance.signs_in("bob", "hunter2").await);
    instance.pass(1);
    assert!(!instance.signs_in("bob", "hunter2").await);
    assert!(!instance.is_live(&token).await);
    // Who comes back without `since` is the same.
    instance.set("users", &users(&[("ada", HASH), ("bob", HASH)]));
    instance.pass(25);
    assert!(instance.is_live(&token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn passwords_stay_remembered_where_the_entry_is_the_same() {
    let instance = Instance::new(&[("users", &users(&[("bob", HASH), ("cy", HASH)]))]);
    assert!(instance.signs_in("bob", "hunter2").await);
    assert!(instance.signs_in("cy", "hunter2").await);
    // Others before and between them.
    let changed = [
        ("ada", HASH),
        ("bob", HASH),
        ("c", HASH),
        ("cy", OTHER_HASH),
    ];
    instance.set("users", &users(&changed));
    instance.pass(25);
    let before = VERIFICATIONS.get();
    assert!(instance.signs_in("bob", "hunter2").await);
    assert_eq!(VERIFICATIONS.get(), before);
    assert!(!instance.signs_in("cy", "hunter2").await);
    assert!(instance.signs_in("cy", "correct horse").await);
    assert!(VERIFICATIONS.get() > before);
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_that_is_given_again_has_no_tokens_of_before() {
    let instance = Instance::new(&[("users", &users(&[("bob", HASH)]))]);
    let service = instance.service().await.unwrap();
    let bob = "bob".parse().unwrap();
    let old = instance.issue("bob").await;
    let id = service.list(&bob).await.unwrap().tokens[0].token.id;
    instance.pass(30);
    let now = service.now().as_secs();
    let hash = format!("{HASH}:since={now}");
    instance.set("users", &users(&[("bob", &hash)]));
    assert!(!instance.is_live(&old).await);
    let service = instance.service().await.unwrap();
    assert_eq!(
        service.list(&bob).await.unwrap_err().to_string(),
        "the user has no tokens"
    );
    assert!(service.show(&bob, id).await.is_err());
    let authority = Authority::default();
    let rotated = service.rotate(&bob, &authority, id, Rotation::default());
    assert!(rotated.await.is_err());
    assert!(service.revoke(&bob, id).await.is_err());
    // In the same second, and by the same description.
    let new = instance.issue("bob").await;
    assert!(instance.is_live(&new).await);
    assert_eq!(service.list(&bob).await.unwrap().tokens.len(), 1);
    // Nothing brings the old one back.
    instance.set("users", &users(&[("bob", HASH)]));
    instance.pass(30);
    assert!(!instance.is_live(&old).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_that_is_taken_out_signs_nothing_that_is_accepted() {
    let key = |kid: &str, byte: char| {
        let k = byte.to_string().repeat(43);
        format!(r#"{{"kty":"oct","alg":"HS256","kid":"{kid}","k":"{k}"}}"#)
    };
    let (one, two) = (key("1", 'A'), key("2", 'E'));
    let set = |keys: &[&str]| format!(r#"{{"keys":[{}]}}"#, keys.join(","));
    let instance = Instance::new(&[
        ("users", &users(&[("ada", HASH)])),
        ("signing_keys", &set(&[&one])),
    ]);
    let token = instance.issue("ada").await;
    instance.set("signing_keys", &set(&[&two, &one]));
    instance.pass(25);
    assert!(instance.is_live(&token).await);
    instance.set("signing_keys", &set(&[&two]));
    instance.pass(25);
    assert!(!instance.is_live(&token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn what_cannot_work_changes_nothing_and_is_said_once() {
    let good = users(&[("ada", HASH)]);
    let instance = Instance::new(&[("users", &good)]);
    assert!(instance.signs_in("ada", "hunter2").await);
    for (variable, value, told) in [
        ("users", "ada:hunter2", "entry 1 (`ada`)"),
        ("users", "", "no users"),
        ("users", "unreadable", "cannot be read"),
        ("signing_keys", "hunter2", "signing_keys"),
        ("max_token_life", "forever", "max_token_life"),
    ] {
        let before = instance.log.borrow().len();
        instance.set(variable, value);
        for _ in 0..3 {
            instance.pass(25);
            assert!(instance.is_warned().await, "{variable}={value}");
            assert!(instance.signs_in("ada", "hunter2").await);
        }
        let log = instance.log.borrow()[before..].to_vec();
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(
            log[0].contains(told) && !log[0].contains("hunter2"),
            "{log:?}"
        );
        instance.set("users", &good);
        instance.set("signing_keys", "");
        instance.set("max_token_life", "");
        instance.pass(25);
        assert!(!instance.is_warned().await);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn without_any_configuration_that_works_it_is_read_at_every_request() {
    let instance = Instance::new(&[]);
    assert_eq!(instance.service().await.unwrap_err(), ConfigError::NoUsers);
    instance.set("users", &users(&[("ada", HASH)]));
    assert!(instance.signs_in("ada", "hunter2").await);
}

#[tokio::test(flavor = "current_thread")]
async fn one_request_reads_and_the_others_go_on_until_the_values_are_too_old() {
    let instance = Instance::new(&[("users", &users(&[("ada", HASH)]))]);
    instance.service().await.unwrap();
    let all = VARIABLES.len() + 2;
    for (passed, reads) in [(24, 0), (1, 1), (30, 3), (10_000, 3)] {
        instance.pass(passed);
        *instance.reads.borrow_mut() = 0;
        let (one, two, three) =
            tokio::join!(instance.service(), instance.service(), instance.service());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        assert_eq!(*instance.reads.borrow(), reads * all, "after {passed} s");
    }
    // Equal values change nothing.
    let before = instance.service().await.unwrap();
    instance.pass(25);
    assert!(Rc::ptr_eq(&before, &instance.service().await.unwrap()));
}

#[tokio::test(flavor = "current_thread")]
async fn a_host_that_gives_revisions_is_followed_at_once() {
    let good = users(&[("ada", HASH), ("bob", HASH)]);
    let instance = Instance::new(&[("users", &good), (REVISION, "1")]);
    assert!(instance.signs_in("bob", "hunter2").await);
    instance.set("users", &users(&[("ada", HASH)]));
    assert!(instance.signs_in("bob", "hunter2").await);
    instance.set(REVISION, "2");
    assert!(!instance.signs_in("bob", "hunter2").await);
    assert!(!instance.is_warned().await);
    instance.set(REVISION, "3");
    instance.set(REFUSED, "true");
    assert!(instance.is_warned().await);
    assert!(instance.log.borrow().is_empty());
}
