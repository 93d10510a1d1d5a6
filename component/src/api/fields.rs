//! The fields of a JSON body.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::body::{self, RequestBody};
use super::content::MediaType;
use super::error::ApiError;
use crate::lifetime::{Lifetime, LifetimeError};
use crate::text::visible_json;

/// The fields by name. If one comes twice, the last counts.
pub(super) type Fields = Map<String, Value>;

/// The most characters of an unknown name that are repeated to the client.
const SHOWN: usize = 64;

pub(super) async fn read(headers: &HeaderMap, body: impl RequestBody) -> Result<Fields, ApiError> {
    parse(&body::read(headers, body, MediaType::Json).await?)
}

pub(super) fn parse(body: &[u8]) -> Result<Fields, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| ApiError::not_utf8())?;
    serde_json::from_slice(text.as_bytes()).map_err(|error| ApiError::malformed_json(&error))
}

/// Refuses fields that nobody took: who misspells a limit must not get a token without it.
pub(super) fn finish(fields: &Fields) -> Result<(), ApiError> {
    match fields.keys().next() {
        None => Ok(()),
        Some(unknown) => {
            let name: String = unknown.chars().take(SHOWN).collect();
            Err(ApiError::UnknownField(visible_json(
                &Value::from(name).to_string(),
            )))
        }
    }
}

const DURATION: &str =
    "must be a duration as a string, such as \"6 hours\", or a number of seconds";

/// The largest number below which every integer is a double.
const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

/// The duration in the field `name`. Fails if it is missing.
pub(super) fn required_lifetime(
    name: &'static str,
    value: Option<Value>,
) -> Result<Lifetime, ApiError> {
    match value {
        Some(Value::String(_) | Value::Number(_)) => lifetime(name, value),
        _ => Ok(None),
    }?
    .ok_or_else(|| ApiError::invalid_field(name, format_args!("{DURATION}, and is required")))
}

pub(super) fn lifetime(
    name: &'static str,
    value: Option<Value>,
) -> Result<Option<Lifetime>, ApiError> {
    let lifetime = match value {
        None => return Ok(None),
        Some(Value::String(text)) => text.parse(),
        Some(Value::Number(secs)) => match (secs.as_u64(), secs.as_f64()) {
            (Some(secs), _) => Lifetime::from_secs(secs),
            (None, Some(secs)) if secs < 0.0 => Err(LifetimeError::Negative),
            (None, Some(secs)) if secs.fract() != 0.0 => Err(LifetimeError::NotWholeSeconds),
            // 360.0 and 3.6e2 are integers too (RFC 8259, section 6), as far as they are exact.
            (None, Some(secs)) if secs <= EXACT => Lifetime::from_secs(secs as u64),
            (None, _) => Err(LifetimeError::Overflow),
        },
        Some(_) => return Err(ApiError::invalid_field(name, DURATION)),
    };
    lifetime
        .map(Some)
        .map_err(|error| ApiError::InvalidLifetime(name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_type() {
        let read = |json: &str| {
            let mut fields = parse(json.as_bytes()).unwrap();
            let life = lifetime("life", fields.remove("life"));
            life.map_err(|error| match error {
                ApiError::InvalidLifetime(_, error) => error.to_string(),
                ApiError::InvalidField { message } => message,
                other => panic!("{other:?}"),
            })
        };
        let wrong = Err(format!("life {DURATION}"));
        let secs = |secs| Ok(Some(Lifetime::from_secs(secs).unwrap()));
        let refused = |error: LifetimeError| Err(error.to_string());
        for (json, expected) in [
            ("{}", Ok(None)),
            (r#"{"life":1}"#, secs(1)),
            (r#"{"life":3.6e2}"#, secs(360)),
            (r#"{"lif\u0065":"\u0031h"}"#, secs(3600)),
            (r#"{"life":-1}"#, refused(LifetimeError::Negative)),
            (r#"{"life":1.5}"#, refused(LifetimeError::NotWholeSeconds)),
            (r#"{"life":0}"#, refused(LifetimeError::Zero)),
            (r#"{"life":1e300}"#, refused(LifetimeError::Overflow)),
            (
                r#"{"life":18446744073709551616}"#,
                refused(LifetimeError::Overflow),
            ),
            (r#"{"life":null}"#, wrong.clone()),
            (r#"{"life":{"a":[1]}}"#, wrong.clone()),
            (r#"{"life":1,"life":true}"#, wrong),
            (r#"{"life":true,"life":2}"#, secs(2)),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
    }

    #[test]
    fn only_objects() {
        for json in [
            "",
            "[]",
            r#"["a","1h"]"#,
            "null",
            "\"{}\"",
            "{",
            "{}{}",
            "{\"a\":01}",
            "\u{feff}{}",
        ] {
            assert!(parse(json.as_bytes()).is_err(), "{json}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn unknown_ones_are_named() {
        let long = format!("{{\"{}\":1}}", "x".repeat(65));
        for (json, named) in [
            (r#"{"life":1,"x":[{"y":[]}]}"#, r#""x""#),
            (r#"{"Life":1}"#, r#""Life""#),
            (r#"{"":1}"#, r#""""#),
            ("{\"a\u{202e}\\\"\":1}", r#""a\u202e\"""#),
            (&long, &format!("\"{}\"", "x".repeat(64))),
        ] {
            let mut fields = parse(json.as_bytes()).unwrap();
            fields.remove("life");
            let error = finish(&fields).unwrap_err();
            let body: Value = serde_json::from_slice(error.response().body()).unwrap();
            assert_eq!(body["message"], format!("There is no field {named}"));
            assert_eq!(body["code"], "unknown_field");
        }
    }
}
