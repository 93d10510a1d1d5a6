//! Actions that need no credentials.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, header};

use super::Answer;
use super::body::RequestBody;
use super::error::ApiError;
use super::headers::{USER, header_text};
use super::route::{Action, OpenAction};
use super::{cacheable, cross_site, discovery, document, form, response, sign_in, verification};
use crate::audit::Event;
use crate::auth::SignIn;
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
        OpenAction::ShowPage => page(service, &parts).into(),
        OpenAction::Describe => document::OPENAPI.response(headers).into(),
        OpenAction::ShowKeys => cacheable::response(&service?.public_keys(), headers).into(),
        OpenAction::Discover => discovery::response(service?, headers)?.into(),
        // Even with a bad configuration: a restart would not mend it.
        OpenAction::Live => response::message("i am alive").into(),
        OpenAction::Ready => {
            let service = service?;
            service.check_store().await?;
            response::ready(service.refuses_configuration()).into()
        }
    })
}

/// The page, to everybody. The answer to `HEAD` tells the page whom a login proxy has signed in: it need not ask for a
/// password then. No request of another kind would do: the browser would open a dialog where nobody is signed in.
fn page<S: Store>(service: Result<&Service<S>, ApiError>, request: &Parts) -> Response<Bytes> {
    let mut response = document::PAGE.response(&request.headers);
    let proxy = service.ok().and_then(Service::login_proxy);
    if request.method == Method::HEAD
        && let SignIn::Proxy(user) = sign_in::read(&request.headers, proxy)
    {
        let headers = response.headers_mut();
        headers.insert(USER, header_text(&user));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
