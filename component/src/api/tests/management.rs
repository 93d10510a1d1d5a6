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
        (&[AUTH, ("content-type", "text/plain")], "", 3_600),
        (&[AUTH, JSON], "{}", 3_600),
        (
            &[AUTH, JSON],
            r#"{"jwt_token_life":"2h","overlap":0,"x":[]}"#,
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
