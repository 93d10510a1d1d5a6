//! The HTTP interface: requests in, responses out, nothing of Wasm.
//!
//! The order of checks is that of `handle`: route, method, configuration, authentication, media type, size, JSON,
//! fields, and last the state of the ledger. Nobody learns anything about tokens without authenticating first, or holding
//! the token in question.

mod bearer;
mod body;
mod condition;
mod document;
mod error;
mod field;
mod form;
pub mod headers;
mod introspection;
mod key_set;
mod open;
mod response;
pub mod route;
mod verification;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};

use crate::audit::{self, Event, Origin};
use crate::auth::Authentication;
use crate::config::ConfigError;
use crate::ports::{Clock, Random};
use crate::service::Service;
use crate::store::KeyValue;
use crate::token::{TokenId, Username};

pub use body::{BodyError, RequestBody};
pub use response::{AuditLine, LogLine};

use error::ApiError;
use response::{AllDeleted, Listed, Message, Shown};
use route::{Action, ManagedAction, Route};

/// Answers `request`.
///
/// `service` is the reason why there is none where the configuration cannot work. What the log should know and the client
/// should not is in the response's extensions, as a [`LogLine`] and an [`AuditLine`].
pub async fn handle<K, C, R>(
    service: Result<&Service<K, C, R>, &ConfigError>,
    request: Request<impl RequestBody>,
) -> Response<Bytes>
where
    K: KeyValue,
    C: Clock + Clone,
    R: Random + Clone,
{
    let origin = Origin::of(request.headers());
    let mut event = None;
    let answer = answer(service, request, &mut event).await;
    let mut response = answer.unwrap_or_else(|error| error.into_response());
    if let (Some(event), Ok(service)) = (event, service) {
        let line = audit::line(&event, service.now(), &origin);
        response.extensions_mut().insert(AuditLine(line));
    }
    response
}

/// What happened while a request was answered, if an auditor would ask for it.
type Happened = Option<Event>;

async fn answer<K, C, R>(
    service: Result<&Service<K, C, R>, &ConfigError>,
    request: Request<impl RequestBody>,
    event: &mut Happened,
) -> Result<Response<Bytes>, ApiError>
where
    K: KeyValue,
    C: Clock + Clone,
    R: Random + Clone,
{
    let path = request.uri().path().to_owned();
    let query = request.uri().query().map(str::to_owned);
    let route = Route::parse(&path, query.as_deref()).ok_or(ApiError::NotFound)?;
    let Some(action) = route.action(request.method()) else {
        return match request.method() {
            &Method::OPTIONS => Ok(response::options(route.allow())),
            _ => Err(ApiError::MethodNotAllowed(route.allow())),
        };
    };
    let action = match action {
        Action::Open(action) => return open::perform(service, action, request, event).await,
        Action::Managed(action) => action,
    };
    let service = service.map_err(|error| ApiError::Configuration(error.clone()))?;
    let user = match service.authenticate(request.headers()).await {
        Authentication::Valid(user) => user,
        Authentication::Absent => return Err(ApiError::Unauthorized),
        Authentication::Failed => {
            let named = service.named_in(request.headers()).cloned();
            *event = Some(Event::SignInFailed(named));
            return Err(ApiError::Unauthorized);
        }
        Authentication::Throttled { retry_after } => {
            let named = service.named_in(request.headers()).cloned();
            *event = Some(Event::SignInThrottled(named));
            return Err(ApiError::TooManyAttempts { retry_after });
        }
    };
    perform(service, action, user, request, event).await
}

async fn perform<K, C, R>(
    service: &Service<K, C, R>,
    action: ManagedAction<'_>,
    user: Username,
    request: Request<impl RequestBody>,
    event: &mut Happened,
) -> Result<Response<Bytes>, ApiError>
where
    K: KeyValue,
    C: Clock + Clone,
    R: Random + Clone,
{
    match action {
        ManagedAction::List => {
            let tokens = service.list(&user).await?;
            Ok(response::json(StatusCode::OK, &Listed::new(&tokens)))
        }
        ManagedAction::Create => {
            let (parts, body) = request.into_parts();
            let wanted = body::read_creation(&parts.headers, body).await?;
            let issued = service
                .issue(&user, wanted.description, wanted.lifetime, wanted.key)
                .await?;
            let created = response::created(&issued);
            *event = Some(match issued.repeated {
                false => Event::TokenIssued(user, issued.token),
                true => Event::TokenIssueRepeated(user, issued.token),
            });
            Ok(created)
        }
        ManagedAction::Show(id) => {
            let status = service.show(&user, parse_id(id)?).await?;
            Ok(response::json(StatusCode::OK, &Shown::new(&status)))
        }
        ManagedAction::Delete(id) => {
            let id = parse_id(id)?;
            service.revoke(&user, id).await?;
            *event = Some(Event::TokenRevoked(user, id));
            let message = "Token deleted";
            Ok(response::json(StatusCode::OK, &Message { message }))
        }
        ManagedAction::DeleteAll => {
            let deleted = service.revoke_all(&user).await?;
            *event = (deleted > 0).then_some(Event::AllTokensRevoked(user, deleted));
            Ok(response::json(StatusCode::OK, &AllDeleted::new(deleted)))
        }
        ManagedAction::Rotate(id) => {
            let (parts, body) = request.into_parts();
            let rotation = body::read_rotation(&parts.headers, body).await?;
            let id = parse_id(id)?;
            let issued = service.rotate(&user, id, rotation).await?;
            let created = response::created(&issued);
            *event = Some(Event::TokenRotated(user, issued.token, id));
            Ok(created)
        }
        ManagedAction::Introspect => {
            let (parts, body) = request.into_parts();
            let token = form::read_token(&parts.headers, body).await?;
            let live = service.verify(&token).await?;
            Ok(introspection::response(live.as_ref()))
        }
    }
}

/// What is not an id is the id of no token.
fn parse_id(id: &str) -> Result<TokenId, ApiError> {
    id.parse().map_err(|_| ApiError::NoSuchToken)
}

#[cfg(test)]
mod tests;
