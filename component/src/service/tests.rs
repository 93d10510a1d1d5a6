//! The use cases, natively.

mod rotate;
mod verify;

use super::*;
use crate::jwt::Claims;
use crate::lifetime::Lifetime;
use crate::store::KeyValueError;
use crate::testing::world;

#[tokio::test(flavor = "current_thread")]
async fn the_life_of_a_token() {
    let world = world(&[]);
    let ada = "ada".parse().unwrap();
    let Issued { token, signed, .. } = world.issue("ada", "alpha", "6 hours").await.unwrap();
    assert_eq!(
        (token.lifetime.as_secs(), token.issued_at),
        (21_600, 1_662_720_135)
    );

    let keys = world.service.keys().await.unwrap();
    let claims = keys.verify(signed.expose(), world.clock.now()).unwrap();
    assert_eq!(claims, Claims::new(&ada, &token));

    let shown = world.service.show(&ada, token.id).await.unwrap();
    assert_eq!(shown.remaining, Duration::from_millis(21_599_750));
    assert!(!shown.is_expired());

    world.service.revoke(&ada, token.id).await.unwrap();
    assert_eq!(
        world.service.revoke(&ada, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(
        world.service.show(&ada, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(world.list("ada").await, Err(ServiceError::NoTokens));
}

#[tokio::test(flavor = "current_thread")]
async fn one_user_does_not_see_another() {
    let world = world(&[]);
    let token = world.issue("ada", "alpha", "1h").await.unwrap().token;
    world.issue("bob", "alpha", "1h").await.unwrap();
    let bob = "bob".parse().unwrap();
    assert_eq!(
        world.service.show(&bob, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(
        world.service.revoke(&bob, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(world.list("ada").await.unwrap(), ["alpha"]);
}

#[tokio::test(flavor = "current_thread")]
async fn expired_tokens_are_listed_for_the_retention() {
    let world = world(&[("expired_retention", "1 hour")]);
    world.issue("ada", "short", "1m").await.unwrap();
    world.issue("ada", "long", "1 day").await.unwrap();
    world.clock.advance(Duration::from_secs(60));

    assert_eq!(world.list("ada").await.unwrap(), ["long", "short"]);
    let taken = world.issue("ada", "short", "1m").await;
    assert_eq!(
        taken,
        Err(ServiceError::Ledger(LedgerError::DescriptionTaken))
    );

    world.clock.advance(Duration::from_secs(3_601));
    assert_eq!(world.list("ada").await.unwrap(), ["long"]);
    world.issue("ada", "short", "1m").await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_limits() {
    let world = world(&[("max_tokens_per_user", "2"), ("max_token_life", "1 day")]);
    let max: Lifetime = "1 day".parse().unwrap();
    let long = world.issue("ada", "long", "86401").await;
    assert_eq!(
        long,
        Err(ServiceError::Lifetime(LifetimeError::AboveMaximum(max)))
    );
    world.issue("ada", "one", "1 day").await.unwrap();
    world.issue("ada", "two", "1s").await.unwrap();
    let third = world.issue("ada", "three", "1s").await;
    assert_eq!(
        third,
        Err(ServiceError::Ledger(LedgerError::LimitReached(2)))
    );
    world.issue("bob", "one", "1s").await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_signing_key_is_made_once() {
    let world = world(&[]);
    let token = world.issue("ada", "alpha", "1h").await.unwrap().signed;
    let other = world.restarted(&[]).service;
    let keys = other.keys().await.unwrap();
    assert!(keys.verify(token.expose(), world.clock.now()).is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_secret_is_stored_with_the_tokens() {
    let world = world(&[]);
    let signed = world.issue("ada", "alpha", "1h").await.unwrap().signed;
    let documents = world.memory.documents.borrow();
    let ledger = String::from_utf8(documents["latchkey-ledger-ada"].clone()).unwrap();
    for part in signed.expose().split('.') {
        assert!(!ledger.contains(part), "{ledger}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_fails_is_an_error_and_recovers() {
    let world = world(&[]);
    world.issue("ada", "alpha", "1h").await.unwrap();
    world.memory.broken.set(true);
    let broken = || ServiceError::Store(StoreError::KeyValue(KeyValueError("broken".to_owned())));
    assert_eq!(world.list("ada").await, Err(broken()));
    assert_eq!(
        world.issue("ada", "beta", "1h").await.map(|_| ()),
        Err(broken())
    );
    world.memory.broken.set(false);
    world.issue("ada", "beta", "1h").await.unwrap();
    assert_eq!(world.list("ada").await.unwrap(), ["beta", "alpha"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_ledger_of_another_format_is_left_alone() {
    let world = world(&[]);
    let newer = br#"{"format":2}"#.to_vec();
    world
        .memory
        .documents
        .borrow_mut()
        .insert("latchkey-ledger-ada".to_owned(), newer.clone());
    assert!(matches!(
        world.list("ada").await,
        Err(ServiceError::Store(StoreError::Document(_)))
    ));
    let issued = world.issue("ada", "alpha", "1h").await;
    assert!(matches!(
        issued,
        Err(ServiceError::Store(StoreError::Document(_)))
    ));
    assert_eq!(
        world.memory.documents.borrow()["latchkey-ledger-ada"],
        newer
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_creation_is_repeated_for_a_day_and_not_doubled() {
    let world = world(&[("max_tokens_per_user", "1")]);
    let ada = "ada".parse().unwrap();
    let create = async |description: &str, life: &str, key: &str| {
        let (description, life) = (description.parse().unwrap(), life.parse().unwrap());
        let key = Some(key.parse().unwrap());
        world.service.issue(&ada, description, life, key).await
    };
    let first = create("alpha", "1h", "k").await.unwrap();
    assert!(!first.repeated);
    let again = Issued {
        repeated: true,
        ..first.clone()
    };
    world.clock.advance(Duration::from_secs(100));
    assert_eq!(create(" alpha ", "3600", "k").await.as_ref(), Ok(&again));
    assert_eq!(world.list("ada").await.unwrap(), ["alpha"]);
    for (description, life) in [("alpha", "2h"), ("beta", "1h")] {
        let other = create(description, life, "k").await;
        assert_eq!(other, Err(ServiceError::IdempotencyKeyReused));
    }
    assert_eq!(
        create("alpha", "1h", "l").await,
        Err(ServiceError::Ledger(LedgerError::DescriptionTaken))
    );

    // Neither is it created again once it has been deleted, or has expired.
    world.service.revoke(&ada, first.token.id).await.unwrap();
    world.clock.advance(Duration::from_secs(24 * 60 * 60 - 101));
    assert_eq!(create("alpha", "1h", "k").await.as_ref(), Ok(&again));
    assert_eq!(world.list("ada").await, Err(ServiceError::NoTokens));

    world.clock.advance(Duration::from_secs(2));
    let second = create("alpha", "1h", "k").await.unwrap();
    assert_ne!(second.token.id, first.token.id);
}
