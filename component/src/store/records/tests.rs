//! One region: what is written, what is read, and what is removed. Several are in `tests/faults`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;
use crate::ledger::{LedgerError, Repeatable};
use crate::testing::{FakeClock, FakeRandom, Memory, fixture};
use crate::token::{Limits, Provenance};

/// A store in memory that notes what is asked of it.
#[derive(Clone, Default)]
struct Noting {
    memory: Memory,
    gets: Rc<Cell<usize>>,
    lists: Rc<Cell<usize>>,
    written: Rc<RefCell<Vec<String>>>,
}

impl KeyValue for Noting {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.gets.set(self.gets.get() + 1);
        self.memory.get(key).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.written.borrow_mut().push(key.to_owned());
        self.memory.set(key, value).await
    }
}

impl ListableKeyValue for Noting {
    async fn list_keys(&self) -> Result<Vec<String>, KeyValueError> {
        self.lists.set(self.lists.get() + 1);
        Ok(self.memory.documents.borrow().keys().cloned().collect())
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.memory.documents.borrow_mut().remove(key);
        Ok(())
    }
}

const HOUR: u64 = 60 * 60;
const DAY: Duration = Duration::from_secs(24 * HOUR);

struct Fixture {
    clock: FakeClock,
    key_values: Noting,
    records: Records<(Noting, FakeClock, FakeRandom)>,
}

fn records() -> Fixture {
    let (clock, key_values) = (fixture(&[]).clock, Noting::default());
    let ports = (key_values.clone(), clock.clone(), FakeRandom::default());
    Fixture {
        records: Records::new(ports, DAY),
        clock,
        key_values,
    }
}

fn user(name: &str) -> &'static Username {
    Box::leak(Box::new(name.parse().unwrap()))
}

impl Fixture {
    fn token(&self, number: u8, description: &str) -> Token {
        Token {
            id: TokenId::from_random([number; 16]),
            description: description.parse().unwrap(),
            lifetime: HOUR.to_string().parse().unwrap(),
            issued_at: self.clock.now().as_secs(),
            issuer: None,
            retires_at: None,
            provenance: Provenance::default(),
            limits: Limits::default(),
        }
    }

    async fn create(&self, name: &str, number: u8, description: &str) -> Token {
        let token = self.token(number, description);
        let change = self
            .records
            .change(user(name), |ledger| ledger.create(token.clone(), 100));
        change.await.unwrap().unwrap();
        token
    }

    async fn rotate(&self, old: &Token, number: u8, until: Option<u64>) -> Token {
        let new = self.token(number, old.description.as_str());
        let change = self.records.change(user("ada"), |ledger| {
            ledger.rotate(old.id, new.clone(), until, 100)
        });
        change.await.unwrap().unwrap();
        new
    }

    async fn revoke(&self, token: &Token) -> Result<(), LedgerError> {
        let change = self.records.change(user("ada"), |ledger| {
            ledger
                .delete(token.id)
                .map(drop)
                .ok_or(LedgerError::NoSuchToken)
        });
        change.await.unwrap()
    }

    /// A change that comes to nothing, and finishes what others have left.
    async fn change_nothing(&self) {
        let nothing = self.token(9, "nothing");
        assert_eq!(self.revoke(&nothing).await, Err(LedgerError::NoSuchToken));
    }

    /// Writes a fact about a token of `ada` past the records.
    async fn set(&self, fact: Fact, token: &Token, document: &str) {
        let key = fact.key(user("ada"), token.id);
        let value = document.as_bytes().to_vec();
        self.key_values.memory.set(&key, value).await.unwrap();
    }

    async fn list(&self, name: &str) -> Vec<Token> {
        let mut ledger = self.records.load(user(name)).await.unwrap();
        ledger.expire(self.clock.now(), DAY);
        ledger.into_tokens().collect()
    }

    async fn find(&self, token: &Token) -> Option<Token> {
        self.records.find(user("ada"), token.id).await.unwrap()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self
            .key_values
            .memory
            .documents
            .borrow()
            .keys()
            .cloned()
            .collect();
        keys.sort();
        keys
    }

    /// What the store holds of a fact about a token of `ada`.
    fn document(&self, fact: Fact, id: TokenId) -> String {
        let documents = self.key_values.memory.documents.borrow();
        String::from_utf8(documents[&fact.key(user("ada"), id)].clone()).unwrap()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_facts_are_what_the_module_says() {
    let fixture = records();
    let one = fixture.create("ada", 1, "alpha").await;
    let two = fixture.rotate(&one, 2, Some(1_662_720_200)).await;
    let three = fixture.rotate(&two, 3, None).await;
    let [one, two, three] = [one, two, three].map(|token| token.id);
    let mut keys = [
        format!("latchkey-retired-ada-{one}"),
        format!("latchkey-revoked-ada-{two}"),
        format!("latchkey-token-ada-{one}"),
        format!("latchkey-token-ada-{two}"),
        format!("latchkey-token-ada-{three}"),
    ];
    assert_eq!(fixture.keys(), keys);
    // New facts before ends.
    keys.sort_by_key(|key| {
        fixture
            .key_values
            .written
            .borrow()
            .iter()
            .position(|written| written == key)
    });
    let order: Vec<_> = keys
        .iter()
        .map(|key| key.split('-').nth(1).unwrap())
        .collect();
    assert_eq!(order, ["token", "token", "retired", "token", "revoked"]);
    assert_eq!(
        fixture.document(Fact::Token, two),
        format!(
            r#"{{"format":1,"at":1662720135250000,"token":{{"id":"{two}","description":"alpha","life":3600,"iat":1662720135}},"replaces":{{"id":"{one}","until":1662720200}}}}"#
        )
    );
    assert_eq!(
        fixture.document(Fact::Retired, one),
        r#"{"format":1,"exp":1662723735,"until":1662720200}"#
    );
    assert_eq!(
        fixture.document(Fact::Revoked, two),
        r#"{"format":1,"exp":1662723735}"#
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_is_found_by_three_reads() {
    let fixture = records();
    for number in 1..100 {
        fixture.create("ada", number, &format!("t{number}")).await;
        fixture.create("bob", number, &format!("t{number}")).await;
    }
    let token = fixture.token(7, "t7");
    fixture.key_values.gets.set(0);
    fixture.key_values.lists.set(0);
    assert_eq!(fixture.find(&token).await, Some(token));
    assert_eq!(
        (
            fixture.key_values.gets.get(),
            fixture.key_values.lists.get()
        ),
        (3, 0)
    );
}

#[tokio::test(flavor = "current_thread")]
async fn no_name_is_the_beginning_of_another() {
    let fixture = records();
    let names = [
        "ada",
        "ada-",
        "ad",
        "ada-1",
        "ada_2d1",
        "Ada",
        "_61da",
        "ada-token",
        "é",
    ];
    for (number, name) in (1..).zip(names) {
        fixture.create(name, number, name).await;
    }
    // Somebody else's keys.
    for key in [
        "latchkey-token-ada-",
        "latchkey-token-ada-x",
        "latchkey-token-ada",
        "\u{1f980}",
    ] {
        let value = b"garbage".to_vec();
        fixture.key_values.memory.set(key, value).await.unwrap();
    }
    for name in names {
        let listed: Vec<_> = (fixture.list(name).await.iter())
            .map(|token| token.description.as_str().to_owned())
            .collect();
        assert_eq!(listed, [name]);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn newest_first_within_a_second() {
    let fixture = records();
    for number in [3, 1, 2] {
        fixture.clock.advance(Duration::from_millis(1));
        fixture.create("ada", number, &format!("t{number}")).await;
    }
    let listed = fixture.list("ada").await;
    let listed: Vec<_> = listed
        .iter()
        .map(|token| token.description.as_str())
        .collect();
    assert_eq!(listed, ["t2", "t1", "t3"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_revoked_token_stays_dead_while_it_could_live() {
    let fixture = records();
    let token = fixture.create("ada", 1, "alpha").await;
    let record = fixture.document(Fact::Token, token.id);
    assert_eq!(fixture.revoke(&token).await, Ok(()));
    assert_eq!(fixture.revoke(&token).await, Err(LedgerError::NoSuchToken));
    // The record arrives again, late.
    fixture.set(Fact::Token, &token, &record).await;
    assert_eq!(fixture.find(&token).await, None);
    assert_eq!(fixture.list("ada").await, []);
}

#[tokio::test(flavor = "current_thread")]
async fn the_next_change_finishes_a_rotation() {
    for until in [Some(1_662_720_200), None] {
        let fixture = records();
        let old = fixture.create("ada", 1, "alpha").await;
        let new = fixture.rotate(&old, 2, until).await;
        for fact in [Fact::Retired, Fact::Revoked] {
            let key = fact.key(user("ada"), old.id);
            fixture.key_values.delete(&key).await.unwrap();
        }
        let retired = Token {
            retires_at: Some(until.unwrap_or(1_662_720_135)),
            ..old.clone()
        };
        let mut listed = vec![new];
        listed.extend(until.map(|_| retired.clone()));
        assert_eq!(fixture.list("ada").await, listed);
        assert_eq!(fixture.find(&old).await, Some(old.clone()));
        // Even one that changes nothing.
        fixture.change_nothing().await;
        assert_eq!(fixture.find(&old).await, Some(retired));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_earlier_of_two_ends_counts() {
    let fixture = records();
    let old = fixture.create("ada", 1, "alpha").await;
    let before = fixture.key_values.memory.documents.borrow().clone();
    let early = fixture.rotate(&old, 2, Some(1_662_720_200)).await;
    let record = fixture.document(Fact::Token, early.id);
    // In another region, which has not heard of it.
    *fixture.key_values.memory.documents.borrow_mut() = before;
    fixture.rotate(&old, 3, Some(1_662_723_000)).await;
    fixture.set(Fact::Token, &early, &record).await;

    let end = |token: Option<Token>| token.and_then(|token| token.retires_at);
    assert_eq!(end(fixture.find(&old).await), Some(1_662_723_000));
    fixture.change_nothing().await;
    assert_eq!(end(fixture.find(&old).await), Some(1_662_720_200));
}

#[tokio::test(flavor = "current_thread")]
async fn an_idempotency_key_is_known_as_long_as_its_token() {
    let fixture = records();
    let token = fixture.token(1, "alpha");
    let key = "key"
        .parse::<crate::idempotency::IdempotencyKey>()
        .unwrap()
        .digest();
    let creation = Repeatable {
        key,
        content: key,
        id: token.id,
        issued_at: token.issued_at,
    };
    let change = fixture.records.change(user("ada"), |ledger| {
        ledger.create_repeatable(token.clone(), 100, creation.clone())
    });
    change.await.unwrap().unwrap();
    let ledger = fixture.records.load(user("ada")).await.unwrap();
    assert_eq!(ledger.repeatable(key), Some(&creation));
    fixture.revoke(&token).await.unwrap();
    let ledger = fixture.records.load(user("ada")).await.unwrap();
    assert_eq!(ledger.repeatable(key), None);
}

#[tokio::test(flavor = "current_thread")]
async fn facts_are_removed_a_day_after_their_retention() {
    let fixture = records();
    for number in 0..10 {
        let token = fixture.create("ada", number, &format!("t{number}")).await;
        if number % 2 == 0 {
            fixture.revoke(&token).await.unwrap();
        }
    }
    let all = fixture.keys().len();
    assert_eq!(all, 15);
    fixture
        .clock
        .advance(Duration::from_secs(HOUR - 1) + DAY + DAY);
    fixture.create("ada", 100, "later").await;
    assert_eq!(fixture.keys().len(), all + 1, "not yet");
    fixture.clock.advance(Duration::from_secs(1));
    // A few at a time.
    fixture.create("ada", 101, "and later").await;
    assert_eq!(fixture.keys().len(), all + 2 - REMOVED_AT_ONCE);
    for number in 102..115 {
        let token = fixture.create("ada", number, "passing").await;
        fixture.revoke(&token).await.unwrap();
    }
    let left = fixture.keys();
    let late = |key: &String| {
        (100..115).any(|n| key.ends_with(&TokenId::from_random([n; 16]).to_string()))
    };
    assert!(left.iter().all(late), "{left:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_newer_version_wrote_is_refused() {
    let fixture = records();
    let token = fixture.create("ada", 1, "alpha").await;
    let set = async |fact: Fact, document: &str| {
        fixture.set(fact, &token, document).await;
        fixture.records.find(user("ada"), token.id).await
    };
    let newer = |format| {
        Err(StoreError::Document(crate::ledger::DocumentError::Format(
            format,
        )))
    };
    assert_eq!(
        set(Fact::Retired, r#"{"format":4,"later":1}"#).await,
        newer(4)
    );
    assert_eq!(set(Fact::Token, r#"{"format":4}"#).await, newer(4));
    let malformed = set(Fact::Token, "[]").await;
    assert!(
        matches!(malformed, Err(StoreError::Document(_))),
        "{malformed:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_proof_of_a_write_is_good_for_two_seconds() {
    let fixture = records();
    for (advance, written) in [(0, 1), (1, 1), (1, 2), (0, 2), (3, 3)] {
        fixture.clock.advance(Duration::from_secs(advance));
        assert_eq!(fixture.records.try_write().await, Ok(()));
        assert_eq!(fixture.key_values.written.borrow().len(), written);
    }
    fixture.clock.advance(Duration::from_secs(2));
    fixture.key_values.memory.read_only.set(true);
    assert!(fixture.records.try_write().await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn it_makes_no_signing_key() {
    let fixture = records();
    assert_eq!(fixture.records.present_signing_key().await, Ok(None));
    assert_eq!(
        fixture.records.signing_key().await,
        Err(StoreError::NoSigningKey)
    );
}
