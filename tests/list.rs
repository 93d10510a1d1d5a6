//! `GET /token`: the tokens of a user.

use insta::assert_snapshot;

use crate::response::ids;
use crate::server::Server;

#[test]
fn no_tokens() {
    let user = Server::shared().user();
    assert_snapshot!(user.list().snapshot(), @r#"
    404
    content-type: application/json

    {"message":"Tokens does not exist","code":"no_tokens"}
    "#);
}

#[test]
fn the_example_of_the_source_document() {
    let user = Server::shared().user();
    user.issue("Token alpha", "6 minutes");
    user.issue("Token beta", "1h 30m");
    assert_snapshot!(user.list().snapshot(), @r#"
    200
    content-type: application/json

    {"message":"Tokens exists","jwt_tokens":{"<uuid>":{"jwt_token_description":"Token beta","jwt_token_life":5400,"jwt_token_remaining_life":<seconds>},"<uuid>":{"jwt_token_description":"Token alpha","jwt_token_life":360,"jwt_token_remaining_life":<seconds>}}}
    "#);
}

#[test]
fn newest_first() {
    let user = Server::shared().user();
    let mut issued: Vec<_> = (0..20)
        .map(|number| user.issue(&format!("Token {number}"), 360).id)
        .collect();
    issued.reverse();
    assert_eq!(user.ids(), issued);

    let deleted = issued.remove(7);
    user.delete(&deleted).expect(200);
    assert_eq!(user.ids(), issued);

    // A new token with the description of a deleted one is as new as any.
    let again = user.issue("Token 12", 360).id;
    issued.insert(0, again);
    assert_eq!(user.ids(), issued);
}

#[test]
fn every_token_with_its_own_values() {
    let user = Server::shared().user();
    let lives = [1_u32, 60, 21_600, 86_400];
    let issued = lives.map(|life| user.issue(&format!("lives {life}"), life).id);

    let list = user.list().expect(200);
    assert_eq!(ids(&list).len(), lives.len());
    let tokens = &list.json()["jwt_tokens"];
    for (id, life) in issued.iter().zip(lives) {
        let token = &tokens[id];
        assert_eq!(token["jwt_token_description"], format!("lives {life}"));
        assert_eq!(
            token["jwt_token_life"].as_u64(),
            Some(life.into()),
            "{token}"
        );
        let remaining = token["jwt_token_remaining_life"]
            .as_f64()
            .expect("a number");
        assert!((0.0..=life.into()).contains(&remaining), "{token}");
    }
}

#[test]
fn remaining_life_has_sub_second_precision() {
    let user = Server::shared().user();
    user.issue("Token", "1 day");
    // A clock that counts whole seconds would never show a fraction.
    let fractions = (0..5).map(|_| {
        let json = user.list().expect(200).json();
        let token = json["jwt_tokens"]
            .as_object()
            .expect("an object")
            .values()
            .next()
            .expect("a token")
            .clone();
        token["jwt_token_remaining_life"]
            .as_f64()
            .expect("a number")
            .fract()
    });
    assert!(fractions.into_iter().any(|fraction| fraction != 0.0));
}

#[test]
fn a_token_is_shown_once_only() {
    let user = Server::shared().user();
    let issued = user.issue("Token", "1 day");
    let signature = issued
        .token
        .rsplit('.')
        .next()
        .expect("a signature")
        .to_owned();
    for response in [user.list().expect(200), user.show(&issued.id).expect(200)] {
        assert!(!response.body.contains("\"jwt_token\""), "{response:?}");
        assert!(!response.body.contains(&signature), "{response:?}");
    }
}

#[test]
fn empty_again_after_the_last_deletion() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    user.delete(&issued.id).expect(200);
    user.list().refused(404, "no_tokens");
}
