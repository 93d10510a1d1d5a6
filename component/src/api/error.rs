//! What goes wrong, and the one map from it to a status, a code and what the client is told.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use super::body::MAX_BYTES;
use super::response::{self, LogLine};
use crate::config::ConfigError;
use crate::idempotency::InvalidIdempotencyKey;
use crate::lifetime::LifetimeError;
use crate::service::ServiceError;
use crate::store::StoreError;

/// A request that was not fulfilled.
#[derive(Debug)]
pub(super) enum ApiError {
    NotFound,
    MethodNotAllowed(&'static str),
    Configuration(ConfigError),
    Unauthorized,
    TooManyAttempts { retry_after: Duration },
    UnsupportedMediaType,
    BodyTooLarge,
    IncompleteBody,
    MalformedJson { message: String },
    InvalidField { message: String },
    DescriptionBlank,
    DescriptionTaken,
    InvalidLifetime(LifetimeError),
    TokenLimitReached { limit: usize },
    InvalidIdempotencyKey,
    IdempotencyKeyReused,
    TooManyIdempotencyKeys,
    NoTokens,
    NoSuchToken,
    StorageUnavailable(StoreError),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NoTokens => Self::NoTokens,
            ServiceError::NoSuchToken => Self::NoSuchToken,
            ServiceError::DescriptionTaken => Self::DescriptionTaken,
            ServiceError::TokenLimitReached { limit } => Self::TokenLimitReached { limit },
            ServiceError::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            ServiceError::TooManyIdempotencyKeys => Self::TooManyIdempotencyKeys,
            ServiceError::Lifetime(error) => Self::InvalidLifetime(error),
            ServiceError::Store(error) => Self::StorageUnavailable(error),
        }
    }
}

impl ApiError {
    pub(super) fn invalid_field(field: &str, problem: impl std::fmt::Display) -> Self {
        Self::InvalidField {
            message: format!("{field} {problem}"),
        }
    }

    pub(super) fn not_utf8() -> Self {
        Self::MalformedJson {
            message: "The request body is not valid UTF-8".to_owned(),
        }
    }

    /// Where it went wrong, not what is there: that may be a secret in the wrong place.
    pub(super) fn malformed_json(error: &serde_json::Error) -> Self {
        let message = match error.classify() {
            serde_json::error::Category::Data => "The request body is not a JSON object".to_owned(),
            _ => format!(
                "The request body is not valid JSON (line {}, column {})",
                error.line(),
                error.column()
            ),
        };
        Self::MalformedJson { message }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::IncompleteBody
            | Self::MalformedJson { .. }
            | Self::InvalidField { .. }
            | Self::DescriptionBlank
            | Self::DescriptionTaken
            | Self::InvalidLifetime(_)
            | Self::InvalidIdempotencyKey => StatusCode::BAD_REQUEST,
            Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts { .. } | Self::TooManyIdempotencyKeys => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TokenLimitReached { .. } => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoTokens | Self::NoSuchToken => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Configuration(_) | Self::StorageUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Configuration(ConfigError::NoUsers) => "not_configured",
            Self::Configuration(ConfigError::Invalid { .. } | ConfigError::Unreadable { .. }) => {
                "misconfigured"
            }
            Self::Unauthorized => "unauthorized",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::BodyTooLarge => "body_too_large",
            Self::IncompleteBody => "incomplete_body",
            Self::MalformedJson { .. } => "malformed_json",
            Self::InvalidField { .. } => "invalid_field",
            Self::DescriptionBlank => "description_blank",
            Self::DescriptionTaken => "description_taken",
            Self::InvalidLifetime(_) => "invalid_lifetime",
            Self::TokenLimitReached { .. } => "token_limit_reached",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::TooManyIdempotencyKeys => "too_many_idempotency_keys",
            Self::NoTokens => "no_tokens",
            Self::NoSuchToken => "no_such_token",
            Self::StorageUnavailable(_) => "storage_unavailable",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotFound => "There is nothing at this path".to_owned(),
            Self::MethodNotAllowed(allow) => {
                format!("The method is not allowed here; allowed are {allow}")
            }
            Self::Configuration(error) => format!("Latchkey cannot work: {error}"),
            Self::Unauthorized => "The server could not verify that you are authorized to access \
                                   the URL requested. Sign in with HTTP Basic authentication: the \
                                   credentials are missing or wrong."
                .to_owned(),
            Self::TooManyAttempts { .. } => {
                "There are too many attempts to sign in: try again later".to_owned()
            }
            Self::UnsupportedMediaType => {
                "The request body must be JSON, with Content-Type: application/json and no \
                 Content-Encoding"
                    .to_owned()
            }
            Self::BodyTooLarge => {
                format!("The request body must have at most {MAX_BYTES} bytes")
            }
            Self::IncompleteBody => "The request body ended before its end".to_owned(),
            Self::MalformedJson { message } | Self::InvalidField { message } => message.clone(),
            Self::DescriptionBlank | Self::DescriptionTaken => {
                "Token description already exists or is blank".to_owned()
            }
            Self::InvalidLifetime(error) => format!("jwt_token_life: {error}"),
            Self::TokenLimitReached { limit } => {
                format!("You have {limit} tokens, as many as a user may have: delete one first")
            }
            Self::InvalidIdempotencyKey => {
                format!("The header Idempotency-Key {InvalidIdempotencyKey}")
            }
            Self::IdempotencyKeyReused => {
                "The Idempotency-Key was used for another request within the last 24 hours"
                    .to_owned()
            }
            Self::TooManyIdempotencyKeys => {
                "Too many Idempotency-Keys were used within the last 24 hours".to_owned()
            }
            Self::NoTokens => "Tokens does not exist".to_owned(),
            Self::NoSuchToken => {
                "Token does not exist, make sure to enter correct token id".to_owned()
            }
            Self::StorageUnavailable(_) => {
                "The token store does not answer at the moment: try again".to_owned()
            }
        }
    }

    /// The response; what only the log may know goes with it as a [`LogLine`].
    pub(super) fn into_response(self) -> Response<Bytes> {
        let mut response = response::error(self.status(), self.code(), &self.message());
        let headers = response.headers_mut();
        match &self {
            Self::MethodNotAllowed(allow) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Unauthorized => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(r#"Basic realm="latchkey", charset="UTF-8""#),
                );
            }
            Self::TooManyAttempts { retry_after } => {
                headers.insert(header::RETRY_AFTER, whole_seconds(*retry_after));
            }
            Self::StorageUnavailable(error) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                let line = LogLine(format!("storage unavailable: {error}"));
                response.extensions_mut().insert(line);
            }
            Self::TooManyIdempotencyKeys => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("3600"));
            }
            _ => {}
        }
        response
    }
}

/// Delay seconds (RFC 9110, section 10.2.3), rounded up: whoever waits for so long has waited for long enough.
fn whole_seconds(duration: Duration) -> HeaderValue {
    let almost_one = Duration::from_nanos(999_999_999);
    HeaderValue::from(duration.saturating_add(almost_one).as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_seconds_are_whole_rounded_up_and_never_none() {
        for (millis, seconds) in [
            (0, "1"),
            (1, "1"),
            (1_000, "1"),
            (1_001, "2"),
            (300_000, "300"),
        ] {
            let retry_after = Duration::from_millis(millis);
            let response = ApiError::TooManyAttempts { retry_after }.into_response();
            assert_eq!(response.status(), 429);
            assert_eq!(response.headers()["retry-after"], seconds, "{millis}");
        }
    }
}
