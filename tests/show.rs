//! `GET /token/<id>`: one token.

use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::cases::Cases;
use crate::process::PATIENCE;
use crate::raw::ask;
use crate::server::{Server, TOKENS, User, host_only};

/// A UUID that no token has.
pub const UNKNOWN: &str = "b56929f3-54f1-4dc2-9984-9bba615e26e6";

/// Ids that no token has, and that are no UUIDs, as they stand in a request line.
pub const NO_UUIDS: &[&str] = &[
    "abc",
    "0",
    "-",
    "*",
    "null",
    "token",
    "b56929f3-54f1-4dc2-9984-9bba615e26e",
    "b56929f3-54f1-4dc2-9984-9bba615e26e6a",
    "b56929f3-54f1-4dc2-9984-9bba615e26eg",
    "b56929f354f14dc299849bba615e26e6",
    "%7Bb56929f3-54f1-4dc2-9984-9bba615e26e6%7D",
    "urn:uuid:b56929f3-54f1-4dc2-9984-9bba615e26e6",
    "b56929f3-54f1-4dc2-9984-9bba615e26e6%00",
    "b56929f3-54f1-4dc2-9984-9bba615e26e6%20",
    "%FF",
    "%F0%9F%94%91",
    "%zz",
    "%",
    "'%20OR%201=1",
    "+",
    "~",
];

#[test]
fn the_example_of_the_source_document() {
    let user = Server::shared().user();
    let issued = user.issue("Token alpha", 360);
    assert_snapshot!(user.show(&issued.id).snapshot(), @r#"
    200
    content-type: application/json

    {"message":"Tokens exists","jwt_token_description":"Token alpha","jwt_token_life":360,"jwt_token_life_remaining":<seconds>,"expiry_status":"Valid"}
    "#);
}

#[test]
fn an_unknown_id() {
    let user = Server::shared().user();
    assert_snapshot!(user.show(UNKNOWN).snapshot(), @r#"
    404
    content-type: application/json

    {"message":"Token does not exist, make sure to enter correct token id","code":"no_such_token"}
    "#);
}

#[test]
fn an_id_that_is_not_a_uuid_is_a_token_that_does_not_exist() {
    let user = Server::shared().user();
    user.issue("Token", 360);
    let unknown = user.show(UNKNOWN).snapshot();
    let mut cases = Cases::default();
    let long = "a".repeat(4096);
    for id in NO_UUIDS.iter().copied().chain([long.as_str()]) {
        let seen = ask(
            user.server,
            &format!("GET {TOKENS}/{id}"),
            &[&user.authorization()],
        );
        cases.check(id, seen.snapshot(), unknown.clone());
    }
}

#[test]
fn ids_in_either_case_and_only_with_hyphens() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    user.show(&issued.id.to_uppercase()).expect(200);
    user.show(&issued.id.replace('-', ""))
        .refused(404, "no_such_token");
    user.show(&format!("urn:uuid:{}", issued.id))
        .refused(404, "no_such_token");
    user.show(&format!("%7B{}%7D", issued.id))
        .refused(404, "no_such_token");
}

#[test]
fn agrees_with_the_list() {
    let user = Server::shared().user();
    let issued = user.issue("Token", "1 day");
    let before = remaining(&user, &issued.id);
    let listed =
        user.list().expect(200).json()["jwt_tokens"][&issued.id]["jwt_token_remaining_life"]
            .as_f64();
    let after = remaining(&user, &issued.id);
    let listed = listed.expect("a number");
    assert!(
        before <= 86_400.0 && before >= listed && listed >= after && after > 0.0,
        "{before} {listed} {after}"
    );
}

#[test]
fn a_deleted_token_does_not_exist() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    user.delete(&issued.id).expect(200);
    user.show(&issued.id).refused(404, "no_such_token");
}

#[test]
fn the_token_of_another_user_does_not_exist() {
    if !host_only("two users") {
        return;
    }
    let [one, other] = [Server::shared().user(), Server::shared().user()];
    let issued = one.issue("Token", 360);
    assert_eq!(
        other.show(&issued.id).snapshot(),
        other.show(UNKNOWN).snapshot()
    );
}

#[test]
fn an_expired_token_stays_listed() {
    let user = Server::shared().user();
    let valid = user.issue("lives on", "1 day");
    let issued = user.issue("Token", 1);
    wait_until_expired(&user, &issued.id);

    let shown = user.show(&issued.id).expect(200).json();
    assert_eq!(shown["message"], "Tokens exists");
    assert_eq!(shown["jwt_token_description"], "Token");
    assert_eq!(shown["jwt_token_life"], 1);
    assert_eq!(
        shown["jwt_token_life_remaining"].as_f64(),
        Some(0.0),
        "{shown}"
    );
    assert_eq!(shown["expiry_status"], "Expired");

    let listed = user.list().expect(200);
    assert_eq!(user.ids(), [issued.id.as_str(), valid.id.as_str()]);
    assert_eq!(
        listed.json()["jwt_tokens"][&issued.id]["jwt_token_remaining_life"].as_f64(),
        Some(0.0)
    );
    assert_eq!(user.show(&valid.id).text("expiry_status"), "Valid");

    // What is listed keeps its description.
    user.create("Token", 360).refused(400, "description_taken");
    user.delete(&issued.id).expect(200);
    assert_eq!(user.ids(), [valid.id]);
    user.issue("Token", 360);
}

/// Waits until a token of a short life has expired.
fn wait_until_expired(user: &User<'_>, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    while user.show(id).expect(200).text("expiry_status") != "Expired" {
        assert!(Instant::now() < deadline, "{id} does not expire");
        thread::sleep(Duration::from_millis(50));
    }
}

fn remaining(user: &User<'_>, id: &str) -> f64 {
    user.show(id).expect(200).json()["jwt_token_life_remaining"]
        .as_f64()
        .expect("a number")
}
