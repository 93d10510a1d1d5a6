//! Request bodies: their types, and their limit.

use bytes::Bytes;
use http::{HeaderMap, header};

use super::content::{MAX_BYTES, MediaType};
use super::error::ApiError;

/// A body that has not been read yet.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait RequestBody {
    /// The whole body. Fails if it has more than `limit` bytes.
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

/// Whether the headers say that the body is of this type, with any parameters, and has no content coding.
pub(super) fn is_plain(headers: &HeaderMap, wanted: MediaType) -> bool {
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
