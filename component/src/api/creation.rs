//! The body of `POST /token`, and the header that goes with it.

use http::HeaderMap;
use serde_json::Value;

use super::body::RequestBody;
use super::error::{ApiError, LIFE};
use super::fields;
use crate::idempotency::IdempotencyKey;
use crate::lifetime::Lifetime;
use crate::token::{Description, DescriptionError};

const DESCRIPTION: &str = "jwt_token_description";

#[derive(Debug)]
pub(super) struct Creation {
    pub(super) description: Description,
    pub(super) lifetime: Lifetime,
    pub(super) key: Option<IdempotencyKey>,
}

pub(super) async fn read(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Creation, ApiError> {
    let mut fields = fields::read(headers, body).await?;
    Ok(Creation {
        description: parse_description(fields.remove(DESCRIPTION))?,
        lifetime: fields::required_lifetime(LIFE, fields.remove(LIFE))?,
        key: parse_key(headers)?,
    })
}

fn parse_description(field: Option<Value>) -> Result<Description, ApiError> {
    let Some(Value::String(text)) = field else {
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
