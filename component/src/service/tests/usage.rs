//! When tokens were last used: kept beside the ledger, and of no consequence.

use super::*;
use crate::testing::Fixture;
use crate::token::TokenId;

async fn use_token(fixture: &Fixture, issued: &Issued) -> bool {
    let live = fixture.service.verify(issued.signed.expose()).await;
    fixture.service.note_use(&live.unwrap().unwrap())
}

async fn used(fixture: &Fixture, id: TokenId) -> Option<u64> {
    fixture.service.uses(&"ada".parse().unwrap()).await.of(id)
}

fn keys(fixture: &Fixture) -> Vec<String> {
    let mut keys: Vec<_> = fixture.memory.documents.borrow().keys().cloned().collect();
    keys.retain(|key| key.contains("-used-"));
    keys
}

#[tokio::test(flavor = "current_thread")]
async fn all_that_waits_is_written_at_once_and_the_ledger_is_left_alone() {
    let fixture = fixture(&[]);
    let one = fixture.issue("ada", "one", "1h").await.unwrap();
    let two = fixture.issue("ada", "two", "1h").await.unwrap();
    let of_bob = fixture.issue("bob", "one", "1h").await.unwrap();
    let ledger = fixture.memory.documents.borrow()["latchkey-ledger-ada"].clone();
    for issued in [&one, &of_bob, &two] {
        assert!(use_token(&fixture, issued).await);
    }
    fixture.service.write_uses().await;
    assert_eq!(used(&fixture, one.token.id).await, Some(1_662_720_000));
    assert_eq!(used(&fixture, two.token.id).await, Some(1_662_720_000));
    assert_eq!(used(&fixture, of_bob.token.id).await, None);
    let mut written = keys(&fixture);
    written.sort();
    assert_eq!(written, ["latchkey-used-ada", "latchkey-used-bob"]);
    let after = fixture.memory.documents.borrow()["latchkey-ledger-ada"].clone();
    assert_eq!(after, ledger);
}

#[tokio::test(flavor = "current_thread")]
async fn an_instance_that_knows_less_takes_nothing_back() {
    let fixture = fixture(&[]);
    let one = fixture.issue("ada", "one", "2h").await.unwrap();
    let two = fixture.issue("ada", "two", "2h").await.unwrap();
    let other = fixture.restarted(&[]);
    // Noted before, and written late.
    assert!(use_token(&other, &one).await);
    fixture.clock.advance(Duration::from_secs(600));
    for issued in [&one, &two] {
        assert!(use_token(&fixture, issued).await);
    }
    fixture.service.write_uses().await;
    other.service.write_uses().await;
    for id in [one.token.id, two.token.id] {
        assert_eq!(used(&fixture, id).await, Some(1_662_720_600));
    }
}

#[tokio::test(flavor = "current_thread")]
async fn what_another_instance_has_noted_is_not_written_again() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "one", "1h").await.unwrap();
    assert!(use_token(&fixture, &issued).await);
    fixture.service.write_uses().await;
    let read = || fixture.memory.documents.borrow()["latchkey-used-ada"].clone();
    // The same, in another writing.
    let marked = [b" ", &read()[..]].concat();
    let key = "latchkey-used-ada".to_owned();
    let written = marked.clone();
    fixture.memory.documents.borrow_mut().insert(key, written);
    let other = fixture.restarted(&[]);
    assert!(use_token(&other, &issued).await);
    other.service.write_uses().await;
    assert_eq!(read(), marked);
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_fails_for_it_fails_nothing_else() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "one", "1h").await.unwrap();
    fixture.memory.read_only.set(true);
    assert!(use_token(&fixture, &issued).await);
    fixture.service.write_uses().await;
    assert_eq!(keys(&fixture), [""; 0]);
    // Not tried again before the next step.
    assert!(!use_token(&fixture, &issued).await);
    fixture.memory.read_only.set(false);
    fixture.clock.advance(Duration::from_secs(600));
    assert!(use_token(&fixture, &issued).await);
    fixture.service.write_uses().await;
    assert_eq!(used(&fixture, issued.token.id).await, Some(1_662_720_600));

    // What cannot be read is not known.
    fixture.memory.broken.set(true);
    assert_eq!(used(&fixture, issued.token.id).await, None);
    fixture.memory.broken.set(false);
    let garbage = b"garbage".to_vec();
    let key = "latchkey-used-ada".to_owned();
    fixture.memory.documents.borrow_mut().insert(key, garbage);
    assert_eq!(used(&fixture, issued.token.id).await, None);
    fixture.clock.advance(Duration::from_secs(600));
    assert!(use_token(&fixture, &issued).await);
    fixture.service.write_uses().await;
    assert_eq!(used(&fixture, issued.token.id).await, Some(1_662_721_200));
}

#[tokio::test(flavor = "current_thread")]
async fn tokens_that_are_gone_are_forgotten() {
    let fixture = fixture(&[("max_tokens_per_user", "3")]);
    let ada: Username = "ada".parse().unwrap();
    for _ in 0..10 {
        let issued = fixture.issue("ada", "one", "1h").await.unwrap();
        assert!(use_token(&fixture, &issued).await);
        fixture.service.write_uses().await;
        assert!(used(&fixture, issued.token.id).await.is_some());
        fixture.service.revoke(&ada, issued.token.id).await.unwrap();
        let value = fixture.memory.documents.borrow()["latchkey-used-ada"].clone();
        let noted: Vec<serde_json::Value> = serde_json::from_slice(&value).unwrap();
        assert!(noted.len() <= 3, "{noted:?}");
    }
}
