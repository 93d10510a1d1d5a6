use std::cell::Cell;

use super::*;
use crate::ledger::LedgerError;
use crate::lifetime::Lifetime;
use crate::store::{Change, KeyValueError};
use crate::testing::{FakeClock, FakeRandom, Memory, fixture};

/// A store in which others write to the ledger as soon as a first swap was made, before its outcome can be read.
struct Crowded {
    memory: Memory,
    /// How many writes.
    others: usize,
    /// Whether the first read after it fails.
    loses_answer: bool,
    /// Whether they were faster than the swap, and have created this token.
    were_faster: Option<Token>,
    /// Whether the first swap is still to come, and whether its outcome is still to be read.
    swaps: Cell<bool>,
    has_swapped: Cell<bool>,
}

impl KeyValue for Crowded {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        if self.has_swapped.replace(false) && self.loses_answer {
            return Err(KeyValueError("on purpose".to_owned()));
        }
        self.memory.get(key).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.memory.set(key, value).await
    }
}

impl AtomicKeyValue for Crowded {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        let former = self.memory.get(key).await?;
        self.memory.compare_and_swap(key, change).await?;
        let document = self.memory.get(key).await?;
        if document == former || !self.swaps.replace(false) {
            return Ok(());
        }
        self.has_swapped.set(true);
        let mut ledger = read_ledger(document.as_deref()).unwrap();
        if let Some(token) = &self.were_faster {
            ledger = read_ledger(former.as_deref()).unwrap();
            ledger.create(token.clone(), 100).unwrap();
        }
        for number in 0..self.others {
            ledger.record(WriteId::from_random(1_000_000 + number as u64));
        }
        self.memory.set(key, ledger.to_document()).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.memory.increment(key, delta).await
    }
}

fn token(id: u8, description: &str) -> Token {
    Token {
        id: TokenId::from_random([id; 16]),
        description: description.parse().unwrap(),
        lifetime: Lifetime::from_secs(60).unwrap(),
        issued_at: 0,
        issuer: None,
        limits: Default::default(),
        retires_at: None,
        provenance: Default::default(),
    }
}

type Crowd = Documents<(Crowded, FakeClock, FakeRandom)>;

/// A ledger of `ada` with one token, in such a store.
async fn crowded(others: usize, loses_answer: bool, were_faster: Option<Token>) -> Crowd {
    let store = Crowded {
        memory: Memory::default(),
        others,
        loses_answer,
        were_faster,
        swaps: Cell::new(false),
        has_swapped: Cell::new(false),
    };
    let documents = Documents::new((store, fixture(&[]).clock, FakeRandom::default()));
    let created = change(&documents, |ledger| ledger.create(token(1, "first"), 100)).await;
    assert_eq!(created, Ok(Ok(())));
    documents.ports.0.swaps.set(true);
    documents
}

async fn change<E>(
    documents: &Crowd,
    apply: impl FnMut(&mut Ledger) -> Result<(), E>,
) -> Result<Result<(), E>, StoreError> {
    documents.change(&"ada".parse().unwrap(), apply).await
}

/// What a ledger remembers, and more.
const MANY: usize = 64;

/// The changes that a service makes, each of which refuses what it has itself brought about.
type Apply = fn(&mut Ledger) -> Result<(), Option<LedgerError>>;
const CHANGES: [(&str, Apply); 4] = [
    ("create", |ledger| {
        Ok(ledger.create(token(2, "second"), 100)?)
    }),
    ("delete", |ledger| {
        let deleted = ledger.delete(token(1, "first").id);
        Ok(deleted.map(drop).ok_or(LedgerError::NoSuchToken)?)
    }),
    ("delete all", |ledger| match ledger.delete_all() {
        0 => Err(None),
        _ => Ok(()),
    }),
    ("rotate", |ledger| {
        Ok(ledger.rotate(token(1, "first").id, token(2, "first"), None, 100)?)
    }),
];

#[tokio::test]
async fn what_we_may_have_done_ourselves_is_no_refusal() {
    for (name, apply) in CHANGES {
        for loses_answer in [false, true] {
            let documents = crowded(MANY, loses_answer, None).await;
            let outcome = change(&documents, apply).await;
            let forgotten = Err(StoreError::OutcomeUnknown);
            assert_eq!(outcome, forgotten, "{name}, {loses_answer}");
            // It was made nevertheless, so without a swap of its own the next one is refused.
            let again = change(&documents, apply).await;
            assert!(matches!(again, Ok(Err(_))), "{name}: {again:?}");
        }
    }
}

#[tokio::test]
async fn what_is_remembered_is_done() {
    for (name, apply) in CHANGES {
        for loses_answer in [false, true] {
            let documents = crowded(MANY - 1, loses_answer, None).await;
            let outcome = change(&documents, apply).await;
            assert_eq!(outcome, Ok(Ok(())), "{name}, {loses_answer}");
        }
    }
}

/// A swap that was lost for sure leaves no doubt, even if its answer was lost, too.
#[tokio::test]
async fn what_others_have_done_is_a_refusal() {
    let create = |ledger: &mut Ledger| ledger.create(token(2, "second"), 100);
    let theirs = || Some(token(3, "second"));
    for loses_answer in [false, true] {
        let documents = crowded(MANY - 1, loses_answer, theirs()).await;
        let outcome = change(&documents, create).await;
        let taken = Ok(Err(LedgerError::DescriptionTaken));
        assert_eq!(outcome, taken, "{loses_answer}");

        let documents = crowded(MANY, loses_answer, theirs()).await;
        let outcome = change(&documents, create).await;
        assert_eq!(outcome, Err(StoreError::OutcomeUnknown), "{loses_answer}");
    }
}

/// Nothing was swapped, so nothing is in doubt, however many have written.
#[tokio::test]
async fn a_refusal_without_a_swap_is_one() {
    let documents = crowded(MANY, false, None).await;
    let refuse = |_: &mut Ledger| Err(LedgerError::NoSuchToken);
    let outcome = change(&documents, refuse).await;
    assert_eq!(outcome, Ok(Err(LedgerError::NoSuchToken)));
}
