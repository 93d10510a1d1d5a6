//! Rotation, and the end of all tokens.

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");
const AUTH: (&str, &str) = ("authorization", ADA);

#[tokio::test(flavor = "current_thread")]
async fn a_rotation_answers_as_a_creation() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let mut id = issued.token.id.to_string();
    for (headers, body, life) in [
        (&[AUTH][..], "", 3_600),
        (&[AUTH, JSON], "", 3_600),
        (&[AUTH, JSON], "{}", 3_600),
        (
            &[AUTH, JSON],
            r#"{"jwt_token_life":"2h","overlap":0}"#,
            7_200,
        ),
        (&[AUTH, JSON], r#"{"overlap":"5 minutes"}"#, 7_200),
    ] {
        let line = format!("POST /api/v1alpha/token/{id}/rotate");
        let answer = fixture.send(&line, headers, body).await;
        assert_eq!(answer.status, 201, "{body}: {answer:?}");
        id = answer.body["jwt_token_id"].as_str().unwrap().to_owned();
        assert_eq!(
            answer.header("location"),
            format!("/api/v1alpha/token/{id}")
        );
        assert_eq!(answer.body["message"], "Token generated");
        assert_eq!(answer.body["jwt_token_description"], "alpha");
        assert_eq!(answer.body["jwt_token_life"], life);
        assert!(answer.body["jwt_token"].is_string());
    }
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha", "alpha"]);
}

#[tokio::test(flavor = "current_thread")]
async fn before_the_entry_of_its_user_begins_no_token_is_made() {
    let fixture = fixture(&[("since ada", "1662720195")]);
    let body = r#"{"jwt_token_description":"t","jwt_token_life":"1h"}"#;
    let line = "POST /api/v1alpha/token";
    let refused = fixture.send(line, &[AUTH, JSON], body).await;
    assert_eq!((refused.status, refused.code()), (409, "user_begins_later"));
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(
        fixture.list("ada").await,
        Err(crate::service::ServiceError::NoTokens)
    );
    // By then it is good.
    fixture.clock.advance(std::time::Duration::from_secs(60));
    let made = fixture.send(line, &[AUTH, JSON], body).await;
    assert_eq!(made.status, 201);
    let token = made.body["jwt_token"].as_str().unwrap();
    let live = fixture.service.verify(token).await.unwrap();
    assert!(live.is_some());
}

#[tokio::test(flavor = "current_thread")]
async fn rotations_that_are_refused() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let good = format!("POST /v1alpha/token/{}/rotate", issued.token.id);
    let unknown = "POST /v1alpha/token/11111111-1111-4111-8111-111111111111/rotate";
    let duration = "must be a duration as a string, such as \"6 hours\", or a number of seconds";
    for (line, headers, body, status, message) in [
        (&good[..], &[][..], "", 401, "The server could not"),
        (unknown, &[AUTH], "", 404, "Token does not exist"),
        (
            "POST /v1alpha/token/x/rotate",
            &[AUTH],
            "",
            404,
            "Token does not exist",
        ),
        (&good, &[AUTH], "{}", 415, "The request body must be JSON"),
        (
            &good,
            &[AUTH, ("content-type", "application/x-www-form-urlencoded")],
            "",
            415,
            "The request body must be JSON",
        ),
        (
            &good,
            &[AUTH, ("content-type", "text/plain")],
            "",
            415,
            "The request body must be JSON",
        ),
        (
            &good,
            &[AUTH, JSON],
            "null\n",
            400,
            "The request body is not a JSON object: send {} or no body",
        ),
        (
            &good,
            &[AUTH, JSON],
            "[]",
            400,
            "The request body is not a JSON object",
        ),
        (
            &good,
            &[AUTH, JSON],
            r#"{"overlap":null}"#,
            400,
            &format!("overlap {duration}"),
        ),
        (
            &good,
            &[AUTH, JSON],
            r#"{"overlap":-1}"#,
            400,
            "overlap: must not be negative",
        ),
        (
            &good,
            &[AUTH, JSON],
            r#"{"jwt_token_life":0}"#,
            400,
            "jwt_token_life: must be longer than zero",
        ),
    ] {
        let answer = fixture.send(line, headers, body).await;
        assert_eq!(answer.status, status, "{line} {body}");
        let said = answer.body["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
    }
    let overlapping = fixture
        .send(&good, &[AUTH, JSON], r#"{"overlap":60}"#)
        .await;
    assert_eq!(overlapping.status, 201);
    let again = fixture.send(&good, &[AUTH], "").await;
    assert_eq!((again.status, again.code()), (409, "already_rotated"));
    let get = fixture
        .send(&good.replace("POST", "GET"), &[AUTH], "")
        .await;
    assert_eq!((get.status, get.header("allow")), (405, "POST, OPTIONS"));
}

#[tokio::test(flavor = "current_thread")]
async fn the_page_of_another_site_changes_nothing() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let token = format!("/v1alpha/token/{}", issued.token.id);
    let body = r#"{"jwt_token_description":"beta","jwt_token_life":360}"#;
    for site in ["cross-site", "Cross-Site"] {
        let headers = [AUTH, JSON, ("sec-fetch-site", site)];
        for (line, body, status) in [
            ("POST /v1alpha/token", body, 403),
            ("DELETE /v1alpha/token?all=true", "", 403),
            (&format!("DELETE {token}"), "", 403),
            (&format!("POST {token}/rotate"), "{}", 403),
            ("POST /v1alpha/revoke", "", 403),
            ("GET /v1alpha/token", "", 200),
            (&format!("GET {token}"), "", 200),
        ] {
            let answer = fixture.send(line, &headers, body).await;
            assert_eq!(answer.status, status, "{line}");
            assert_eq!(answer.code() == "cross_site", status == 403, "{line}");
            // The credentials come first: the host takes any other refusal for their proof.
            let wrong = [("authorization", "Basic YWRhOng="), headers[1], headers[2]];
            if !line.ends_with("/revoke") {
                assert_eq!(fixture.send(line, &wrong, body).await.status, 401, "{line}");
                fixture
                    .clock
                    .advance(std::time::Duration::from_secs(16 * 60));
            }
        }
    }
    for site in ["same-origin", "same-site", "none", ""] {
        let headers = [AUTH, JSON, ("sec-fetch-site", site)];
        let body = body.replace("beta", &format!("beta {site}"));
        let answer = fixture.send("POST /v1alpha/token", &headers, &body).await;
        assert_eq!(answer.status, 201, "{site}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn all_tokens_end_only_where_all_is_said() {
    let fixture = fixture(&[]);
    fixture.issue("ada", "alpha", "1h").await.unwrap();
    for query in ["", "?all", "?all=1", "?all=false", "?all=true&all=true"] {
        let line = format!("DELETE /api/v1alpha/token{query}");
        let answer = fixture.send(&line, &[AUTH], "").await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, "GET, HEAD, POST, OPTIONS"),
            "{query}"
        );
    }
    assert_eq!(fixture.list("ada").await.unwrap(), ["alpha"]);
    for deleted in [1, 0] {
        let answer = fixture
            .send("DELETE /v1alpha/token/?all=true", &[AUTH], "")
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"message": "Tokens deleted", "jwt_tokens_deleted": deleted})
        );
    }
    let line = "DELETE /v1alpha/token?all=true";
    assert_eq!(fixture.send(line, &[], "").await.status, 401);
}
