//! All users, for administrators.

use super::*;
use crate::testing::{Fixture, fixture};
use crate::token::Limits;

async fn names(fixture: &Fixture, after: Option<&str>) -> Vec<(String, usize, bool)> {
    let directory = fixture.service.users(after).await.unwrap();
    let users = directory.users.iter();
    users
        .map(|user| (user.user.to_string(), user.tokens, user.is_configured))
        .collect()
}

fn entry(name: &str, tokens: usize, is_configured: bool) -> (String, usize, bool) {
    (name.to_owned(), tokens, is_configured)
}

#[tokio::test(flavor = "current_thread")]
async fn configured_users_and_all_that_had_a_token_or_signed_in() {
    let before = fixture(&[("users", "ada cy"), ("admins", "ada, root")]);
    before.issue("ada", "one", "1h").await.unwrap();
    before.issue("cy", "one", "1h").await.unwrap();
    before.issue("cy", "two", "1h").await.unwrap();
    let zoe = "zo\u{eb} x".parse().unwrap();
    before.service.note_user(&zoe, &Means::Proxy).await.unwrap();
    let now = before.restarted(&[("users", "ada bob"), ("admins", "root")]);
    assert_eq!(
        names(&now, None).await,
        [
            entry("ada", 1, true),
            entry("bob", 0, true),
            entry("cy", 2, false),
            entry("zo\u{eb} x", 0, false),
        ]
    );
    assert_eq!(names(&now, Some("cy")).await.len(), 1);
    let stored = now.memory.documents.borrow()["latchkey-users"].clone();
    let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
    assert_eq!(stored["zo\u{eb} x"], "proxy");
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_is_written_once() {
    let fixture = fixture(&[("admins", "ada")]);
    fixture.issue("bob", "one", "1h").await.unwrap();
    fixture
        .memory
        .documents
        .borrow_mut()
        .remove("latchkey-users");
    fixture.issue("bob", "two", "1h").await.unwrap();
    assert!(
        !fixture
            .memory
            .documents
            .borrow()
            .contains_key("latchkey-users")
    );
    // Without administrators nobody would read it.
    let none = crate::testing::fixture(&[]);
    none.issue("bob", "one", "1h").await.unwrap();
    assert!(
        !none
            .memory
            .documents
            .borrow()
            .contains_key("latchkey-users")
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_page_is_bounded_and_the_next_begins_behind_it() {
    let all: Vec<_> = (100..220).map(|number| format!("user-{number}")).collect();
    let fixture = fixture(&[("users", &all.join(" ")), ("admins", "root")]);
    let (mut seen, mut after) = (Vec::new(), None::<String>);
    loop {
        let directory = fixture.service.users(after.as_deref()).await.unwrap();
        assert!(directory.users.len() <= PAGE);
        seen.extend(directory.users.iter().map(|user| user.user.to_string()));
        after = seen.last().cloned();
        if !directory.has_more {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[tokio::test(flavor = "current_thread")]
async fn who_is_an_administrator() {
    let fixture = fixture(&[("admins", "ada, root\n zo\u{eb}")]);
    let signed_in = |name: &str| SignedIn::from(name.parse::<Username>().unwrap());
    for (name, is_admin) in [
        ("ada", true),
        ("root", true),
        ("zo\u{eb}", true),
        ("bob", false),
        ("ADA", false),
        ("ada,", false),
    ] {
        assert_eq!(
            fixture.service.is_admin(&signed_in(name)),
            is_admin,
            "{name}"
        );
    }
    // A sign-in that is bounded makes no tokens without these bounds.
    let mut bounded = signed_in("ada");
    bounded.authority.bounds.scope = Some("a".parse().unwrap());
    assert!(!fixture.service.is_admin(&bounded));
}

#[tokio::test(flavor = "current_thread")]
async fn what_an_administrator_makes_says_so_and_is_as_good_as_the_users_own() {
    let fixture = fixture(&[("admins", "root")]);
    let root = "root".parse().unwrap();
    let behalf = async |name: &str| {
        let service = &fixture.service;
        service.on_behalf_of(name.parse().unwrap(), &root).await
    };
    assert_eq!(behalf("nobody").await, Err(ServiceError::NoSuchUser));
    let signed_in = behalf("ada").await.unwrap();
    let (description, life) = ("by root".parse().unwrap(), "1h".parse().unwrap());
    let issued = fixture
        .service
        .issue(
            &signed_in.user,
            &signed_in.authority,
            description,
            life,
            Limits::default(),
            None,
        )
        .await
        .unwrap();
    assert_eq!(issued.token.provenance.by, Some(root.clone()));
    let live = fixture
        .service
        .verify(issued.signed.expose())
        .await
        .unwrap();
    assert_eq!(live.unwrap().user.as_str(), "ada");
    // By the means by which the user signs in.
    let zoe: Username = "zo\u{eb}".parse().unwrap();
    fixture
        .service
        .note_user(&zoe, &Means::Proxy)
        .await
        .unwrap();
    let signed_in = behalf("zo\u{eb}").await.unwrap();
    assert_eq!(signed_in.authority.provenance.means, Means::Proxy);
}

#[tokio::test(flavor = "current_thread")]
async fn means_are_replaced_when_they_vouch_for_nobody_any_more() {
    let proxy = [
        ("proxy_user_header", "x-user"),
        ("proxy_secret", "0123456789abcdef0123456789abcdef"),
    ];
    let fixture = fixture(&proxy);
    let zoe: Username = "zoe".parse().unwrap();
    let issuer = Means::Issuer("https://id.example".to_owned());
    let note = async |fixture: &Fixture, means: &Means| {
        fixture.service.note_user(&zoe, means).await.unwrap();
        let noted = fixture.service.store.noted_means(&zoe).await;
        noted.unwrap().expect("means")
    };
    assert_eq!(note(&fixture, &Means::Proxy).await, Means::Proxy);
    assert_eq!(note(&fixture, &issuer).await, Means::Proxy);
    let without = fixture.restarted(&[]);
    assert_eq!(note(&without, &issuer).await, issuer);
    assert_eq!(
        note(&fixture.restarted(&proxy), &Means::Proxy).await,
        Means::Proxy
    );
}
