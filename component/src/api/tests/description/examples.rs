//! The examples: those of the source document, byte for byte but for white space, and all as their schemas have them.

use super::*;

/// What the source document shows; [`README`] shows it too.
const EXAMPLES: [&str; 5] = [
    r#"{
    "jwt_token_description": "Token specter",
    "jwt_token_life": "6 hours"
}"#,
    r#"{
    "message": "Token generated",
    "jwt_token_id": "b56929f3-54f1-4dc2-9984-9bba615e26e6",
    "jwt_token": "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJ1c2VybmFtZSI6ImFkbWluIiwiand0X3Rva2VuX2lkIjoiYjU2OTI5ZjMtNTRmMS00ZGMyLTk5ODQtOWJiYTYxNWUyNmU2Iiwiand0X3Rva2VuX2Rlc2NyaXB0aW9uIjoiVG9rZW4gc3BlY3RlciIsImV4cCI6MTY2Mjc0MTczNSwiaWF0IjoxNjYyNzIwMTM1fQ.gBE7S4lJfpPQctt2Dk_581-6v1YOzn4UPHYO18LZpF8",
    "jwt_token_description": "Token specter",
    "jwt_token_life": 21600
}"#,
    r#"{
    "message": "Tokens exists",
    "jwt_tokens": {
        "94f10f9b-2139-4f31-ab57-52ac175b9acc": {
            "jwt_token_description": "Token beta",
            "jwt_token_life": 5400,
            "jwt_token_remaining_life": 5395.147431612015
        },
        "2bc0160d-edf4-4ab6-9801-52d185f65b59": {
            "jwt_token_description": "Token alpha",
            "jwt_token_life": 360,
            "jwt_token_remaining_life": 232.19542360305786
        }
    }
}"#,
    r#"{
    "message": "Tokens exists",
    "jwt_token_description": "Token alpha",
    "jwt_token_life": 360,
    "jwt_token_life_remaining": 232.19542360305786,
    "expiry_status": "Valid"
}"#,
    r#"{
    "message": "Token deleted"
}"#,
];

const README: &str = include_str!("../../../../../README.md");

/// Without the white space at both ends of each line and behind colons, as the build script writes it.
fn compact(example: &str) -> String {
    let lines = example.lines().map(str::trim);
    lines.collect::<String>().replace("\": ", "\":")
}

#[tokio::test(flavor = "current_thread")]
async fn those_of_the_source_document() {
    let fixture = fixture(&[]);
    let request = Request::get("/openapi.json").body(Bytes::new()).unwrap();
    let response = handle(Ok(&fixture.service), request).await.response;
    let served = std::str::from_utf8(response.body()).unwrap();
    for example in EXAMPLES {
        let compact = format!("\"example\":{}", compact(example));
        assert!(served.contains(&compact), "{compact}");
        assert!(README.contains(example), "{example}");
    }
}

/// Calls `each` with everything that has a schema and an example: schema and example.
pub(super) fn with_examples(
    value: &'static Value,
    each: &mut impl FnMut(&'static Value, &'static Value),
) {
    let schema = &value["schema"];
    if !schema.is_null() {
        let several = members(&value["examples"]).map(|(_, example)| &example["value"]);
        for example in value.get("example").into_iter().chain(several) {
            each(schema, example);
        }
    }
    for (_, member) in members(value) {
        with_examples(member, each);
    }
    for element in value.as_array().into_iter().flatten() {
        with_examples(element, each);
    }
}

#[test]
fn they_are_as_their_schemas_have_them() {
    let mut seen = 0;
    with_examples(&DESCRIPTION, &mut |schema, example| {
        seen += 1;
        let errors = errors(schema, example);
        assert!(errors.is_empty(), "{example}: {errors:?}");
    });
    assert!(seen >= EXAMPLES.len(), "{seen}");
}

/// The schema that a request is held against is neither narrower nor wider than the component, but for what is said in
/// words.
#[tokio::test(flavor = "current_thread")]
async fn descriptions_of_tokens() {
    let schema = &DESCRIPTION["components"]["schemas"]["Creation"];
    let fixture = fixture(&[]);
    let long = "\u{1f980}".repeat(256);
    for (description, good) in [
        ("a", true),
        ("Token specter", true),
        (" \t\r\n\u{85}\u{a0}\u{3000}a b\u{2028} ", true),
        (&long[..], true),
        (&format!(" {long}\n"), true),
        ("\u{feff}", true),
        ("\u{ad}\u{200b}\u{202e}", true),
        ("", false),
        (" \t\u{3000}", false),
        ("a\nb", false),
        ("\u{1c}a", false),
        ("a\0", false),
        ("a\u{7f}b", false),
        ("a\u{9f}", false),
        (&format!("{long}x"), false),
        (&format!("x {long}"), false),
    ] {
        let body = json!({"jwt_token_description": description, "jwt_token_life": 1});
        assert_eq!(errors(schema, &body).is_empty(), good, "{description:?}");
        let headers = [("authorization", ADA), ("content-type", "application/json")];
        let line = "POST /api/v1alpha/token";
        let answer = fixture.send(line, &headers, &body.to_string()).await;
        assert_eq!(answer.status, if good { 201 } else { 400 }, "{answer:?}");
        fixture
            .send("DELETE /v1alpha/token?all=true", &headers, "")
            .await;
    }
}
