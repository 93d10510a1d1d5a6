//! A response, and what must be true of every one.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use ureq::http::HeaderMap;

use crate::description;

/// What every 401 begins with.
const UNAUTHORIZED: &str =
    "The server could not verify that you are authorized to access the URL requested.";

/// A whole response.
#[derive(Debug)]
pub struct Response {
    /// Method and path that it answers, for failure messages.
    pub request: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Response {
    /// Checks the conventions of all responses.
    #[track_caller]
    pub fn checked(self) -> Self {
        let method = self.request.split(' ').next().unwrap_or_default();
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        match self.status {
            204 | 304 => assert_eq!(self.body, "", "{self:?}"),
            _ if method == "HEAD" => {
                assert_eq!(self.body, "", "{self:?}");
                assert!(
                    self.header("content-length").parse::<u64>().is_ok(),
                    "{self:?}"
                );
            }
            _ => self.check_body(),
        }
        description::check(&self);
        match self.status {
            200 | 201 | 204 | 304 => {}
            401 if self.is_to_a_bearer() => assert!(
                (self.headers.get_all("www-authenticate").iter())
                    .any(|value| value.as_bytes().starts_with(br#"Bearer realm="latchkey""#)),
                "{self:?}"
            ),
            401 => assert_eq!(
                self.header("www-authenticate"),
                r#"Basic realm="latchkey", charset="UTF-8""#,
                "{self:?}"
            ),
            400 | 403 | 404 | 405 | 409 | 413 | 415 | 422 => {}
            429 => assert!(
                self.header("retry-after")
                    .parse::<u64>()
                    .is_ok_and(|seconds| seconds > 0),
                "{self:?}"
            ),
            503 => assert!(
                self.code() != "storage_unavailable" || self.headers.contains_key("retry-after"),
                "{self:?}"
            ),
            _ => panic!("a status that the contract does not know: {self:?}"),
        }
        if self.status == 204 || self.status == 405 {
            assert!(!self.header("allow").is_empty(), "{self:?}");
        }
        if self.body.contains("\"jwt_token") && self.path() != "/openapi.json" {
            assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        }
        self
    }

    #[track_caller]
    fn check_body(&self) {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        let origins = self.header("cross-origin-resource-policy");
        assert!(
            origins.ends_with("-origin") || self.status >= 500,
            "{self:?}"
        );
        assert_eq!(
            self.header("content-length"),
            self.body.len().to_string(),
            "{self:?}"
        );
        if self.status == 200 && self.has_the_form_of_an_rfc() {
            return;
        }
        let json = self.json();
        let message = json["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message: {self:?}"));
        assert!(!message.is_empty(), "{self:?}");
        // Compact, and the message first, as in the source document.
        assert!(self.body.starts_with(r#"{"message":""#), "{self:?}");
        if self.status < 400 {
            assert!(
                json.get("code").is_none(),
                "a success with an error code: {self:?}"
            );
            return;
        }
        let code = json["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no code: {self:?}"));
        assert!(
            !code.is_empty() && code.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()),
            "{self:?}"
        );
        // For OAuth clients the code stands where they look for it, too (RFC 6749, section 5.2).
        let error = match json.get("error") {
            Some(_) if self.status == 400 => format!(r#","error":"{code}""#),
            _ => String::new(),
        };
        let written = format!(
            r#"{{"message":{},"code":"{code}"{error}}}"#,
            json["message"]
        );
        assert_eq!(
            self.body, written,
            "an error is its message and its code: {self:?}"
        );
        assert_eq!(
            self.status == 401 && !self.is_to_a_bearer(),
            message.starts_with(UNAUTHORIZED),
            "{self:?}"
        );
    }

    fn path(&self) -> &str {
        self.request.split(' ').nth(1).unwrap_or_default()
    }

    /// Whether it answers one who shows a token.
    fn is_to_a_bearer(&self) -> bool {
        self.path().contains("/v1alpha/verify")
    }

    /// Whether its form is that of RFC 7517, RFC 7662 or OpenAPI, which have no message.
    fn has_the_form_of_an_rfc(&self) -> bool {
        self.path().contains("/introspect")
            || self.path().starts_with("/.well-known/")
            || self.path() == "/openapi.json"
    }

    /// The one value of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        let [value] = values[..] else {
            panic!("{} times {name}: {self:?}", values.len())
        };
        value.to_str().expect("a header of visible ASCII")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    #[track_caller]
    pub fn message(&self) -> String {
        self.text("message")
    }

    #[track_caller]
    pub fn code(&self) -> String {
        self.text("code")
    }

    /// A string of the body, by its key.
    #[track_caller]
    pub fn text(&self, key: &str) -> String {
        self.json()[key]
            .as_str()
            .unwrap_or_else(|| panic!("no string {key}: {self:?}"))
            .to_owned()
    }

    /// Status and code, the latter `""` where there is none: what a table of cases compares.
    pub fn outcome(&self) -> (u16, String) {
        let code = serde_json::from_str::<Value>(&self.body).ok();
        (
            self.status,
            code.and_then(|body| body["code"].as_str().map(str::to_owned))
                .unwrap_or_default(),
        )
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.outcome(), (status, code.to_owned()), "{self:?}");
        self
    }

    /// The outcome, where it does not matter whether credentials were looked at and refused, or refused because others have
    /// guessed at the same user before, as on a server that was given.
    pub fn refusal(&self) -> (u16, String) {
        match self.outcome() {
            (429, code) if code == "too_many_attempts" => (401, "unauthorized".to_owned()),
            other => other,
        }
    }

    /// The response as the source document would show it: status, the headers that clients act on, and the body as it was
    /// sent. What differs from run to run is masked where, and only where, its form is right.
    pub fn snapshot(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for name in [
            "content-type",
            "allow",
            "location",
            "retry-after",
            "www-authenticate",
        ] {
            for value in self.headers.get_all(name) {
                text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
            }
        }
        mask(&format!("{text}\n{}", self.body))
    }
}

/// Ids, tokens and remaining lives replaced by their names.
fn mask(text: &str) -> String {
    static MASKS: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        let regex = |pattern| Regex::new(pattern).expect("a valid pattern");
        [
            // Version 4, variant 1, lower case (RFC 9562, section 5.4).
            (
                regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
                "<uuid>",
            ),
            // Compact serialisation without padding; 43 characters are the 256 bits of HS256 (RFC 7515, section 3.1).
            (
                regex(
                    r#"("jwt_token":)"eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}""#,
                ),
                r#"$1"<token>""#,
            ),
            // A number, not a string, with a fraction.
            (
                regex(r#"("jwt_token_(?:remaining_life|life_remaining)":)[0-9]+\.[0-9]+([,}])"#),
                "$1<seconds>$2",
            ),
        ]
    });
    MASKS.iter().fold(text.to_owned(), |text, (mask, name)| {
        mask.replace_all(&text, *name).into_owned()
    })
}

/// The ids of a list, in the order of the raw text.
pub fn ids(list: &Response) -> Vec<String> {
    static KEY: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#""([^"]*)":\{"jwt_token_description":"#).expect("a valid pattern")
    });
    KEY.captures_iter(&list.body)
        .map(|key| key[1].to_owned())
        .collect()
}
