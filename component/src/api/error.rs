//! Errors, and the one map from them to a status, a code and a message for the client.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::content::{MAX_BYTES, MediaType};
use super::headers::IDEMPOTENCY_RETRY_AFTER;
use super::response;
use crate::audit::Event;
use crate::auth::IdTokenError;
use crate::config::ConfigError;
use crate::idempotency::InvalidIdempotencyKey;
use crate::ledger::LedgerError::{
    AlreadyRotated, DescriptionTaken, LimitReached, NoSuchToken, TooManyIdempotencyKeys,
};
use crate::lifetime::LifetimeError;
use crate::service::ServiceError::{self, IdempotencyKeyReused, Ledger, Lifetime, NoTokens, Store};
use crate::store::StoreError;
use crate::token::{Scope, Username};

/// A request that was not fulfilled.
#[derive(Debug)]
pub(super) enum ApiError {
    NotFound,
    MethodNotAllowed(String),
    Configuration(ConfigError),
    /// There were no credentials.
    Unauthorized,
    /// They are wrong or malformed; they name this user, if there is such a user.
    SignInFailed(Option<Username>),
    /// The ID token is not good. The client is not told why.
    IdTokenRefused(IdTokenError),
    TooManyAttempts {
        user: Option<Username>,
        retry_after: Duration,
    },
    NoBearer,
    MalformedBearer,
    InvalidToken,
    CrossSite,
    NotAdmin,
    /// The user is signed in by a proxy, and the request does not say that it is of the same origin.
    OtherOrigin,
    UnsupportedMediaType(MediaType),
    BodyTooLarge,
    IncompleteBody,
    MalformedJson {
        message: String,
    },
    InvalidField {
        message: String,
    },
    /// There is no field of this name.
    UnknownField(String),
    /// A parameter of the query, and what is wrong with it.
    InvalidParameter(String),
    /// The token has not all of these scope tokens.
    InsufficientScope(Option<Scope>),
    WrongAudience,
    InvalidForm(&'static str),
    DescriptionBlank,
    InvalidLifetime(&'static str, LifetimeError),
    InvalidIdempotencyKey,
    Service(ServiceError),
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::Service(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

/// The field that says how long a token lives.
pub(super) const LIFE: &str = "jwt_token_life";

/// The challenge to a user (RFC 7617, section 2).
const BASIC: &str = r#"Basic realm="latchkey", charset="UTF-8""#;

/// The challenge to a bearer (RFC 6750, section 3).
const BEARER: &str = r#"Bearer realm="latchkey""#;

/// The challenge to a client that sends a token as a password only.
const BASIC_FOR_TOKENS: HeaderValue = HeaderValue::from_static(r#"Basic realm="latchkey""#);

/// Clients are not told which.
const INVALID_TOKEN: &str = "The token is invalid or has expired";

fn challenge(headers: &mut HeaderMap, challenge: String) {
    let value = HeaderValue::try_from(challenge).expect("our own text");
    headers.insert(header::WWW_AUTHENTICATE, value);
}

impl ApiError {
    pub(super) const NO_SUCH_TOKEN: Self = Self::Service(Ledger(NoSuchToken));

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

    /// Says where, not what is there: that may be a secret.
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
            | Self::UnknownField(_)
            | Self::InvalidParameter(_)
            | Self::InvalidForm(_)
            | Self::DescriptionBlank
            | Self::InvalidLifetime(..)
            | Self::InvalidIdempotencyKey
            | Self::Service(Ledger(DescriptionTaken) | Lifetime(_)) => StatusCode::BAD_REQUEST,
            Self::Service(
                Ledger(AlreadyRotated) | ServiceError::UserInactive | ServiceError::UserBegins(_),
            ) => StatusCode::CONFLICT,
            Self::Service(IdempotencyKeyReused) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts { .. } | Self::Service(Ledger(TooManyIdempotencyKeys)) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            // RFC 6750 has 400 for what is malformed; nginx makes 500 of that, for a mistake that its client made.
            Self::Unauthorized
            | Self::SignInFailed(_)
            | Self::IdTokenRefused(_)
            | Self::NoBearer
            | Self::MalformedBearer
            | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::CrossSite
            | Self::NotAdmin
            | Self::OtherOrigin
            | Self::InsufficientScope(_)
            | Self::WrongAudience
            | Self::Service(ServiceError::Scope(_) | Ledger(LimitReached(_))) => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound
            | Self::Service(NoTokens | ServiceError::NoSuchUser | Ledger(NoSuchToken)) => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Configuration(_) | Self::Service(Store(_)) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Configuration(ConfigError::NoUsers | ConfigError::NoSigningKeys) => {
                "not_configured"
            }
            Self::Configuration(ConfigError::Invalid { .. } | ConfigError::Unreadable { .. }) => {
                "misconfigured"
            }
            Self::Unauthorized
            | Self::SignInFailed(_)
            | Self::IdTokenRefused(_)
            | Self::NoBearer => "unauthorized",
            Self::MalformedBearer | Self::InvalidParameter(_) | Self::InvalidForm(_) => {
                "invalid_request"
            }
            Self::InsufficientScope(_) => "insufficient_scope",
            Self::WrongAudience => "wrong_audience",
            Self::InvalidToken => "invalid_token",
            Self::CrossSite | Self::OtherOrigin => "cross_site",
            Self::NotAdmin => "not_an_admin",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::BodyTooLarge => "body_too_large",
            Self::IncompleteBody => "incomplete_body",
            Self::MalformedJson { .. } => "malformed_json",
            Self::InvalidField { .. } => "invalid_field",
            Self::UnknownField(_) => "unknown_field",
            Self::DescriptionBlank => "description_blank",
            Self::InvalidLifetime(..) | Self::Service(Lifetime(_)) => "invalid_lifetime",
            Self::InvalidIdempotencyKey => "invalid_idempotency_key",
            Self::Service(Ledger(DescriptionTaken)) => "description_taken",
            Self::Service(Ledger(LimitReached(_))) => "token_limit_reached",
            Self::Service(Ledger(NoSuchToken)) => "no_such_token",
            Self::Service(Ledger(AlreadyRotated)) => "already_rotated",
            Self::Service(Ledger(TooManyIdempotencyKeys)) => "too_many_idempotency_keys",
            Self::Service(ServiceError::Scope(_)) => "scope_not_granted",
            Self::Service(IdempotencyKeyReused) => "idempotency_key_reused",
            Self::Service(NoTokens) => "no_tokens",
            Self::Service(ServiceError::NoSuchUser) => "no_such_user",
            Self::Service(ServiceError::UserInactive) => "user_inactive",
            Self::Service(ServiceError::UserBegins(_)) => "user_begins_later",
            Self::Service(Store(_)) => "storage_unavailable",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotFound => "There is nothing at this path".to_owned(),
            Self::MethodNotAllowed(allow) => {
                format!("The method is not allowed here; allowed are {allow}")
            }
            Self::Configuration(error) => format!("Latchkey cannot work: {error}"),
            Self::Unauthorized | Self::SignInFailed(_) | Self::IdTokenRefused(_) => {
                "The server could not verify that you are authorized to access \
                                   the URL requested. Sign in with HTTP Basic authentication: the \
                                   credentials are missing or wrong."
                    .to_owned()
            }
            Self::TooManyAttempts { .. } => {
                "There are too many attempts to sign in: try again later".to_owned()
            }
            Self::NoBearer => "A token is needed: Authorization: Bearer <token>, or X-Api-Key: <token>".to_owned(),
            Self::MalformedBearer => {
                "There must be one token, in one header: Authorization: Bearer <token>, or X-Api-Key: \
                 <token>"
                    .to_owned()
            }
            Self::InvalidToken => INVALID_TOKEN.to_owned(),
            Self::CrossSite => {
                "The page of another site cannot change tokens (Sec-Fetch-Site: cross-site)"
                    .to_owned()
            }
            Self::NotAdmin => "Only an administrator may ask for this".to_owned(),
            Self::OtherOrigin => {
                "Behind a login proxy, what changes tokens must come from the same origin: send \
                 Sec-Fetch-Site: same-origin, or Origin, as browsers do"
                    .to_owned()
            }
            Self::UnsupportedMediaType(media_type) => {
                let kind = match media_type {
                    MediaType::Json => "JSON",
                    MediaType::Form => "a form",
                };
                format!(
                    "The request body must be {kind}, with Content-Type: {} and no Content-Encoding",
                    media_type.name()
                )
            }
            Self::BodyTooLarge => {
                format!("The request body must have at most {MAX_BYTES} bytes")
            }
            Self::IncompleteBody => "The request body ended before its end".to_owned(),
            Self::MalformedJson { message } | Self::InvalidField { message } => message.clone(),
            Self::UnknownField(name) => format!("There is no field {name}"),
            Self::InvalidParameter(problem) => format!("The parameter {problem}"),
            Self::InsufficientScope(_) => "The token has not the scope that is needed".to_owned(),
            Self::WrongAudience => "The token is not for this service".to_owned(),
            Self::InvalidForm(problem) => format!("The parameter {problem}"),
            Self::DescriptionBlank | Self::Service(Ledger(DescriptionTaken)) => {
                "Token description already exists or is blank".to_owned()
            }
            Self::InvalidLifetime(field, error) => format!("{field}: {error}"),
            Self::Service(Lifetime(error)) => format!("{LIFE}: {error}"),
            Self::Service(ServiceError::Scope(granted)) => format!(
                "The token must have a scope, of no other words than these, which your sign-in grants: {}",
                granted.as_str()
            ),
            Self::Service(Ledger(LimitReached(limit))) => {
                format!("You have {limit} tokens, as many as a user may have: delete one first")
            }
            Self::InvalidIdempotencyKey => {
                format!("The header Idempotency-Key {InvalidIdempotencyKey}")
            }
            Self::Service(IdempotencyKeyReused) => {
                "The Idempotency-Key was used for another request within the last 24 hours"
                    .to_owned()
            }
            Self::Service(Ledger(TooManyIdempotencyKeys)) => {
                "Too many Idempotency-Keys were used within the last 24 hours".to_owned()
            }
            Self::Service(NoTokens) => "Tokens does not exist".to_owned(),
            Self::Service(ServiceError::NoSuchUser) => {
                "There is no user of this name: neither configured, nor has one signed in lately".to_owned()
            }
            Self::Service(ServiceError::UserInactive) => {
                "The token would be dead: this user has no configured password, and has not signed in lately by other means \
                 that are configured"
                    .to_owned()
            }
            Self::Service(ServiceError::UserBegins(_)) => {
                "The token would be dead: by the clock of this server, `since` in the entry of this user in `users` is in \
                 the future"
                    .to_owned()
            }
            Self::Service(Ledger(NoSuchToken)) => {
                "Token does not exist, make sure to enter correct token id".to_owned()
            }
            Self::Service(Ledger(AlreadyRotated)) => {
                "Token has been rotated already, rotate the newest with this description".to_owned()
            }
            Self::Service(Store(_)) => {
                "The token store does not answer at the moment: try again".to_owned()
            }
        }
    }

    pub(super) fn event(&self) -> Option<Event> {
        match self {
            Self::SignInFailed(user) => Some(Event::SignInFailed(user.clone())),
            Self::IdTokenRefused(_) => Some(Event::SignInFailed(None)),
            Self::TooManyAttempts { user, .. } => Some(Event::SignInThrottled(user.clone())),
            _ => None,
        }
    }

    /// For the log, not for the client.
    pub(super) fn log_line(&self) -> Option<String> {
        match self {
            Self::Service(Store(error)) => Some(format!("storage unavailable: {error}")),
            Self::IdTokenRefused(error) => Some(format!("an ID token was refused: {error}")),
            Self::Service(error @ ServiceError::UserBegins(_)) => {
                Some(format!("a token was not made: {error}"))
            }
            _ => None,
        }
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let error = match self {
            // OAuth clients look here (RFC 6749, section 5.2).
            Self::InvalidForm(_) => Some(self.code()),
            _ => None,
        };
        let mut response = response::error(self.status(), self.code(), &self.message(), error);
        let headers = response.headers_mut();
        match self {
            Self::MethodNotAllowed(allow) => {
                headers.insert(header::ALLOW, response::allow(allow));
            }
            Self::Unauthorized | Self::SignInFailed(_) | Self::IdTokenRefused(_) => {
                challenge(headers, BASIC.to_owned());
            }
            Self::TooManyAttempts { retry_after, .. }
            | Self::Service(ServiceError::UserBegins(retry_after)) => {
                headers.insert(header::RETRY_AFTER, whole_seconds(*retry_after));
            }
            Self::NoBearer => challenge(headers, BEARER.to_owned()),
            Self::MalformedBearer => {
                challenge(headers, format!(r#"{BEARER}, error="invalid_request""#));
            }
            Self::InsufficientScope(scope) => {
                let scope = scope.as_ref().map_or("", Scope::as_str);
                challenge(
                    headers,
                    format!(r#"{BEARER}, error="insufficient_scope", scope="{scope}""#),
                );
            }
            Self::InvalidToken => challenge(
                headers,
                format!(r#"{BEARER}, error="invalid_token", error_description="{INVALID_TOKEN}""#),
            ),
            Self::Service(Store(_)) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Service(Ledger(TooManyIdempotencyKeys)) => {
                let seconds = HeaderValue::from_static(IDEMPOTENCY_RETRY_AFTER);
                headers.insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        response
    }
}

/// Asks for the token as a password, too, if the response asks for a token.
pub(super) fn challenge_basic(response: &mut Response<Bytes>) {
    if response.status() == StatusCode::UNAUTHORIZED {
        // Before the other: nginx before 1.23 passes on the first alone.
        let headers = response.headers_mut();
        let other = headers.insert(header::WWW_AUTHENTICATE, BASIC_FOR_TOKENS);
        headers.extend(other.map(|other| (header::WWW_AUTHENTICATE, other)));
    }
}

/// Delay seconds (RFC 9110, section 10.2.3), rounded up so that the delay has ended then.
fn whole_seconds(duration: Duration) -> HeaderValue {
    let almost_one = Duration::from_nanos(999_999_999);
    HeaderValue::from(duration.saturating_add(almost_one).as_secs().max(1))
}

#[cfg(test)]
pub(super) mod tests;
