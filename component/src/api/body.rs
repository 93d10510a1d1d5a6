//! Request bodies.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::error::ApiError;
use super::field::Field;
use crate::idempotency::IdempotencyKey;
use crate::lifetime::{Lifetime, LifetimeError};
use crate::service::Rotation;
use crate::token::{Description, DescriptionError};

/// The most bytes that a request body may have.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// The types of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    Form,
}

impl MediaType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// A body that has not been read yet.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait RequestBody {
    /// The whole body, if it has at most `limit` bytes; no more than those are read.
    async fn read(self, limit: usize) -> Result<Bytes, BodyError>;
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// It ended before its end.
    #[error("the body is incomplete")]
    Incomplete,
}

impl RequestBody for Bytes {
    async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        if self.len() > limit {
            Err(BodyError::TooLarge)
        } else {
            Ok(self)
        }
    }
}

const DESCRIPTION: &str = "jwt_token_description";
const LIFE: &str = "jwt_token_life";
const OVERLAP: &str = "overlap";

/// What `POST /token` asks for.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) description: Description,
    pub(super) lifetime: Lifetime,
    pub(super) key: Option<IdempotencyKey>,
}

/// Reads the body of `POST /token`.
pub(super) async fn read_creation(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Creation, ApiError> {
    let fields = parse_fields(&read(headers, body, MediaType::Json).await?)?;
    Ok(Creation {
        description: parse_description(fields.jwt_token_description)?,
        lifetime: parse_lifetime(LIFE, fields.jwt_token_life)?,
        key: parse_key(headers)?,
    })
}

/// Reads the body of a rotation: there need not be one, nor anything in it.
pub(super) async fn read_rotation(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Rotation, ApiError> {
    let bytes = match is_plain(headers, MediaType::Json) {
        true => read(headers, body, MediaType::Json).await?,
        // Nothing is of any type.
        false => match body.read(0).await {
            Ok(nothing) => nothing,
            Err(_) => return Err(ApiError::UnsupportedMediaType(MediaType::Json)),
        },
    };
    if bytes.is_empty() {
        return Ok(Rotation::default());
    }
    let fields = parse_fields(&bytes)?;
    Ok(Rotation {
        lifetime: parse_optional_lifetime(LIFE, fields.jwt_token_life)?,
        overlap: match parse_optional_lifetime(OVERLAP, fields.overlap) {
            Err(ApiError::InvalidLifetime(_, LifetimeError::Zero)) => None,
            overlap => overlap?,
        },
    })
}

fn parse_fields(bytes: &[u8]) -> Result<Fields, ApiError> {
    // The whole of it: of what it skips, `serde_json` does not look at the encoding.
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::not_utf8())?;
    serde_json::from_str(text).map_err(|error| ApiError::malformed_json(&error))
}

/// The fields of the body, whatever their types. Others are ignored; of one that comes twice, the last counts.
///
/// Read by hand: what serde derives would take an array for an object.
#[derive(Default)]
struct Fields {
    jwt_token_description: Field,
    jwt_token_life: Field,
    overlap: Field,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = object.next_key::<Cow<'_, str>>()? {
            match &*key {
                DESCRIPTION => fields.jwt_token_description = object.next_value()?,
                LIFE => fields.jwt_token_life = object.next_value()?,
                OVERLAP => fields.overlap = object.next_value()?,
                _ => _ = object.next_value::<IgnoredAny>()?,
            }
        }
        Ok(fields)
    }
}

/// Reads the whole body, if it is of this type.
pub(super) async fn read(
    headers: &HeaderMap,
    body: impl RequestBody,
    media_type: MediaType,
) -> Result<Bytes, ApiError> {
    if !is_plain(headers, media_type) {
        return Err(ApiError::UnsupportedMediaType(media_type));
    }
    let declared: Option<u64> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(ApiError::BodyTooLarge);
    }
    body.read(MAX_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::BodyTooLarge,
        BodyError::Incomplete => ApiError::IncompleteBody,
    })
}

/// Whether the headers say that the body is of this type, whatever the parameters, and has no content coding.
fn is_plain(headers: &HeaderMap, wanted: MediaType) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let essence = media_type
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    plain
        && essence
            .trim_ascii()
            .eq_ignore_ascii_case(wanted.name().as_bytes())
}

/// The header `Idempotency-Key`, at most once.
fn parse_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all("idempotency-key").iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => std::str::from_utf8(value.as_bytes())
            .ok()
            .and_then(|key| key.parse().ok())
            .map(Some)
            .ok_or(ApiError::InvalidIdempotencyKey),
        (Some(_), Some(_)) => Err(ApiError::InvalidIdempotencyKey),
    }
}

fn parse_description(field: Field) -> Result<Description, ApiError> {
    let Field::Text(text) = field else {
        return Err(ApiError::invalid_field(
            DESCRIPTION,
            "must be a string and is required",
        ));
    };
    text.parse().map_err(|error| match error {
        DescriptionError::Blank => ApiError::DescriptionBlank,
        DescriptionError::TooLong | DescriptionError::Control => {
            ApiError::invalid_field(DESCRIPTION, error)
        }
    })
}

fn parse_lifetime(name: &'static str, field: Field) -> Result<Lifetime, ApiError> {
    let lifetime = match field {
        Field::Text(text) => text.parse(),
        Field::Integer(secs) => Lifetime::from_secs(secs),
        Field::Number(secs) if secs < 0.0 => Err(LifetimeError::Negative),
        Field::Number(secs) if secs.fract() != 0.0 => Err(LifetimeError::NotWholeSeconds),
        // 360.0 and 3.6e2 are integers too (RFC 8259, section 6), as far as they are exact.
        Field::Number(secs) if secs <= EXACT => Lifetime::from_secs(secs as u64),
        Field::Number(_) => Err(LifetimeError::Overflow),
        Field::Missing | Field::Other => {
            return Err(ApiError::invalid_field(
                name,
                format_args!("{DURATION}, and is required"),
            ));
        }
    };
    lifetime.map_err(|error| ApiError::InvalidLifetime(name, error))
}

fn parse_optional_lifetime(name: &'static str, field: Field) -> Result<Option<Lifetime>, ApiError> {
    match field {
        Field::Missing => Ok(None),
        Field::Other => Err(ApiError::invalid_field(name, DURATION)),
        field => parse_lifetime(name, field).map(Some),
    }
}

const DURATION: &str =
    "must be a duration as a string, such as \"6 hours\", or a number of seconds";

/// The largest number below which every integer is a double.
const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_every_type() {
        let read = |json| {
            let fields: Fields = serde_json::from_str(json).unwrap();
            (fields.jwt_token_description, fields.jwt_token_life)
        };
        let text = |text: &str| Field::Text(text.to_owned());
        for (json, expected) in [
            ("{}", (Field::Missing, Field::Missing)),
            (
                r#"{"jwt_token_description":"a","jwt_token_life":1}"#,
                (text("a"), Field::Integer(1)),
            ),
            (
                r#"{"jwt_token_life":"\u0031h","x":[{"y":[]}],"jwt_token_d\u0065scription":"b"}"#,
                (text("b"), text("1h")),
            ),
            (
                r#"{"jwt_token_description":null,"jwt_token_life":-1}"#,
                (Field::Other, Field::Number(-1.0)),
            ),
            (
                r#"{"jwt_token_description":{"a":[1]},"jwt_token_life":1.5}"#,
                (Field::Other, Field::Number(1.5)),
            ),
            (
                r#"{"jwt_token_description":[{}],"jwt_token_life":1,"jwt_token_life":true}"#,
                (Field::Other, Field::Other),
            ),
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
            assert!(serde_json::from_str::<Fields>(json).is_err(), "{json}");
        }
    }
}
