//! `DELETE /token/<id>`: a token revoked.

use insta::assert_snapshot;

use crate::cases::Cases;
use crate::raw::ask;
use crate::server::{Server, TOKENS, host_only};
use crate::show::{NO_UUIDS, UNKNOWN};

#[test]
fn the_example_of_the_source_document() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    assert_snapshot!(user.delete(&issued.id).snapshot(), @r#"
    200
    content-type: application/json

    {"message":"Token deleted"}
    "#);
}

#[test]
fn an_unknown_id() {
    let user = Server::shared().user();
    assert_snapshot!(user.delete(UNKNOWN).snapshot(), @r#"
    404
    content-type: application/json

    {"message":"Token does not exist, make sure to enter correct token id","code":"no_such_token"}
    "#);
}

#[test]
fn an_id_that_is_not_a_uuid_is_a_token_that_does_not_exist() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let unknown = user.delete(UNKNOWN).snapshot();
    let mut cases = Cases::default();
    for id in NO_UUIDS {
        let seen = ask(
            user.server,
            &format!("DELETE {TOKENS}/{id}"),
            &[&user.authorization()],
        );
        cases.check(id, seen.snapshot(), unknown.clone());
    }
    drop(cases);
    assert_eq!(user.ids(), [issued.id]);
}

#[test]
fn deletes_that_token_only_and_once() {
    let user = Server::shared().user();
    let [first, second, third] = ["first", "second", "third"].map(|name| user.issue(name, 360).id);
    user.delete(&second).expect(200);
    user.delete(&second).refused(404, "no_such_token");
    assert_eq!(user.ids(), [third, first]);
}

#[test]
fn ids_in_either_case() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    user.delete(&issued.id.replace('-', ""))
        .refused(404, "no_such_token");
    user.delete(&issued.id.to_uppercase()).expect(200);
    user.list().refused(404, "no_tokens");
}

#[test]
fn the_token_of_another_user_does_not_exist() {
    if !host_only("two users") {
        return;
    }
    let [one, other] = [Server::shared().user(), Server::shared().user()];
    let issued = one.issue("Token", 360);
    other.issue("Other", 360);
    assert_eq!(
        other.delete(&issued.id).snapshot(),
        other.delete(UNKNOWN).snapshot()
    );
    assert_eq!(one.ids(), [issued.id]);
}
