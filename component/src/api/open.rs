//! Actions that need no credentials.

use http::Request;

use super::Answer;
use super::body::RequestBody;
use super::error::ApiError;
use super::route::{Action, OpenAction};
use super::{cacheable, cross_site, discovery, document, form, response, verification};
use crate::audit::Event;
use crate::config::ConfigError;
use crate::service::Service;
use crate::store::Store;

pub(super) async fn perform<S: Store>(
    service: Result<&Service<S>, &ConfigError>,
    action: OpenAction,
    request: Request<impl RequestBody>,
) -> Result<Answer, ApiError> {
    let service = service.map_err(|error| ApiError::Configuration(error.clone()));
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    Ok(match action {
        OpenAction::Verify => verification::answer(service?, &parts.uri, headers).await?,
        OpenAction::Revoke => {
            let service = service?;
            cross_site::check(Action::Open(action), headers)?;
            let token = form::read_token(headers, body).await?;
            let ended = service.revoke_held(&token).await?;
            Answer {
                event: ended.map(|(user, id)| Event::TokenRevokedByBearer(user, id)),
                // The same for a token that is not live (RFC 7009, section 2.2).
                ..response::message("Token revoked").into()
            }
        }
        OpenAction::ShowPage => document::PAGE.response(headers).into(),
        OpenAction::Describe => document::OPENAPI.response(headers).into(),
        OpenAction::ShowKeys => cacheable::response(&service?.public_keys(), headers).into(),
        OpenAction::Discover => discovery::response(service?, headers)?.into(),
        // Even with a bad configuration: a restart would not mend it.
        OpenAction::Live => response::message("i am alive").into(),
        OpenAction::Ready => {
            service?.check_store().await?;
            response::message("i am ready").into()
        }
    })
}
