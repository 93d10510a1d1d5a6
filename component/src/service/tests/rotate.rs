//! Rotation, and the revocation of all tokens.

use super::*;
use crate::testing::Fixture;

async fn is_live(fixture: &Fixture, issued: &Issued) -> bool {
    let live = fixture
        .service
        .verify(issued.signed.expose())
        .await
        .unwrap();
    live.is_some()
}

fn rotation(lifetime: &str, overlap: &str) -> Rotation {
    Rotation {
        lifetime: lifetime.parse().ok(),
        overlap: overlap.parse().ok(),
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_old_token_is_dead_at_once() {
    let fixture = fixture(&[("max_tokens_per_user", "1")]);
    let ada = "ada".parse().unwrap();
    let old = fixture.issue("ada", "alpha", "1h").await.unwrap();
    fixture.clock.advance(Duration::from_secs(60));
    let authority = Authority::default();
    let rotate = |id| {
        fixture
            .service
            .rotate(&ada, &authority, id, Rotation::default())
    };
    let new = rotate(old.token.id).await.unwrap();
    assert_ne!(new.token.id, old.token.id);
    assert_eq!(
        new.token,
        Token {
            id: new.token.id,
            issued_at: old.token.issued_at + 60,
            ..old.token.clone()
        }
    );
    assert!(is_live(&fixture, &new).await);
    assert!(!is_live(&fixture, &old).await);
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha"]);
    assert_eq!(
        rotate(old.token.id).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
    let bob = "bob".parse().unwrap();
    assert_eq!(
        fixture
            .service
            .rotate(
                &bob,
                &Authority::default(),
                new.token.id,
                Rotation::default()
            )
            .await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
}

#[tokio::test(flavor = "current_thread")]
async fn both_are_good_during_the_overlap() {
    let fixture = fixture(&[("max_tokens_per_user", "2")]);
    let ada = "ada".parse().unwrap();
    let old = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let rotate = async |issued: &Issued, rotation| {
        fixture
            .service
            .rotate(&ada, &Authority::default(), issued.token.id, rotation)
            .await
    };
    let new = rotate(&old, rotation("2h", "10 min")).await.unwrap();
    assert_eq!(new.token.lifetime.as_secs(), 7_200);
    assert!(is_live(&fixture, &old).await && is_live(&fixture, &new).await);
    let list = fixture.service.list(&ada).await.unwrap();
    let lives: Vec<_> = list
        .tokens
        .iter()
        .map(|status| (status.token.id, status.remaining.as_millis()))
        .collect();
    assert_eq!(lives, [(new.token.id, 7_199_750), (old.token.id, 599_750)]);
    assert_eq!(
        rotate(&old, Rotation::default()).await,
        Err(ServiceError::Ledger(LedgerError::AlreadyRotated))
    );
    assert_eq!(
        rotate(&new, rotation("", "1s")).await,
        Err(ServiceError::Ledger(LedgerError::LimitReached(2)))
    );

    fixture.clock.advance(Duration::from_millis(599_750));
    assert!(!is_live(&fixture, &old).await && is_live(&fixture, &new).await);
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha"]);
    assert_eq!(
        rotate(&old, Rotation::default()).await,
        Err(ServiceError::Ledger(LedgerError::NoSuchToken))
    );
}

#[tokio::test(flavor = "current_thread")]
async fn an_overlap_gives_no_longer_life() {
    let fixture = fixture(&[]);
    let ada = "ada".parse().unwrap();
    let old = fixture.issue("ada", "alpha", "1m").await.unwrap();
    fixture
        .service
        .rotate(
            &ada,
            &Authority::default(),
            old.token.id,
            rotation("1h", "1 year"),
        )
        .await
        .unwrap();
    fixture.clock.advance(Duration::from_secs(60));
    assert!(!is_live(&fixture, &old).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_rotation_changes_nothing() {
    let fixture = fixture(&[]);
    let ada = "ada".parse().unwrap();
    let old = fixture.issue("ada", "alpha", "2 days").await.unwrap();
    let strict = fixture.restarted(&[("max_token_life", "1 day")]);
    for refused in [rotation("", ""), rotation("25h", "")] {
        assert!(matches!(
            strict
                .service
                .rotate(&ada, &Authority::default(), old.token.id, refused)
                .await,
            Err(ServiceError::Lifetime(_))
        ));
    }
    assert!(is_live(&strict, &old).await);
}

#[tokio::test(flavor = "current_thread")]
async fn all_of_one_user() {
    let fixture = fixture(&[]);
    let ada = "ada".parse().unwrap();
    let alpha = fixture.issue("ada", "alpha", "1h").await.unwrap();
    fixture.issue("ada", "beta", "1s").await.unwrap();
    let other = fixture.issue("bob", "alpha", "1h").await.unwrap();
    fixture.clock.advance(Duration::from_secs(2));
    assert_eq!(fixture.service.revoke_all(&ada).await, Ok(2));
    assert_eq!(fixture.service.revoke_all(&ada).await, Ok(0));
    assert!(!is_live(&fixture, &alpha).await);
    assert!(is_live(&fixture, &other).await);
    assert_eq!(fixture.list("ada").await, Err(ServiceError::NoTokens));
}
