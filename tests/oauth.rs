//! Introspection (RFC 7662) and revocation by the bearer (RFC 7009).

use serde_json::json;

use crate::cases::Cases;
use crate::client::Request;
use crate::server::Server;
use crate::verify::verify;

const INTROSPECT: &str = "/api/v1alpha/introspect";
const REVOKE: &str = "/api/v1alpha/revoke";

trait Form {
    fn form(self, body: &str) -> Self;
}

impl Form for Request<'_> {
    fn form(self, body: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded")
            .body(body)
    }
}

#[test]
fn a_live_token_is_described() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let form = format!("token={}&token_type_hint=access_token", issued.token);
    for path in [INTROSPECT, "/v1alpha/introspect/"] {
        let answer = user.request("POST", path).form(&form).send().expect(200);
        let json = answer.json();
        let (exp, iat) = (json["exp"].as_u64(), json["iat"].as_u64());
        assert_eq!(exp, iat.map(|iat| iat + 360), "{answer:?}");
        assert_eq!(
            json,
            json!({
                "active": true,
                "username": user.name,
                "token_type": "Bearer",
                "exp": exp,
                "iat": iat,
                "sub": user.name,
                "jti": issued.id,
            })
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[test]
fn of_anything_else_nothing_is_said() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let revoked = user.issue("Revoked", 360);
    user.delete(&revoked.id).expect(200);
    let mut cases = Cases::default();
    for token in [
        "x.y.z",
        &issued.token[1..],
        &format!("{}x", issued.token),
        &revoked.token,
    ] {
        let answer = user
            .request("POST", INTROSPECT)
            .form(&format!("token={token}"))
            .send();
        cases.check(token, answer.status, 200);
        cases.check(token, answer.body.as_str(), r#"{"active":false}"#);
    }
}

#[test]
fn the_bearer_ends_a_token() {
    let user = Server::shared().user();
    let [issued, other] = ["Token", "Other"].map(|description| user.issue(description, 360));
    let revoke = |token: &str| {
        let request = user.server.request("POST", REVOKE);
        request.form(&format!("token={token}")).send()
    };
    for token in ["x.y.z", &issued.token[1..]] {
        revoke(token).expect(200);
    }
    verify(user.server, &issued.token).expect(200);
    // The first as a file has it.
    for pasted in ["%EF%BB%BF+TOKEN%0D%0A", "TOKEN"] {
        let answer = revoke(&pasted.replace("TOKEN", &issued.token)).expect(200);
        assert_eq!(answer.body, r#"{"message":"Token revoked"}"#);
        verify(user.server, &issued.token).refused(401, "invalid_token");
    }
    assert_eq!(user.ids(), [other.id]);
}

#[test]
fn forms_that_cannot_be_understood() {
    let user = Server::shared().user();
    let token = user.issue("Token", 360).token;
    let mut cases = Cases::default();
    for path in [INTROSPECT, REVOKE] {
        for (body, status, code) in [
            ("", 400, "invalid_request"),
            ("token_type_hint=access_token", 400, "invalid_request"),
            (
                &format!("token={token}&token={token}"),
                400,
                "invalid_request",
            ),
            // What is no token is not said to be revoked, and neither is one that something is pasted to.
            ("token=", 400, "invalid_request"),
            ("token=..", 400, "invalid_request"),
            (
                "token=2bc0160d-edf4-4ab6-9801-52d185f65b59",
                400,
                "invalid_request",
            ),
            (&format!("token=Bearer+{token}"), 400, "invalid_request"),
            (&format!("token={token}."), 400, "invalid_request"),
            (&format!("token={token}%3D"), 400, "invalid_request"),
            (&format!("token=%22{token}%22"), 400, "invalid_request"),
            (
                &format!("token={}", "A".repeat(16 * 1024)),
                413,
                "body_too_large",
            ),
        ] {
            let answer = user.request("POST", path).form(body).send();
            cases.check(
                (path, body.len()),
                answer.outcome(),
                (status, code.to_owned()),
            );
        }
        let json = format!(r#"{{"token":"{token}"}}"#);
        let answer = user.request("POST", path).json(json).send();
        cases.check(
            path,
            answer.outcome(),
            (415, "unsupported_media_type".to_owned()),
        );
        let answer = user.request("GET", path).send();
        cases.check(
            path,
            answer.outcome(),
            (405, "method_not_allowed".to_owned()),
        );
    }
    drop(cases);
    verify(user.server, &token).expect(200);
}
