//! `POST /token`: a new token, and what a description may be. Lives are in `durations.rs`, bodies in `bodies.rs`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::cases::Cases;
use crate::server::{Server, TOKENS, host_only};

#[test]
fn the_example_of_the_source_document() {
    let user = Server::shared().user();
    // The bytes of the document's curl call.
    let body = "{\n    \"jwt_token_description\": \"Token specter\",\n    \"jwt_token_life\": \"6 hours\"\n}";
    assert_snapshot!(user.post(body).snapshot(), @r#"
    201
    content-type: application/json
    location: /api/v1alpha/token/<uuid>

    {"message":"Token generated","jwt_token_id":"<uuid>","jwt_token":"<token>","jwt_token_description":"Token specter","jwt_token_life":21600}
    "#);
}

#[test]
fn location_is_the_token() {
    let user = Server::shared().user();
    for alias in [TOKENS, "/v1alpha/token"] {
        let body = json!({ "jwt_token_description": alias, "jwt_token_life": 360 }).to_string();
        let created = user.request("POST", alias).json(body).send().expect(201);
        let location = created.header("location");
        assert_eq!(
            location,
            format!("{TOKENS}/{}", created.text("jwt_token_id"))
        );
        let shown = user.request("GET", location).send().expect(200);
        assert_eq!(shown.text("jwt_token_description"), alias);
    }
}

#[test]
fn ids_and_tokens_are_all_different() {
    let user = Server::shared().user();
    let mut seen: Vec<_> = (0..20)
        .flat_map(|number| {
            let issued = user.issue(&number.to_string(), 360);
            [issued.id, issued.token]
        })
        .collect();
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!(seen.len(), all);
}

#[test]
fn descriptions_that_are_accepted() {
    let longest = "d".repeat(256);
    let longest_of_astral = "🔑".repeat(256);
    let longest_after_trimming = format!("  {longest}  ");
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        ("T", "T"),
        ("Token specter", "Token specter"),
        ("  Token specter ", "Token specter"),
        ("\tToken\r\n", "Token"),
        ("\u{a0}Token\u{3000}", "Token"),
        ("two  spaces within", "two  spaces within"),
        (r#"quotes " and \ and / and <b>&amp;"#, r#"quotes " and \ and / and <b>&amp;"#),
        ("Schlüssel für Zoë", "Schlüssel für Zoë"),
        ("e\u{301} is not é", "e\u{301} is not é"),
        ("鍵 🔑 مفتاح", "鍵 🔑 مفتاح"),
        ("null", "null"),
        ("0", "0"),
        ("{{ users }}", "{{ users }}"),
        (&longest, &longest),
        (&longest_of_astral, &longest_of_astral),
        (&longest_after_trimming, &longest),
    ];

    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (input, kept) in table {
        let created = user.create(input, 360);
        cases.check(input, created.outcome(), (201, String::new()));
        if created.status != 201 {
            continue;
        }
        cases.check(
            input,
            created.text("jwt_token_description"),
            (*kept).to_owned(),
        );
        let id = created.text("jwt_token_id");
        cases.check(
            input,
            user.show(&id).expect(200).text("jwt_token_description"),
            (*kept).to_owned(),
        );
        let listed = &user.list().expect(200).json()["jwt_tokens"][&id]["jwt_token_description"];
        cases.check(input, listed.as_str(), Some(*kept));
        user.delete(&id).expect(200);
    }
}

#[test]
fn descriptions_that_are_refused() {
    let too_long = "d".repeat(257);
    let too_long_of_astral = "🔑".repeat(257);
    let table: &[(Value, &str)] = &[
        (json!(""), "description_blank"),
        (json!(" "), "description_blank"),
        (json!("\t\r\n"), "description_blank"),
        (json!("\u{a0}\u{3000}"), "description_blank"),
        (json!(too_long), "invalid_field"),
        (json!(too_long_of_astral), "invalid_field"),
        (json!("a\u{0}b"), "invalid_field"),
        (json!("a\nb"), "invalid_field"),
        (json!("a\tb"), "invalid_field"),
        (json!("a\u{1b}[31mb"), "invalid_field"),
        (json!("a\u{7f}b"), "invalid_field"),
        (json!("a\u{85}b"), "invalid_field"),
        (json!(null), "invalid_field"),
        (json!(true), "invalid_field"),
        (json!(1), "invalid_field"),
        (json!(["Token"]), "invalid_field"),
        (json!({ "text": "Token" }), "invalid_field"),
    ];

    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (description, code) in table {
        let body =
            json!({ "jwt_token_description": description, "jwt_token_life": 360 }).to_string();
        let refused = user.post(body.clone());
        cases.check(&body, refused.outcome(), (400, (*code).to_owned()));
        match *code {
            "description_blank" => {
                cases.check(
                    &body,
                    refused.message(),
                    "Token description already exists or is blank".to_owned(),
                );
            }
            _ => cases.check(
                &body,
                refused.message().contains("jwt_token_description"),
                true,
            ),
        }
    }
    drop(cases);
    assert_eq!(user.ids(), [""; 0]);
}

#[test]
fn a_description_is_used_once() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);

    for same in ["Token", " Token", "Token\n"] {
        let refused = user.create(same, 3600).refused(400, "description_taken");
        assert_eq!(
            refused.message(),
            "Token description already exists or is blank",
            "{same:?}"
        );
    }
    assert_eq!(user.ids(), [issued.id.as_str()]);
    assert_eq!(
        user.show(&issued.id).expect(200).json()["jwt_token_life"],
        360
    );

    for other in ["token", "TOKEN", "Token.", "To ken"] {
        user.issue(other, 360);
    }

    user.delete(&issued.id).expect(200);
    let again = user.issue("Token", 360);
    assert_ne!(again.id, issued.id);
}

#[test]
fn two_users_may_use_the_same_description() {
    if !host_only("two users") {
        return;
    }
    let [one, other] = [Server::shared().user(), Server::shared().user()];
    one.issue("Token", 360);
    other.issue("Token", 360);
    other.create("Token", 360).refused(400, "description_taken");
}

#[test]
fn a_refused_request_changes_nothing() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    user.create("Other", "6 parsecs")
        .refused(400, "invalid_lifetime");
    user.create("Token", 360).refused(400, "description_taken");
    user.post("{").refused(400, "malformed_json");
    assert_eq!(user.ids(), [issued.id]);
    // Nor does it take the description that it asked for.
    user.issue("Other", 360);
}
