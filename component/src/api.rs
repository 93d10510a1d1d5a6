//! The HTTP interface: requests in, responses out, nothing of Wasm.
//!
//! The order of checks: route, method, configuration, authentication, origin, media type, size, JSON, fields, state of the
//! ledger. Only the user or the bearer of a token learns anything about it.

mod admin;
mod body;
mod cacheable;
mod carrier;
mod condition;
mod content;
mod creation;
mod cross_site;
mod discovery;
mod document;
mod error;
mod fields;
mod form;
pub mod head;
pub mod headers;
mod incoming;
mod introspection;
mod open;
mod query;
mod response;
mod rotation;
pub mod route;
mod sign_in;
mod verification;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::audit::{self, Event, Origin};
use crate::auth::{Authentication, SignedIn};
use crate::config::ConfigError;
use crate::service::{Listing, Permit, Service, Uses};
use crate::store::Store;
use crate::token::{Means, TokenId, Username};

pub use body::{BodyError, RequestBody};
pub use content::MAX_BYTES;
pub use incoming::{MalformedRequest, headers as incoming_headers, request};
pub use query::Question;
pub use response::error as error_response;
pub use verification::verify_offline;

use error::ApiError;
use headers::header_text;
use response::{AllDeleted, Listed, Shown};
use route::{Action, ManagedAction, Route};

/// The result of a request.
#[derive(Debug)]
pub struct Handled {
    /// For the client.
    pub response: Response<Bytes>,
    /// A line for an auditor; see [`crate::audit`].
    pub audit_line: Option<String>,
    /// A line that the log should have and the client should not.
    pub log_line: Option<String>,
    /// To be kept until the response is sent.
    pub permit: Option<Permit>,
    /// Whether [`Service::write_uses`] has something to write, when the response is sent.
    pub notes_use: bool,
}

/// Answers `request`. `service` is an error if the configuration cannot work.
pub async fn handle<S: Store>(
    service: Result<&Service<S>, &ConfigError>,
    request: Request<impl RequestBody>,
) -> Handled {
    let trusted = service.ok().and_then(Service::client_address_header);
    let client = headers::client_address(request.headers(), trusted).map(str::to_owned);
    let request_id = request.headers().get(headers::REQUEST_ID).cloned();
    let answer = answer(service, client.as_deref(), request).await;
    let answer = answer.unwrap_or_else(Answer::from);
    let line = |event| {
        let means = answer.means.unwrap_or_default();
        let origin = origin(client, request_id, answer.by, means);
        Some(audit::line(&event, service.ok()?.now(), &origin))
    };
    Handled {
        response: answer.response,
        audit_line: answer.event.and_then(line),
        log_line: answer.log_line,
        permit: answer.permit,
        notes_use: answer.notes_use,
    }
}

/// A response, and the event for an auditor.
struct Answer {
    response: Response<Bytes>,
    event: Option<Event>,
    /// The administrator who asked for somebody else.
    by: Option<Username>,
    /// How the user signed in.
    means: Option<Means>,
    permit: Option<Permit>,
    notes_use: bool,
    log_line: Option<String>,
}

impl Answer {
    fn new(response: Response<Bytes>, event: Event) -> Self {
        Self {
            event: Some(event),
            ..response.into()
        }
    }
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        Self {
            response,
            event: None,
            by: None,
            means: None,
            permit: None,
            notes_use: false,
            log_line: None,
        }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            event: error.event(),
            log_line: error.log_line(),
            ..error.response().into()
        }
    }
}

async fn answer<S: Store>(
    service: Result<&Service<S>, &ConfigError>,
    client: Option<&str>,
    request: Request<impl RequestBody>,
) -> Result<Answer, ApiError> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().map(str::to_owned);
    let route = Route::parse(&path, query.as_deref()).ok_or(ApiError::NotFound)?;
    let Some(action) = route.action(request.method()) else {
        return match request.method() {
            &Method::OPTIONS => Ok(response::options(&route.allow()).into()),
            _ => Err(ApiError::MethodNotAllowed(route.allow())),
        };
    };
    let action = match action {
        Action::Open(action) => return open::perform(service, action, request).await,
        Action::Managed(action) => action,
    };
    let service = service.map_err(|error| ApiError::Configuration(error.clone()))?;
    let sign_in = sign_in::read(request.headers(), service.login_proxy());
    let network = client.and_then(|client| client.parse().ok());
    match service.authenticate(sign_in, network).await? {
        Authentication::Valid(signed_in) => {
            // Not before: a host takes this refusal as proof of the credentials.
            let means = signed_in.authority.provenance.means.clone();
            cross_site::check_user(Action::Managed(action), request.headers(), &means)?;
            if means != Means::Password {
                service.note_user(&signed_in.user, &means).await?;
            }
            // Who did not send a name is told it; the host logs it.
            let name = means
                .unless_password()
                .map(|_| header_text(&signed_in.user));
            let tells_admin = service.is_admin(&signed_in) && action == ManagedAction::List;
            let performed = match admin::subject(service, signed_in, route).await {
                Ok((subject, by)) => {
                    let performed = perform(service, action, route, subject, request).await;
                    Answer {
                        by,
                        ..performed.unwrap_or_else(Answer::from)
                    }
                }
                Err(error) => error.into(),
            };
            let mut answer = Answer {
                means: Some(means),
                ..performed
            };
            let headers = answer.response.headers_mut();
            if let Some(name) = name {
                headers.insert(headers::USER, name);
            }
            if tells_admin {
                headers.insert(headers::ADMIN, HeaderValue::from_static("true"));
            }
            Ok(answer)
        }
        Authentication::Absent => Err(ApiError::Unauthorized),
        Authentication::Failed(user) => Err(ApiError::SignInFailed(user)),
        Authentication::IdTokenRefused(error) => Err(ApiError::IdTokenRefused(error)),
        Authentication::Throttled { user, retry_after } => {
            Err(ApiError::TooManyAttempts { user, retry_after })
        }
    }
}

async fn perform<S: Store>(
    service: &Service<S>,
    action: ManagedAction,
    route: Route<'_>,
    SignedIn { user, authority }: SignedIn,
    request: Request<impl RequestBody>,
) -> Result<Answer, ApiError> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    Ok(match action {
        ManagedAction::List => {
            let Listing { tokens, permit } = service.list(&user).await?;
            let uses = uses(service, route, &user).await;
            Answer {
                permit: Some(permit),
                ..response::json(StatusCode::OK, &Listed::new(&tokens, uses.as_ref())).into()
            }
        }
        ManagedAction::Create => {
            let wanted = creation::read(headers, body).await?;
            let issued = service
                .issue(
                    &user,
                    &authority,
                    wanted.description,
                    wanted.lifetime,
                    wanted.limits,
                    wanted.key,
                )
                .await?;
            let event = match issued.repeated {
                false => Event::TokenIssued,
                true => Event::TokenIssueRepeated,
            };
            let response = response::created(&issued, route);
            Answer::new(response, event(user, issued.token))
        }
        ManagedAction::Show => {
            let status = service.show(&user, token_id(route)?).await?;
            let uses = uses(service, route, &user).await;
            response::json(StatusCode::OK, &Shown::new(&status, uses.as_ref())).into()
        }
        ManagedAction::Delete => {
            let id = token_id(route)?;
            service.revoke(&user, id).await?;
            let response = response::message("Token deleted");
            Answer::new(response, Event::TokenRevoked(user, id))
        }
        ManagedAction::DeleteAll => {
            let deleted = service.revoke_all(&user).await?;
            let body = AllDeleted {
                message: "Tokens deleted",
                jwt_tokens_deleted: deleted,
            };
            let response = response::json(StatusCode::OK, &body);
            let event = (deleted > 0).then_some(Event::AllTokensRevoked(user, deleted));
            Answer {
                event,
                ..response.into()
            }
        }
        ManagedAction::Rotate => {
            let rotation = rotation::read(headers, body).await?;
            let id = token_id(route)?;
            let issued = service.rotate(&user, &authority, id, rotation).await?;
            let response = response::created(&issued, route);
            Answer::new(response, Event::TokenRotated(user, issued.token, id))
        }
        ManagedAction::ListUsers => admin::users(service, parts.uri.query()).await?.into(),
        ManagedAction::Introspect => {
            let token = form::read_token(headers, body).await?;
            let live = service.verify(&token).await?;
            introspection::response(live.as_ref()).into()
        }
    })
}

/// When the tokens of `user` were used, if details are asked for.
async fn uses<S: Store>(service: &Service<S>, route: Route<'_>, user: &Username) -> Option<Uses> {
    match route.wants_details() {
        true => Some(service.uses(user).await),
        false => None,
    }
}

/// A segment that is no id is the id of no token.
fn token_id(route: Route<'_>) -> Result<TokenId, ApiError> {
    route
        .token_id()
        .and_then(|id| id.parse().ok())
        .ok_or(ApiError::NO_SUCH_TOKEN)
}

fn origin(
    client: Option<String>,
    request_id: Option<HeaderValue>,
    by: Option<Username>,
    means: Means,
) -> Origin {
    let text = |value: HeaderValue| value.to_str().ok().map(str::to_owned);
    let id_lengths = 1..=headers::MAX_REQUEST_ID;
    Origin {
        client,
        by,
        means,
        request_id: request_id
            .and_then(text)
            .filter(|id| id_lengths.contains(&id.len())),
    }
}

#[cfg(test)]
mod tests;
