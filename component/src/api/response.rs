//! Response bodies: the keys, their order and the messages of the source document.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::ser::Serializer;
use serde::{Serialize, ser::SerializeMap};

use super::route::{self, Route};
use crate::service::{Issued, TokenStatus, Uses};
use crate::text::rfc3339;
use crate::token::{Audience, Description, Scope, Token, TokenId, Username};

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).expect("strings and finite numbers are always JSON");
    json_bytes(status, body)
}

fn json_bytes(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let length = HeaderValue::from(response.body().len());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, length);
    // Errors too: the same URL may have been a token, or may become one.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // No page of another origin gets it into its process, even if it asks for a script or an image (Fetch, section 3.7).
    headers.insert(
        const { HeaderName::from_static("cross-origin-resource-policy") },
        HeaderValue::from_static("same-origin"),
    );
    response
}

pub(super) fn allow(methods: &str) -> HeaderValue {
    HeaderValue::try_from(methods).expect("names of methods")
}

/// The answer to `OPTIONS`.
pub(super) fn options(methods: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, allow(methods));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// An error: a message for people, a code for programs, and the code as `error` for OAuth clients.
pub fn error(
    status: StatusCode,
    code: &'static str,
    message: &str,
    error: Option<&'static str>,
) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a str,
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'static str>,
    }
    let body = Body {
        message,
        code,
        error,
    };
    json(status, &body)
}

const TOKENS_EXIST: &str = "Tokens exists";

/// The answer to `GET /token`.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    message: &'static str,
    #[serde(serialize_with = "by_id")]
    jwt_tokens: (&'a [TokenStatus], Option<&'a Uses>),
}

impl<'a> Listed<'a> {
    /// With details, if there are `uses`.
    pub(super) fn new(tokens: &'a [TokenStatus], uses: Option<&'a Uses>) -> Self {
        Self {
            message: TOKENS_EXIST,
            jwt_tokens: (tokens, uses),
        }
    }
}

/// What is added to a token where details are asked for.
#[derive(Serialize)]
struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_scope: Option<&'a Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_audience: Option<&'a Audience>,
    /// The administrator who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_by: Option<&'a str>,
    jwt_token_issued_at: String,
    jwt_token_expires_at: String,
    jwt_token_last_used: Option<String>,
    /// How its user had signed in when it was made, if without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_means: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_issuer: Option<&'a str>,
    /// When its user last signed in so: the token is not good without.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_user_last_sign_in: Option<String>,
}

impl<'a> Details<'a> {
    fn new(token: &'a Token, uses: &Uses) -> Self {
        Self {
            jwt_token_scope: token.limits.scope.as_ref(),
            jwt_token_audience: token.limits.audience.as_ref(),
            jwt_token_by: token.provenance.by.as_ref().map(Username::as_str),
            jwt_token_issued_at: rfc3339(token.issued_at),
            jwt_token_expires_at: rfc3339(token.ends_at()),
            jwt_token_last_used: uses.of(token.id).map(rfc3339),
            jwt_token_means: token.provenance.means.unless_password(),
            jwt_token_issuer: token.provenance.means.issuer(),
            jwt_user_last_sign_in: (token.provenance.means.unless_password())
                .and_then(|_| uses.last_sign_in())
                .map(|at| rfc3339(at.as_secs())),
        }
    }
}

/// An object in the order of the slice.
fn by_id<S: Serializer>(
    (tokens, uses): &(&[TokenStatus], Option<&Uses>),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'a> {
        jwt_token_description: &'a Description,
        jwt_token_life: u64,
        jwt_token_remaining_life: f64,
        #[serde(flatten)]
        details: Option<Details<'a>>,
    }
    let mut map = serializer.serialize_map(Some(tokens.len()))?;
    for status in *tokens {
        let entry = Entry {
            jwt_token_description: &status.token.description,
            jwt_token_life: status.token.lifetime.as_secs(),
            jwt_token_remaining_life: status.remaining.as_secs_f64(),
            details: uses.map(|uses| Details::new(&status.token, uses)),
        };
        map.serialize_entry(&status.token.id, &entry)?;
    }
    map.end()
}

/// The answer to `POST /token`, and to a rotation.
pub(super) fn created(issued: &Issued, route: Route<'_>) -> Response<Bytes> {
    let mut response = json(StatusCode::CREATED, &Created::new(issued));
    let user = route.user().map(|user| format!("/users/{user}"));
    let user = user.unwrap_or_default();
    let location = format!("{}{user}/token/{}", route::BASE, issued.token.id);
    let location = HeaderValue::try_from(location).expect("a path of ASCII letters");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

#[derive(Serialize)]
struct Created<'a> {
    message: &'static str,
    jwt_token_id: TokenId,
    jwt_token: &'a str,
    jwt_token_description: &'a Description,
    jwt_token_life: u64,
}

impl<'a> Created<'a> {
    fn new(issued: &'a Issued) -> Self {
        Self {
            message: "Token generated",
            jwt_token_id: issued.token.id,
            jwt_token: issued.signed.expose(),
            jwt_token_description: &issued.token.description,
            jwt_token_life: issued.token.lifetime.as_secs(),
        }
    }
}

/// The answer to `GET /token/<id>`.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    message: &'static str,
    jwt_token_description: &'a Description,
    jwt_token_life: u64,
    jwt_token_life_remaining: f64,
    expiry_status: &'static str,
    #[serde(flatten)]
    details: Option<Details<'a>>,
}

impl<'a> Shown<'a> {
    /// With details, if there are `uses`.
    pub(super) fn new(status: &'a TokenStatus, uses: Option<&Uses>) -> Self {
        Self {
            message: TOKENS_EXIST,
            jwt_token_description: &status.token.description,
            jwt_token_life: status.token.lifetime.as_secs(),
            jwt_token_life_remaining: status.remaining.as_secs_f64(),
            expiry_status: if status.is_expired() {
                "Expired"
            } else {
                "Valid"
            },
            details: uses.map(|uses| Details::new(&status.token, uses)),
        }
    }
}

/// The answer to `DELETE /token?all=true`.
#[derive(Serialize)]
pub(super) struct AllDeleted {
    pub(super) message: &'static str,
    pub(super) jwt_tokens_deleted: usize,
}

/// The answer to `GET /api/healthz/readiness`: ready also with a newer configuration that is not in use, since the one before
/// it works. Anybody may ask, so the reason is in the log only.
pub(super) fn ready(refuses_configuration: bool) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Ready {
        message: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        warning: Option<&'static str>,
    }
    let warning =
        "The newest configuration cannot be used; the one before it is in use. The log says why.";
    let body = Ready {
        message: "i am ready",
        warning: refuses_configuration.then_some(warning),
    };
    json(StatusCode::OK, &body)
}

/// 200, with a message only.
pub(super) fn message(message: &'static str) -> Response<Bytes> {
    #[derive(Serialize)]
    struct Message {
        message: &'static str,
    }
    json(StatusCode::OK, &Message { message })
}
