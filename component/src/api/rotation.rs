//! The body of a rotation: optional, and so are its fields.

use http::{HeaderMap, header};

use super::body::{self, RequestBody};
use super::content::MediaType;
use super::error::{ApiError, LIFE};
use super::fields;
use crate::lifetime::LifetimeError;
use crate::service::Rotation;

const OVERLAP: &str = "overlap";

pub(super) async fn read(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Rotation, ApiError> {
    // An empty body needs no media type; but a form of another site, empty or not, has one.
    if !headers.contains_key(header::CONTENT_TYPE) {
        return match body.read(0).await {
            Ok(_) => Ok(Rotation::default()),
            Err(_) => Err(ApiError::UnsupportedMediaType(MediaType::Json)),
        };
    }
    let body = body::read(headers, body, MediaType::Json).await?;
    if body.is_empty() {
        return Ok(Rotation::default());
    }
    if body.trim_ascii() == b"null" {
        return Err(ApiError::MalformedJson {
            message: "The request body is not a JSON object: send {} or no body".to_owned(),
        });
    }
    let mut fields = fields::parse(&body)?;
    let rotation = Rotation {
        lifetime: fields::lifetime(LIFE, fields.remove(LIFE))?,
        overlap: match fields::lifetime(OVERLAP, fields.remove(OVERLAP)) {
            Err(ApiError::InvalidLifetime(_, LifetimeError::Zero)) => None,
            overlap => overlap?,
        },
    };
    fields::finish(&fields)?;
    Ok(rotation)
}
