//! The use cases, natively.

mod rotate;
mod usage;
mod verify;

use super::*;
use crate::auth::Authority;
use crate::jwt::Claims;
use crate::lifetime::Lifetime;
use crate::store::KeyValueError;
use crate::testing::fixture;
use crate::token::Limits;

#[tokio::test(flavor = "current_thread")]
async fn the_life_of_a_token() {
    let fixture = fixture(&[]);
    let ada = "ada".parse().unwrap();
    let Issued { token, signed, .. } = fixture.issue("ada", "alpha", "6 hours").await.unwrap();
    assert_eq!(
        (token.lifetime.as_secs(), token.issued_at),
        (21_600, 1_662_720_135)
    );

    let keys = fixture.service.keys().await.unwrap();
    let claims = keys.verify(signed.expose(), fixture.clock.now()).unwrap();
    assert_eq!(claims, Claims::new(&ada, &token));

    let shown = fixture.service.show(&ada, token.id).await.unwrap();
    assert_eq!(shown.remaining, Duration::from_millis(21_599_750));
    assert!(!shown.is_expired());

    fixture.service.revoke(&ada, token.id).await.unwrap();
    assert_eq!(
        fixture.service.revoke(&ada, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(
        fixture.service.show(&ada, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(fixture.list("ada").await, Err(ServiceError::NoTokens));
}

#[tokio::test(flavor = "current_thread")]
async fn one_user_does_not_see_another() {
    let fixture = fixture(&[]);
    let token = fixture.issue("ada", "alpha", "1h").await.unwrap().token;
    fixture.issue("bob", "alpha", "1h").await.unwrap();
    let bob = "bob".parse().unwrap();
    assert_eq!(
        fixture.service.show(&bob, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(
        fixture.service.revoke(&bob, token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha"]);
}

#[tokio::test(flavor = "current_thread")]
async fn expired_tokens_are_listed_for_the_retention() {
    let fixture = fixture(&[("expired_retention", "1 hour")]);
    fixture.issue("ada", "short", "1m").await.unwrap();
    fixture.issue("ada", "long", "1 day").await.unwrap();
    fixture.clock.advance(Duration::from_secs(60));

    assert_eq!(fixture.list("ada").await.unwrap(), ["long", "short"]);
    let taken = fixture.issue("ada", "short", "1m").await;
    assert_eq!(
        taken,
        Err(ServiceError::Ledger(LedgerError::DescriptionTaken))
    );

    fixture.clock.advance(Duration::from_secs(3_601));
    assert_eq!(fixture.list("ada").await.unwrap(), ["long"]);
    fixture.issue("ada", "short", "1m").await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_limits() {
    let fixture = fixture(&[("max_tokens_per_user", "2"), ("max_token_life", "1 day")]);
    let max: Lifetime = "1 day".parse().unwrap();
    let long = fixture.issue("ada", "long", "86401").await;
    assert_eq!(
        long,
        Err(ServiceError::Lifetime(LifetimeError::AboveMaximum(max)))
    );
    fixture.issue("ada", "one", "1 day").await.unwrap();
    fixture.issue("ada", "two", "1s").await.unwrap();
    let third = fixture.issue("ada", "three", "1s").await;
    assert_eq!(
        third,
        Err(ServiceError::Ledger(LedgerError::LimitReached(2)))
    );
    fixture.issue("bob", "one", "1s").await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn the_signing_key_is_made_once() {
    let fixture = fixture(&[]);
    let token = fixture.issue("ada", "alpha", "1h").await.unwrap().signed;
    let other = fixture.restarted(&[]).service;
    let keys = other.keys().await.unwrap();
    assert!(keys.verify(token.expose(), fixture.clock.now()).is_ok());
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_secret_is_stored_with_the_tokens() {
    let fixture = fixture(&[]);
    let signed = fixture.issue("ada", "alpha", "1h").await.unwrap().signed;
    let documents = fixture.memory.documents.borrow();
    let ledger = String::from_utf8(documents["latchkey-ledger-ada"].clone()).unwrap();
    for part in signed.expose().split('.') {
        assert!(!ledger.contains(part), "{ledger}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_store_that_fails_is_an_error_and_recovers() {
    let fixture = fixture(&[]);
    fixture.issue("ada", "alpha", "1h").await.unwrap();
    fixture.memory.broken.set(true);
    let broken = || ServiceError::Store(StoreError::KeyValue(KeyValueError("broken".to_owned())));
    assert_eq!(fixture.list("ada").await, Err(broken()));
    assert_eq!(
        fixture.issue("ada", "beta", "1h").await.map(|_| ()),
        Err(broken())
    );
    fixture.memory.broken.set(false);
    fixture.issue("ada", "beta", "1h").await.unwrap();
    assert_eq!(fixture.list("ada").await.unwrap(), ["beta", "alpha"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_ledger_of_another_format_is_left_alone() {
    let fixture = fixture(&[]);
    let newer = br#"{"format":2}"#.to_vec();
    fixture
        .memory
        .documents
        .borrow_mut()
        .insert("latchkey-ledger-ada".to_owned(), newer.clone());
    assert!(matches!(
        fixture.list("ada").await,
        Err(ServiceError::Store(StoreError::Document(_)))
    ));
    let issued = fixture.issue("ada", "alpha", "1h").await;
    assert!(matches!(
        issued,
        Err(ServiceError::Store(StoreError::Document(_)))
    ));
    assert_eq!(
        fixture.memory.documents.borrow()["latchkey-ledger-ada"],
        newer
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_creation_is_repeated_for_a_day_and_not_doubled() {
    let fixture = fixture(&[("max_tokens_per_user", "1")]);
    let ada = "ada".parse().unwrap();
    let create = async |description: &str, life: &str, key: &str| {
        let (description, life) = (description.parse().unwrap(), life.parse().unwrap());
        let key = Some(key.parse().unwrap());
        fixture
            .service
            .issue(
                &ada,
                &Authority::default(),
                description,
                life,
                Limits::default(),
                key,
            )
            .await
    };
    let first = create("alpha", "1h", "k").await.unwrap();
    assert!(!first.repeated);
    let again = Issued {
        repeated: true,
        ..first.clone()
    };
    fixture.clock.advance(Duration::from_secs(100));
    assert_eq!(create(" alpha ", "3600", "k").await.as_ref(), Ok(&again));
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha"]);
    for (description, life) in [("alpha", "2h"), ("beta", "1h")] {
        let other = create(description, life, "k").await;
        assert_eq!(other, Err(ServiceError::IdempotencyKeyReused));
    }
    assert_eq!(
        create("alpha", "1h", "l").await,
        Err(ServiceError::Ledger(LedgerError::DescriptionTaken))
    );

    // Neither is it created again once it has been deleted, or has expired.
    fixture.service.revoke(&ada, first.token.id).await.unwrap();
    fixture
        .clock
        .advance(Duration::from_secs(24 * 60 * 60 - 101));
    assert_eq!(create("alpha", "1h", "k").await.as_ref(), Ok(&again));
    assert_eq!(fixture.list("ada").await, Err(ServiceError::NoTokens));

    fixture.clock.advance(Duration::from_secs(2));
    let second = create("alpha", "1h", "k").await.unwrap();
    assert_ne!(second.token.id, first.token.id);
}
