//! Which tokens are live.

use super::*;
use crate::jwt::{Claims, KeySet};
use crate::testing::Fixture;
use crate::token::Issuer;
use crate::token::{Audience, Limits, Provenance};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

async fn is_live(fixture: &Fixture, token: &str) -> bool {
    fixture.service.verify(token).await.unwrap().is_some()
}

/// A token that claims what `token` does, after `edit`, signed with the configured key.
fn forge(token: &Token, edit: impl FnOnce(&mut Claims)) -> SignedToken {
    let mut claims = Claims::new(&"ada".parse().unwrap(), token);
    edit(&mut claims);
    KeySet::from_secret(SECRET.as_bytes())
        .unwrap()
        .sign(&claims)
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_is_live_until_it_is_revoked() {
    let fixture = fixture(&[]);
    let ada = "ada".parse().unwrap();
    let Issued { token, signed, .. } = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let live = fixture.service.verify(signed.expose()).await.unwrap();
    assert_eq!(
        live,
        Some(LiveToken {
            user: "ada".parse().unwrap(),
            ends_at: token.ends_at(),
            last_sign_in: None,
            status: TokenStatus {
                remaining: Duration::from_millis(3_599_750),
                token: token.clone(),
            },
        })
    );
    fixture.service.revoke(&ada, token.id).await.unwrap();
    assert!(!is_live(&fixture, signed.expose()).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_is_live_until_the_second_it_expires() {
    let fixture = fixture(&[]);
    let signed = fixture.issue("ada", "alpha", "1h").await.unwrap().signed;
    fixture.clock.advance(Duration::from_millis(3_599_749));
    assert!(is_live(&fixture, signed.expose()).await);
    fixture.clock.advance(Duration::from_millis(1));
    assert!(!is_live(&fixture, signed.expose()).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_dies_with_its_user_and_with_its_key() {
    let first = fixture(&[("signing_keys", SECRET)]);
    let signed = first.issue("ada", "alpha", "1h").await.unwrap().signed;
    let same = first.restarted(&[("signing_keys", SECRET)]);
    assert!(is_live(&same, signed.expose()).await);
    let users = first.restarted(&[("signing_keys", SECRET), ("users", "bob")]);
    assert!(!is_live(&users, signed.expose()).await);
    let other_key = first.restarted(&[("signing_keys", "another secret of thirty-two byte")]);
    assert!(!is_live(&other_key, signed.expose()).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_claims_what_was_configured_when_it_was_issued() {
    let key = ("signing_keys", SECRET);
    let before = fixture(&[key]);
    let plain = before.issue("ada", "plain", "1h").await.unwrap().signed;
    let with = before.restarted(&[key, ("issuer", "me"), ("audience", "you")]);
    let full = with.issue("ada", "full", "1h").await.unwrap().signed;
    let after = with.restarted(&[key, ("issuer", "another")]);
    for fixture in [&before, &with, &after] {
        assert!(is_live(fixture, plain.expose()).await);
        assert!(is_live(fixture, full.expose()).await);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_that_borrows_a_live_id_is_dead() {
    let fixture = fixture(&[("signing_keys", SECRET)]);
    let Issued { token, signed, .. } = fixture.issue("ada", "alpha", "1h").await.unwrap();
    fixture.issue("bob", "alpha", "1h").await.unwrap();
    // The forger's tool works.
    assert_eq!(forge(&token, |_| {}), signed);
    let dead: Vec<(&str, SignedToken)> = vec![
        ("user", forge(&token, |c| c.username = "bob".to_owned())),
        ("user", forge(&token, |c| c.username = "Ada".to_owned())),
        ("user", forge(&token, |c| c.username = "ada ".to_owned())),
        // Cyrillic.
        (
            "user",
            forge(&token, |c| c.username = "\u{430}d\u{430}".to_owned()),
        ),
        // Full width, which NFKC folds.
        ("user", forge(&token, |c| c.username = "ａｄａ".to_owned())),
        (
            "user",
            forge(&token, |c| c.username = "ada\u{200b}".to_owned()),
        ),
        ("user", forge(&token, |c| c.username = "ada\0".to_owned())),
        ("user", forge(&token, |c| c.username = String::new())),
        (
            "id",
            forge(&token, |c| c.jwt_token_id = TokenId::from_random([9; 16])),
        ),
        (
            "description",
            forge(&token, |c| c.jwt_token_description = "beta".to_owned()),
        ),
        (
            "description",
            forge(&token, |c| c.jwt_token_description.push(' ')),
        ),
        ("exp", forge(&token, |c| c.exp += 1)),
        ("exp", forge(&token, |c| c.exp -= 1)),
        ("exp", forge(&token, |c| c.exp = u64::MAX)),
        ("iat", forge(&token, |c| c.iat -= 1)),
        ("iss", forge(&token, |c| c.iss = Some("me".to_owned()))),
        ("sub", forge(&token, |c| c.sub = Some("ada".to_owned()))),
        ("jti", forge(&token, |c| c.jti = Some(c.jwt_token_id))),
        (
            "aud",
            forge(&token, |c| c.aud = Some(Audience::configured("you"))),
        ),
    ];
    for (claim, forged) in dead {
        assert!(!is_live(&fixture, forged.expose()).await, "{claim}");
    }
    assert!(is_live(&fixture, signed.expose()).await);
}

#[tokio::test(flavor = "current_thread")]
async fn the_registered_claims_are_part_of_the_record() {
    let fixture = fixture(&[
        ("signing_keys", SECRET),
        ("issuer", "me"),
        ("audience", "you"),
    ]);
    let Issued { token, signed, .. } = fixture.issue("ada", "alpha", "1h").await.unwrap();
    assert_eq!(
        token.issuer,
        Some(Issuer {
            name: "me".to_owned(),
            audience: Some("you".to_owned()),
        })
    );
    assert_eq!(forge(&token, |_| {}), signed);
    for forged in [
        forge(&token, |c| c.iss = None),
        forge(&token, |c| c.sub = Some("bob".to_owned())),
        forge(&token, |c| c.jti = Some(TokenId::from_random([9; 16]))),
        forge(&token, |c| c.aud = None),
        forge(&token, |c| c.aud = Some(Audience::configured("me"))),
    ] {
        assert!(!is_live(&fixture, forged.expose()).await);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn asking_writes_nothing() {
    let fixture = fixture(&[]);
    let forged = forge(
        &Token {
            id: TokenId::from_random([1; 16]),
            description: "alpha".parse().unwrap(),
            lifetime: "1h".parse().unwrap(),
            issued_at: fixture.clock.now().as_secs(),
            issuer: None,
            limits: Limits::default(),
            retires_at: None,
            provenance: Provenance::default(),
        },
        |_| {},
    );
    for token in ["", "..", forged.expose()] {
        assert!(!is_live(&fixture, token).await);
    }
    assert!(fixture.memory.documents.borrow().is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn without_the_store_nobody_knows() {
    let fixture = fixture(&[]);
    let signed = fixture.issue("ada", "alpha", "1h").await.unwrap().signed;
    fixture.memory.broken.set(true);
    assert!(matches!(
        fixture.service.verify(signed.expose()).await,
        Err(StoreError::KeyValue(_))
    ));
    fixture.memory.broken.set(false);
    assert!(is_live(&fixture, signed.expose()).await);
}
