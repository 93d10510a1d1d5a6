//! The body of `POST /token`, and the header that goes with it.

use http::HeaderMap;
use serde_json::Value;

use super::body::RequestBody;
use super::error::{ApiError, LIFE};
use super::fields;
use crate::idempotency::IdempotencyKey;
use crate::lifetime::Lifetime;
use crate::token::{Audience, Description, DescriptionError, Limits, Scope, ScopeError};

const DESCRIPTION: &str = "jwt_token_description";
const SCOPE: &str = "jwt_token_scope";
const AUDIENCE: &str = "jwt_token_audience";

#[derive(Debug)]
pub(super) struct Creation {
    pub(super) description: Description,
    pub(super) lifetime: Lifetime,
    pub(super) limits: Limits,
    pub(super) key: Option<IdempotencyKey>,
}

pub(super) async fn read(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Creation, ApiError> {
    let mut fields = fields::read(headers, body).await?;
    let creation = Creation {
        description: parse_description(fields.remove(DESCRIPTION))?,
        lifetime: fields::required_lifetime(LIFE, fields.remove(LIFE))?,
        limits: Limits {
            scope: parse_scope(fields.remove(SCOPE))?,
            audience: parse_audience(fields.remove(AUDIENCE))?,
        },
        key: parse_key(headers)?,
    };
    fields::finish(&fields)?;
    Ok(creation)
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

fn parse_scope(field: Option<Value>) -> Result<Option<Scope>, ApiError> {
    let scope = match field {
        None => return Ok(None),
        Some(Value::String(text)) => text.parse::<Scope>(),
        Some(_) => Err(ScopeError::Malformed),
    };
    scope
        .map(Some)
        .map_err(|error| ApiError::invalid_field(SCOPE, error))
}

fn parse_audience(field: Option<Value>) -> Result<Option<Audience>, ApiError> {
    let names = match field {
        None => return Ok(None),
        Some(Value::Array(values)) => values,
        Some(value) => vec![value],
    };
    let names = names.into_iter().map(|value| match value {
        Value::String(name) => name,
        // No name of a service is empty: it is refused.
        _ => String::new(),
    });
    Audience::new(names)
        .map(Some)
        .map_err(|error| ApiError::invalid_field(AUDIENCE, error))
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
