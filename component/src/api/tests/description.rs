//! The description of the API says what the component does, and so does `docs/api.md`. Every answer that any test of
//! [`super`] gets is held against the description.

mod documentation;
mod examples;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::*;
use crate::api::error::tests::statuses_and_codes;
use crate::api::route::routes;

/// What `GET /openapi.json` serves.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../document/openapi.json")).expect("valid JSON")
});

/// What the native host answers by itself.
const OF_THE_HOST: [(u16, &str); 3] = [
    (500, "internal_error"),
    (503, "overloaded"),
    (504, "request_timeout"),
];

/// The methods that a path can have in a description.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// What a reference points to, or the value itself.
fn resolve(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        None => value,
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            let target = DESCRIPTION.pointer(pointer);
            target.unwrap_or_else(|| panic!("{reference} points to nothing"))
        }
    }
}

fn members(value: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

/// Every path and method, and what is said of it.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    members(&DESCRIPTION["paths"]).flat_map(|(path, item)| {
        members(item)
            .filter(|(method, _)| METHODS.contains(method))
            .map(move |(method, operation)| (path, method, operation))
    })
}

/// The JSON schemas of `content`, with their examples.
fn json_of(content: &'static Value) -> &'static Value {
    &content["content"]["application/json"]
}

/// The statuses and codes that the description knows.
fn described_codes() -> BTreeSet<(u16, &'static str)> {
    let mut described = BTreeSet::new();
    for (path, method, operation) in operations() {
        for (status, response) in members(&operation["responses"]) {
            let status: u16 = status.parse().expect("a status");
            let codes = &json_of(resolve(response))["schema"]["properties"]["code"]["enum"];
            let codes = codes.as_array().into_iter().flatten();
            let codes: Vec<_> = codes.filter_map(Value::as_str).collect();
            assert_eq!(codes.is_empty(), status < 400, "{method} {path} {status}");
            described.extend(codes.into_iter().map(|code| (status, code)));
        }
    }
    described
}

/// What is wrong with `value`, as far as `schema` of the description says. An object may have the members that are
/// described, and no other.
fn errors(schema: &Value, value: &Value) -> Vec<String> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "components": DESCRIPTION["components"],
        "allOf": [schema],
        "unevaluatedProperties": false,
    });
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema).expect("a valid schema");
    let errors = validator.iter_errors(value);
    errors.map(|error| error.to_string()).collect()
}

/// The path of the description that `line` belongs to, if any.
fn described_path(line: &str) -> Option<&'static str> {
    let path = line.split(' ').nth(1)?;
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    Route::parse(path, query).map(Route::template)
}

/// The answer to the request of this line is as described.
pub(super) fn check(line: &str, answer: &Answer) {
    let status = answer.status;
    let Some(path) = described_path(line) else {
        assert_eq!((status, answer.code()), (404, "not_found"), "{line}");
        return;
    };
    let method = match line.split(' ').next().unwrap_or_default() {
        // Which is said in words.
        "HEAD" => "get".to_owned(),
        _ if path.ends_with("/verify") => "get".to_owned(),
        method => method.to_lowercase(),
    };
    let operation = &DESCRIPTION["paths"][path][&method];
    if operation.is_null() {
        assert!(matches!(status, 204 | 405), "{line}: {answer:?}");
        assert_ne!(answer.header("allow"), "", "{line}: {answer:?}");
        return;
    }
    let response = &operation["responses"][status.to_string()];
    assert!(
        !response.is_null(),
        "{line}: {status} is not described: {answer:?}"
    );
    let response = resolve(response);
    for (name, header) in members(&response["headers"]) {
        let header = resolve(header);
        let value = match (answer.header(name), &header["schema"]["type"]) {
            ("", _) => {
                assert_ne!(header["required"], true, "{line}: no {name}: {answer:?}");
                continue;
            }
            (number, kind) if kind == "integer" => serde_json::from_str(number).unwrap(),
            (text, _) => json!(text),
        };
        let errors = errors(&header["schema"], &value);
        assert!(errors.is_empty(), "{line}: {name}: {errors:?}: {answer:?}");
    }
    for name in [
        "allow",
        "location",
        "retry-after",
        "etag",
        "www-authenticate",
    ] {
        let mut described = members(&response["headers"]).map(|(name, _)| name);
        assert!(
            answer.header(name).is_empty()
                || described.any(|header| header.eq_ignore_ascii_case(name)),
            "{line}: {name} is not described: {answer:?}"
        );
    }
    let schema = &json_of(response)["schema"];
    // The page is no JSON, and the description too long to be described.
    if matches!(path, "/" | "/openapi.json") {
        return;
    }
    assert_eq!(
        answer.body.is_null(),
        schema.is_null(),
        "{line}: {answer:?}"
    );
    if !schema.is_null() {
        let errors = errors(schema, &answer.body);
        assert!(errors.is_empty(), "{line}: {errors:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn it_is_served_as_it_is_written() {
    let fixture = fixture(&[]);
    let answer = fixture.send("GET /openapi.json", &[], "").await;
    assert_eq!(answer.body, *DESCRIPTION);
    assert_eq!(answer.body["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn routes_and_description_agree() {
    let routes: BTreeSet<(String, String)> = routes()
        .map(|(method, path)| {
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let method = method.to_lowercase();
            let parameters = &DESCRIPTION["paths"][path][&method]["parameters"];
            let required = parameters.as_array().into_iter().flatten();
            let required = required
                .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
            let required: Vec<_> = required
                .map(|parameter| {
                    let [value] = &parameter["schema"]["enum"].as_array().unwrap()[..] else {
                        panic!("more than one value: {path}");
                    };
                    let name = parameter["name"].as_str().unwrap();
                    format!("{name}={}", value.as_str().unwrap())
                })
                .collect();
            assert_eq!(required.join("&"), query, "{path}");
            (path.to_owned(), method)
        })
        .collect();
    let described = operations().map(|(path, method, _)| (path.to_owned(), method.to_owned()));
    assert_eq!(described.collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_method_that_is_answered_is_described() {
    for (path, item) in members(&DESCRIPTION["paths"]) {
        let line = format!("GET {path}");
        let described = described_path(&line).expect("a route");
        // The two spellings of one route.
        assert_eq!(
            described.replace("readyness", "readiness"),
            path.replace("readyness", "readiness")
        );
        let route = Route::parse(path, Some("all=true")).unwrap();
        for method in METHODS {
            let answered = route.action(&method.to_uppercase().parse().unwrap());
            let in_words = match route.template() {
                "/api/v1alpha/verify" => method != "get",
                _ => method == "head",
            };
            assert_eq!(
                item.get(method).is_some(),
                answered.is_some() && !in_words,
                "{method} {path}"
            );
        }
    }
}

#[test]
fn every_error_is_described_and_no_other() {
    let errors = statuses_and_codes().into_iter().chain(OF_THE_HOST);
    assert_eq!(described_codes(), errors.collect::<BTreeSet<_>>());
}

#[test]
fn who_may_ask_is_described() {
    for (path, method, operation) in operations() {
        let route = Route::parse(path, Some("all=true")).unwrap();
        let scheme = match route.action(&method.to_uppercase().parse().unwrap()) {
            // Those of the proxy are two headers of one request.
            Some(Action::Managed(_)) => json!([
                {"basic": []}, {"idToken": []}, {"proxySecret": [], "proxyUser": []},
            ]),
            Some(Action::Open(route::OpenAction::Verify)) => {
                json!([{"bearer": []}, {"apiKey": []}])
            }
            _ => json!([]),
        };
        assert_eq!(operation["security"], scheme, "{method} {path}");
        let unauthorized = operation["responses"].get("401").is_some();
        assert_eq!(unauthorized, scheme != json!([]), "{method} {path}");
    }
}

#[test]
fn nothing_is_written_in_vain() {
    let text = DESCRIPTION.to_string();
    for (kind, components) in members(&DESCRIPTION["components"]) {
        for (name, _) in members(components) {
            let used = match kind {
                "securitySchemes" => format!(r#""{name}":[]"#),
                _ => format!("\"#/components/{kind}/{name}\""),
            };
            assert!(text.contains(&used), "{kind} {name} is not used");
        }
    }
}
