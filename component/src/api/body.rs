//! Request bodies.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::lifetime::{Lifetime, LifetimeError};
use crate::token::{Description, DescriptionError};

/// The most bytes that a request body may have.
pub(super) const MAX_BYTES: usize = 16 * 1024;

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

/// What `POST /token` asks for.
#[derive(Debug)]
pub(super) struct Creation {
    pub(super) description: Description,
    pub(super) lifetime: Lifetime,
}

/// Reads the body of `POST /token`.
pub(super) async fn read_creation(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Creation, ApiError> {
    let fields = read_object(headers, body).await?;
    Ok(Creation {
        description: parse_description(fields.get("jwt_token_description"))?,
        lifetime: parse_lifetime(fields.get("jwt_token_life"))?,
    })
}

async fn read_object(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Map<String, Value>, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let declared: Option<u64> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length| length > MAX_BYTES as u64) {
        return Err(ApiError::BodyTooLarge);
    }
    let bytes = body.read(MAX_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::BodyTooLarge,
        BodyError::Incomplete => ApiError::IncompleteBody,
    })?;
    serde_json::from_slice(&bytes).map_err(|error| ApiError::malformed_json(&error))
}

/// Whether the headers say `application/json`, whatever the parameters, and no content coding.
fn is_json(headers: &HeaderMap) -> bool {
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
            .eq_ignore_ascii_case(b"application/json")
}

fn parse_description(value: Option<&Value>) -> Result<Description, ApiError> {
    let text = value.and_then(Value::as_str).ok_or_else(|| {
        ApiError::invalid_field("jwt_token_description", "must be a string and is required")
    })?;
    text.parse().map_err(|error| match error {
        DescriptionError::Blank => ApiError::DescriptionBlank,
        DescriptionError::TooLong | DescriptionError::Control => {
            ApiError::invalid_field("jwt_token_description", error)
        }
    })
}

fn parse_lifetime(value: Option<&Value>) -> Result<Lifetime, ApiError> {
    let lifetime = match value {
        Some(Value::String(text)) => text.parse(),
        Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
            (Some(secs), _) => Lifetime::from_secs(secs),
            (None, Some(secs)) if secs < 0.0 => Err(LifetimeError::Negative),
            (None, Some(secs)) if secs.fract() != 0.0 => Err(LifetimeError::NotWholeSeconds),
            // 360.0 and 3.6e2 are integers too (RFC 8259, section 6), as far as they are exact.
            (None, Some(secs)) if secs <= EXACT => Lifetime::from_secs(secs as u64),
            _ => Err(LifetimeError::Overflow),
        },
        _ => {
            return Err(ApiError::invalid_field(
                "jwt_token_life",
                "must be a duration as a string, such as \"6 hours\", or a number of seconds, and is required",
            ));
        }
    };
    lifetime.map_err(ApiError::InvalidLifetime)
}

/// The largest number below which every integer is a double.
const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
