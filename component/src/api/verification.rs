//! Whether a token is good, and for what, for reverse proxies: status and headers say it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use serde::Serialize;

use super::Answer;
use super::carrier::Carried;
use super::error::{self, ApiError};
use super::headers::{EXPIRES, SCOPE, TOKEN_ID, USER, header_text};
use super::query::{self, Question};
use super::response;
use crate::jwt::VerifyingKeys;
use crate::service::{LiveToken, Service};
use crate::store::Store;
use crate::token::{Demand, Description, Lack, Scope, Timestamp, TokenId, Username};

/// What clients that want a user's name may send with a token, whoever's it is.
const ANY_NAME: &str = "token";

/// The body, for services that read it instead.
#[derive(Serialize)]
struct Verified<'a> {
    message: &'static str,
    username: &'a str,
    jwt_token_id: TokenId,
    jwt_token_description: &'a Description,
    jwt_token_life_remaining: f64,
}

pub(super) async fn answer<S: Store>(
    service: &Service<S>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Answer, ApiError> {
    let Question {
        demand,
        challenge_basic,
    } = query::read(uri)?;
    match verify(service, &demand, headers).await {
        Ok(live) => Ok(Answer {
            notes_use: service.note_use(&live),
            ..response(&live).into()
        }),
        Err(error) => Ok(Answer {
            log_line: error.log_line(),
            ..refusal(&error, challenge_basic).into()
        }),
    }
}

fn refusal(error: &ApiError, challenge_basic: bool) -> Response<Bytes> {
    let mut response = error.response();
    if challenge_basic {
        error::challenge_basic(&mut response);
    }
    response
}

/// The token, if it is live and has what is demanded. No password is looked at: who guesses at them here learns nothing.
async fn verify<S: Store>(
    service: &Service<S>,
    demand: &Demand,
    headers: &HeaderMap,
) -> Result<LiveToken, ApiError> {
    let (token, name) = carried(headers)?;
    let live = service.verify(&token).await?;
    let live = live
        .filter(|live| is_named(name.as_deref(), &live.user))
        .ok_or(ApiError::InvalidToken)?;
    refuse(live.status.token.lacks(demand), demand)?;
    Ok(live)
}

/// The token, and the user's name that came with it.
fn carried(headers: &HeaderMap) -> Result<(String, Option<String>), ApiError> {
    match Carried::parse(headers) {
        Carried::Nothing => Err(ApiError::NoBearer),
        Carried::Malformed => Err(ApiError::MalformedBearer),
        Carried::Token { token, name } => Ok((token, name)),
    }
}

/// Whether a client that gives this name may show a token of `user`.
fn is_named(name: Option<&str>, user: &Username) -> bool {
    match name {
        None | Some("" | ANY_NAME) => true,
        Some(name) => name == user.as_str(),
    }
}

fn refuse(lack: Option<Lack>, demand: &Demand) -> Result<(), ApiError> {
    match lack {
        None => Ok(()),
        Some(Lack::Scope) => Err(ApiError::InsufficientScope(demand.scope.clone())),
        Some(Lack::Audience) => Err(ApiError::WrongAudience),
    }
}

/// What `/verify` would answer, by the keys alone: its headers, or its refusal. That a token was revoked, or that its user
/// is no more, is not seen.
pub fn verify_offline(
    keys: &VerifyingKeys,
    question: &Question,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<HeaderMap, Box<Response<Bytes>>> {
    offline(keys, &question.demand, headers, now)
        .map_err(|error| Box::new(refusal(&error, question.challenge_basic)))
}

fn offline(
    keys: &VerifyingKeys,
    demand: &Demand,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<HeaderMap, ApiError> {
    let (token, name) = carried(headers)?;
    let claims = keys.verify(&token, now);
    let claims = claims.map_err(|_| ApiError::InvalidToken)?;
    let user: Username = claims
        .username
        .parse()
        .map_err(|_| ApiError::InvalidToken)?;
    if !is_named(name.as_deref(), &user) {
        return Err(ApiError::InvalidToken);
    }
    refuse(claims.lack(demand), demand)?;
    let mut identity = HeaderMap::new();
    let scope = claims.scope.as_ref();
    identify(&mut identity, &user, claims.jwt_token_id, claims.exp, scope);
    Ok(identity)
}

fn response(live: &LiveToken) -> Response<Bytes> {
    let LiveToken { user, status, .. } = live;
    let body = Verified {
        message: "Token is valid",
        username: user.as_str(),
        jwt_token_id: status.token.id,
        jwt_token_description: &status.token.description,
        jwt_token_life_remaining: status.remaining.as_secs_f64(),
    };
    let mut response = response::json(StatusCode::OK, &body);
    let token = &status.token;
    let scope = token.limits.scope.as_ref();
    identify(response.headers_mut(), user, token.id, live.ends_at, scope);
    response
}

/// Adds the headers that say whose token it is, and what it may be used for.
fn identify(
    headers: &mut HeaderMap,
    user: &Username,
    id: TokenId,
    ends_at: u64,
    scope: Option<&Scope>,
) {
    headers.insert(const { HeaderName::from_static(USER) }, header_text(user));
    let id = HeaderValue::try_from(id.to_string());
    headers.insert(
        const { HeaderName::from_static(TOKEN_ID) },
        id.expect("a UUID is ASCII"),
    );
    headers.insert(
        const { HeaderName::from_static(EXPIRES) },
        HeaderValue::from(ends_at),
    );
    if let Some(scope) = scope {
        let scope = HeaderValue::try_from(scope.as_str());
        headers.insert(
            const { HeaderName::from_static(SCOPE) },
            scope.expect("printable ASCII"),
        );
    }
}
