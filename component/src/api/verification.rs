//! Whether a token is good, and for what, for reverse proxies: status and headers say it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use serde::Serialize;

use super::Answer;
use super::carrier::Carried;
use super::error::{self, ApiError};
use super::headers::{EXPIRES, SCOPE, TOKEN_ID, USER, header_text};
use super::query::{self, Question};
use super::response;
use crate::service::{LiveToken, Service};
use crate::store::Store;
use crate::token::{Demand, Description, Lack, TokenId};

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
    match verify(service, demand, headers).await {
        Ok(live) => Ok(Answer {
            notes_use: service.note_use(&live),
            ..response(&live).into()
        }),
        Err(error) if challenge_basic => {
            let mut response = error.response();
            error::challenge_basic(&mut response);
            Ok(Answer {
                log_line: error.log_line(),
                ..response.into()
            })
        }
        Err(error) => Err(error),
    }
}

/// The token, if it is live and has what is demanded. No password is looked at: who guesses at them here learns nothing.
async fn verify<S: Store>(
    service: &Service<S>,
    demand: Demand,
    headers: &HeaderMap,
) -> Result<LiveToken, ApiError> {
    let (token, name) = match Carried::parse(headers) {
        Carried::Nothing => return Err(ApiError::NoBearer),
        Carried::Malformed => return Err(ApiError::MalformedBearer),
        Carried::Token { token, name } => (token, name),
    };
    let live = service.verify(&token).await?;
    let is_named = |live: &LiveToken| match name.as_deref() {
        None | Some("" | ANY_NAME) => true,
        Some(name) => name == live.user.as_str(),
    };
    let live = live.filter(is_named).ok_or(ApiError::InvalidToken)?;
    match live.status.token.lacks(&demand) {
        None => Ok(live),
        Some(Lack::Scope) => Err(ApiError::InsufficientScope(demand.scope)),
        Some(Lack::Audience) => Err(ApiError::WrongAudience),
    }
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
    let headers = response.headers_mut();
    headers.insert(USER, header_text(user));
    let id = HeaderValue::try_from(status.token.id.to_string());
    headers.insert(TOKEN_ID, id.expect("a UUID is ASCII"));
    headers.insert(EXPIRES, HeaderValue::from(live.ends_at));
    if let Some(scope) = &status.token.limits.scope {
        let scope = HeaderValue::try_from(scope.as_str());
        headers.insert(SCOPE, scope.expect("printable ASCII"));
    }
    response
}
