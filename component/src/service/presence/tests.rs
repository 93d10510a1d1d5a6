//! Users who signed in without a password, and how long their tokens are good.

use super::*;
use crate::auth::{Authentication, SignIn};
use crate::ports::Clock as _;
use crate::service::{ServiceError, StoreError};
use crate::testing::{Fixture, fixture};
use crate::token::Limits;

const DAY: u64 = 24 * 60 * 60;
const PROXY: &[(&str, &str)] = &[
    ("proxy_user_header", "X-Forwarded-User"),
    ("proxy_secret", "0123456789abcdef0123456789abcdef"),
];

async fn sign_in(fixture: &Fixture) -> Result<Authentication, StoreError> {
    let sign_in = SignIn::Proxy("zoe".parse().unwrap());
    fixture.service.authenticate(sign_in, None).await
}

/// A token of `zoe`, whom nobody has configured, for a year.
async fn token(fixture: &Fixture) -> String {
    let Authentication::Valid(signed_in) = sign_in(fixture).await.unwrap() else {
        panic!("the proxy's word counts");
    };
    let (description, life) = ("t".parse().unwrap(), "1 year".parse().unwrap());
    let limits = Limits::default();
    let issue = fixture.service.issue(
        &signed_in.user,
        &signed_in.authority,
        description,
        life,
        limits,
        None,
    );
    issue.await.unwrap().signed.expose().to_owned()
}

async fn is_live(fixture: &Fixture, token: &str) -> bool {
    fixture.service.verify(token).await.unwrap().is_some()
}

#[tokio::test(flavor = "current_thread")]
async fn tokens_are_good_for_the_absence_after_the_last_sign_in() {
    let fixture = fixture(PROXY);
    let token = token(&fixture).await;
    let after = |days| fixture.clock.advance(Duration::from_secs(days * DAY));
    after(30);
    assert!(!is_live(&fixture, &token).await);
    // Another sign-in, and it is good again.
    sign_in(&fixture).await.unwrap();
    after(29);
    assert!(is_live(&fixture, &token).await);
    let live = fixture.service.verify(&token).await.unwrap().unwrap();
    assert_eq!(live.ends_at, fixture.clock.now().as_secs() + DAY);
    assert_eq!(
        live.last_sign_in,
        Some(fixture.clock.now().as_secs() - 29 * DAY)
    );
    // Also in an instance that knows nothing yet.
    assert!(is_live(&fixture.restarted(PROXY), &token).await);
    after(1);
    assert!(!is_live(&fixture, &token).await);
    assert!(!is_live(&fixture.restarted(PROXY), &token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn an_instance_hears_of_sign_ins_elsewhere() {
    let one = fixture(PROXY);
    let token = token(&one).await;
    let other = one.restarted(PROXY);
    assert!(is_live(&other, &token).await);
    one.clock.advance(Duration::from_secs(29 * DAY));
    sign_in(&one).await.unwrap();
    one.clock.advance(Duration::from_secs(29 * DAY));
    assert!(is_live(&other, &token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_shorter_absence_is_noted_more_often() {
    let variables = [PROXY, &[("max_absence", "1 hour")]].concat();
    let fixture = fixture(&variables);
    let token = token(&fixture).await;
    for _ in 0..4 {
        fixture.clock.advance(Duration::from_secs(45 * 60));
        sign_in(&fixture).await.unwrap();
        assert!(is_live(&fixture, &token).await);
    }
    fixture.clock.advance(Duration::from_secs(60 * 60));
    assert!(!is_live(&fixture, &token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn the_note_is_written_once_a_day_and_a_sign_in_without_it_fails() {
    let fixture = fixture(PROXY);
    token(&fixture).await;
    let note = || fixture.memory.documents.borrow()["latchkey-signed-in-zoe"].clone();
    let first = note();
    fixture.clock.advance(Duration::from_secs(DAY - 1));
    sign_in(&fixture).await.unwrap();
    assert_eq!(note(), first);
    // Not needed now, so it is no reason to fail.
    fixture.memory.read_only.set(true);
    sign_in(&fixture).await.unwrap();
    fixture.clock.advance(Duration::from_secs(1));
    assert!(matches!(
        sign_in(&fixture).await,
        Err(StoreError::KeyValue(_))
    ));
    fixture.memory.read_only.set(false);
    sign_in(&fixture).await.unwrap();
    assert_ne!(note(), first);
}

#[tokio::test(flavor = "current_thread")]
async fn a_lost_or_broken_note_is_made_again_by_the_next_sign_in() {
    let fixture = fixture(PROXY);
    let token = token(&fixture).await;
    let far = (fixture.clock.now().as_secs() + 400 * DAY).to_string();
    let notes: [Option<&[u8]>; 4] = [None, Some(b"x"), Some(b"\xff"), Some(far.as_bytes())];
    for note in notes {
        fixture.clock.advance(Duration::from_secs(40 * DAY));
        {
            let mut documents = fixture.memory.documents.borrow_mut();
            match note {
                None => drop(documents.remove("latchkey-signed-in-zoe")),
                Some(note) => {
                    drop(documents.insert("latchkey-signed-in-zoe".to_owned(), note.to_vec()))
                }
            }
        }
        let restarted = fixture.restarted(PROXY);
        assert!(!is_live(&restarted, &token).await, "{note:?}");
        sign_in(&restarted).await.unwrap();
        assert!(is_live(&restarted, &token).await, "{note:?}");
        assert!(is_live(&fixture.restarted(PROXY), &token).await, "{note:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn without_the_proxy_nothing_vouches_for_its_users() {
    let with = fixture(PROXY);
    let token = token(&with).await;
    assert!(is_live(&with, &token).await);
    let without = with.restarted(&[]);
    assert!(!is_live(&without, &token).await);
    assert!(!is_live(&with.restarted(&[("users", "zoe")]), &token).await);
    // Somebody who finds it can end it nevertheless.
    assert!(without.service.revoke_held(&token).await.unwrap().is_some());
    assert!(!is_live(&with, &token).await);
}

#[tokio::test(flavor = "current_thread")]
async fn a_password_vouches_only_while_it_is_configured() {
    let with = fixture(&[]);
    let signed = with.issue("ada", "a", "1h").await.unwrap().signed;
    let proxied = with.restarted(&[PROXY, &[("users", "bob")]].concat());
    sign_in(&proxied).await.unwrap();
    let ada = SignIn::Proxy("ada".parse().unwrap());
    proxied.service.authenticate(ada, None).await.unwrap();
    assert!(!is_live(&proxied, signed.expose()).await);
    assert!(is_live(&with, signed.expose()).await);
}

#[tokio::test(flavor = "current_thread")]
async fn who_may_make_less_cannot_rotate_what_can_do_more() {
    let fixture = fixture(PROXY);
    let old = fixture.issue("ada", "a", "2 hours").await.unwrap().token.id;
    let scope: crate::token::Scope = "read".parse().unwrap();
    let limits = Limits {
        scope: Some(scope.clone()),
        audience: None,
    };
    let narrow = fixture.issue_limited("ada", "b", limits).await.token.id;
    let (ada, granted) = ("ada".parse().unwrap(), "read write".parse().unwrap());
    let authority = crate::auth::Authority {
        bounds: crate::auth::Bounds {
            max_token_life: Some("1h".parse().unwrap()),
            scope: Some(granted),
        },
        ..Default::default()
    };
    let rotate = async |id, life: Option<&str>| {
        let rotation = crate::service::Rotation {
            lifetime: life.map(|life| life.parse().unwrap()),
            overlap: None,
        };
        fixture
            .service
            .rotate(&ada, &authority, id, rotation)
            .await
            .map(|_| ())
    };
    let long = rotate(old, None).await;
    assert!(matches!(long, Err(ServiceError::Lifetime(_))), "{long:?}");
    let wide = rotate(old, Some("1h")).await;
    assert!(matches!(wide, Err(ServiceError::Scope(_))), "{wide:?}");
    let long = rotate(narrow, Some("61 minutes")).await;
    assert!(matches!(long, Err(ServiceError::Lifetime(_))), "{long:?}");
    assert_eq!(rotate(narrow, None).await, Ok(()));
}
