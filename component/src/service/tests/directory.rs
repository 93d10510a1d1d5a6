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
    before.service.note_sign_in(&zoe).await.unwrap();
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

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const PROXY: [(&str, &str); 2] = [
    ("proxy_user_header", "x-user"),
    ("proxy_secret", "0123456789abcdef0123456789abcdef"),
];

async fn sign_in(fixture: &Fixture, name: &str) -> SignedIn {
    let signed_in = crate::auth::vouched(name.parse().unwrap());
    let service = &fixture.service;
    service.note_sign_in(&signed_in.user).await.unwrap();
    let means = &signed_in.authority.provenance.means;
    service.note_user(&signed_in.user, means).await.unwrap();
    signed_in
}

fn noted(fixture: &Fixture) -> Vec<String> {
    let stored = fixture.memory.documents.borrow()["latchkey-users"].clone();
    let stored: BTreeMap<String, Means> = serde_json::from_slice(&stored).unwrap();
    stored.into_keys().collect()
}

#[tokio::test(flavor = "current_thread")]
async fn whom_nobody_needs_is_forgotten() {
    let all = [
        &PROXY[..],
        &[("admins", "root"), ("max_token_life", "10 years")],
    ]
    .concat();
    let fixture = fixture(&all);
    sign_in(&fixture, "gone").await;
    let signed_in = sign_in(&fixture, "with a token").await;
    let (user, authority) = (&signed_in.user, &signed_in.authority);
    let (description, life) = ("t".parse().unwrap(), "10 years".parse().unwrap());
    let limits = Limits::default();
    let issue = (fixture.service).issue(user, authority, description, life, limits, None);
    issue.await.unwrap();
    fixture.issue("ada", "t", "1h").await.unwrap();
    fixture.issue("bob", "t", "1h").await.unwrap();
    for _ in 0..200 {
        fixture.clock.advance(DAY);
    }
    sign_in(&fixture, "lately").await;
    assert_eq!(
        noted(&fixture),
        ["ada", "bob", "gone", "lately", "with a token"]
    );
    for _ in 0..200 {
        fixture.clock.advance(DAY);
    }
    // The next new user shows it, and so does a list. Bob is no longer configured, and his tokens are not listed.
    let without_bob = fixture.restarted(&[&all[..], &[("users", "ada")]].concat());
    sign_in(&without_bob, "zoe").await;
    let kept = ["ada", "lately", "with a token", "zoe"];
    assert_eq!(noted(&without_bob), kept);
    without_bob.service.users(None).await.unwrap();
    assert_eq!(noted(&without_bob), kept);
    let without_ada = without_bob.restarted(&[&all[..], &[("users", "bob")]].concat());
    assert_eq!(names(&without_ada, None).await.len(), 5);
    assert_eq!(noted(&without_ada), kept[1..]);
    // An instance that noted somebody long ago does not rely on it.
    sign_in(&fixture, "gone").await;
    assert!(noted(&fixture).contains(&"gone".to_owned()));
}

#[tokio::test(flavor = "current_thread")]
async fn a_full_document_takes_no_more_and_their_users_are_found_by_their_tokens() {
    let fixture = fixture(&PROXY);
    let users: BTreeMap<String, Means> = (0..3_980)
        .map(|number| (format!("{number:0>240}"), Means::Proxy))
        .collect();
    let full = serde_json::to_vec(&users).unwrap();
    assert!((990_000..1_000_000).contains(&full.len()), "{}", full.len());
    let key = "latchkey-users".to_owned();
    fixture.memory.documents.borrow_mut().insert(key, full);
    // They have all signed in: there is nothing to forget.
    let now = fixture.service.now().as_secs().to_string().into_bytes();
    for name in users.keys() {
        let key = crate::store::signed_in_key(&name.parse().unwrap());
        let mut documents = fixture.memory.documents.borrow_mut();
        documents.insert(key, now.clone());
    }
    let mut added = 0;
    let signed_in = loop {
        let signed_in = sign_in(&fixture, &format!("new {added:0>240}")).await;
        match noted(&fixture).contains(&signed_in.user.to_string()) {
            true => added += 1,
            false => break signed_in,
        }
    };
    assert!(added < 40, "{added}");
    let root = "root".parse().unwrap();
    let user = &signed_in.user;
    let found = async || fixture.service.on_behalf_of(user.clone(), &root).await;
    assert_eq!(found().await, Err(ServiceError::NoSuchUser));
    let (description, life) = ("t".parse().unwrap(), "1h".parse().unwrap());
    let (authority, limits) = (&signed_in.authority, Limits::default());
    let issue = (fixture.service).issue(user, authority, description, life, limits, None);
    issue.await.unwrap();
    let means = found().await.unwrap().authority.provenance.means;
    assert_eq!(means, Means::Proxy);
}

#[tokio::test(flavor = "current_thread")]
async fn no_token_is_made_that_is_dead() {
    let fixture = fixture(&[&PROXY[..], &[("admins", "root")]].concat());
    let root = "root".parse().unwrap();
    let make = async |fixture: &Fixture, name: &str| {
        let subject = fixture.service.on_behalf_of(name.parse().unwrap(), &root);
        let SignedIn { user, authority } = subject.await?;
        let (description, life) = ("t".parse().unwrap(), "1h".parse().unwrap());
        let limits = Limits::default();
        let issue = (fixture.service).issue(&user, &authority, description, life, limits, None);
        let token = issue.await?.signed;
        let live = fixture.service.verify(token.expose()).await?;
        assert!(live.is_some(), "{name}");
        fixture.service.revoke_all(&user).await?;
        Ok(())
    };
    fixture.issue("bob", "t", "1h").await.unwrap();
    sign_in(&fixture, "zoe").await;
    assert_eq!(make(&fixture, "ada").await, Ok(()));
    assert_eq!(make(&fixture, "zoe").await, Ok(()));
    assert_eq!(
        make(&fixture, "nobody").await,
        Err(ServiceError::NoSuchUser)
    );
    let inactive = Err(ServiceError::UserInactive);
    // Bob is taken out; then so is the proxy.
    let without_bob = fixture.restarted(&[&PROXY[..], &[("users", "ada")]].concat());
    assert_eq!(make(&without_bob, "bob").await, inactive);
    assert_eq!(make(&fixture.restarted(&[]), "zoe").await, inactive);
    // She has been away for too long.
    fixture.clock.advance(30 * DAY);
    assert_eq!(make(&fixture, "zoe").await, inactive);
    sign_in(&fixture, "zoe").await;
    assert_eq!(make(&fixture, "zoe").await, Ok(()));
    // Users with a password need not sign in.
    assert_eq!(make(&fixture, "ada").await, Ok(()));
}
