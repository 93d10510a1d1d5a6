//! Rotation, and the revocation of all tokens.

use serde_json::json;

use crate::client::Issued;
use crate::concurrency::at_once;
use crate::response::Response;
use crate::server::{Server, TOKENS, User};
use crate::verify::verify;

fn rotate(user: &User<'_>, id: &str, body: &str) -> Response {
    user.request("POST", &format!("{TOKENS}/{id}/rotate"))
        .json(body)
        .send()
}

fn issued(answer: Response) -> Issued {
    Issued {
        id: answer.text("jwt_token_id"),
        token: answer.text("jwt_token"),
    }
}

#[test]
fn the_old_token_is_dead_and_the_new_one_has_its_name() {
    let user = Server::shared().user();
    let old = user.issue("Token", 360);
    let path = format!("{TOKENS}/{}/rotate", old.id);
    let answer = user.request("POST", &path).send().expect(201);
    assert_eq!(answer.message(), "Token generated");
    assert_eq!(answer.text("jwt_token_description"), "Token");
    assert_eq!(answer.json()["jwt_token_life"], 360);
    let location = answer.header("location").to_owned();
    let new = issued(answer);
    assert_eq!(location, format!("{TOKENS}/{}", new.id));
    verify(user.server, &old.token).refused(401, "invalid_token");
    verify(user.server, &new.token).expect(200);
    assert_eq!(user.ids(), [new.id.as_str()]);
    rotate(&user, &old.id, "{}").refused(404, "no_such_token");
    rotate(&user, &new.id, r#"{"jwt_token_life":"0 s"}"#).refused(400, "invalid_lifetime");
    rotate(&user, &new.id, r#"{"overlap":true}"#).refused(400, "invalid_field");
    let refused = rotate(&user, &new.id, "null").refused(400, "malformed_json");
    assert!(
        refused.message().contains("send {} or no body"),
        "{refused:?}"
    );
    verify(user.server, &new.token).expect(200);
}

#[test]
fn both_are_good_during_the_overlap() {
    let user = Server::shared().user();
    let old = user.issue("Token", 360);
    let body = json!({"jwt_token_life": "1 hour", "overlap": "2 s"}).to_string();
    let new = issued(rotate(&user, &old.id, &body).expect(201));
    verify(user.server, &old.token).expect(200);
    verify(user.server, &new.token).expect(200);
    assert_eq!(user.ids(), [new.id.as_str(), &old.id]);
    rotate(&user, &old.id, "{}").refused(409, "already_rotated");
    user.create("Token", 360).refused(400, "description_taken");
    let shown = user.show(&old.id).expect(200).json();
    assert_eq!(shown["jwt_token_life"], 360);
    assert!(
        shown["jwt_token_life_remaining"]
            .as_f64()
            .expect("a number")
            <= 2.0
    );
    std::thread::sleep(std::time::Duration::from_secs(2));
    verify(user.server, &old.token).refused(401, "invalid_token");
    verify(user.server, &new.token).expect(200);
    assert_eq!(user.ids(), [new.id]);
}

#[test]
fn the_forms_of_other_sites_change_nothing() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let path = format!("{TOKENS}/{}", issued.id);
    let rotate = format!("{path}/rotate");
    let all = format!("{TOKENS}?all=true");
    for media_type in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
    ] {
        let request = user.request("POST", &rotate);
        let request = request.header("content-type", media_type).body("");
        request.send().refused(415, "unsupported_media_type");
    }
    for (method, path) in [
        ("POST", TOKENS),
        ("POST", &rotate),
        ("DELETE", &path),
        ("DELETE", &all),
        ("POST", "/api/v1alpha/revoke"),
    ] {
        let request = user.request(method, path).json("{}");
        let request = request.header("sec-fetch-site", "cross-site");
        request.send().refused(403, "cross_site");
    }
    verify(user.server, &issued.token).expect(200);
    let request = user.request("POST", &rotate);
    request
        .header("sec-fetch-site", "same-origin")
        .send()
        .expect(201);
}

#[test]
fn one_of_many_rotations_at_once() {
    let user = Server::shared().user();
    let old = user.issue("Token", 360);
    let outcomes = at_once(|_| rotate(&user, &old.id, "").outcome());
    let good = outcomes.iter().filter(|outcome| outcome.0 == 201).count();
    assert_eq!(good, 1, "{outcomes:?}");
    assert!(
        outcomes
            .iter()
            .all(|(status, _)| matches!(status, 201 | 404)),
        "{outcomes:?}"
    );
    assert_eq!(user.ids().len(), 1);
}

#[test]
fn all_tokens_end_only_where_all_is_said() {
    let server = Server::shared();
    let user = server.user();
    let tokens: Vec<_> = (0..3)
        .map(|number| user.issue(&format!("Token {number}"), 360))
        .collect();
    for query in ["", "?all", "?all=", "?all=1", "?all=true&all=false"] {
        let path = format!("{TOKENS}{query}");
        let answer = user.request("DELETE", &path).send();
        answer.refused(405, "method_not_allowed");
    }
    assert_eq!(user.ids().len(), 3);
    for deleted in [3, 0] {
        let path = format!("{TOKENS}?all=true");
        let answer = user.request("DELETE", &path).send().expect(200);
        assert_eq!(
            answer.body,
            format!(r#"{{"message":"Tokens deleted","jwt_tokens_deleted":{deleted}}}"#)
        );
    }
    user.list().refused(404, "no_tokens");
    for issued in tokens {
        verify(server, &issued.token).refused(401, "invalid_token");
    }
}
