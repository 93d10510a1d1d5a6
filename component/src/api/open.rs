//! What everybody may ask, without signing in.

use bytes::Bytes;
use http::{Request, Response, StatusCode};

use super::Happened;
use super::body::RequestBody;
use super::error::ApiError;
use super::route::OpenAction;
use super::{document, form, key_set, response, verification};
use crate::audit::Event;
use crate::config::ConfigError;
use crate::ports::{Clock, Random};
use crate::service::Service;
use crate::store::KeyValue;

pub(super) async fn perform<K, C, R>(
    service: Result<&Service<K, C, R>, &ConfigError>,
    action: OpenAction,
    request: Request<impl RequestBody>,
    event: &mut Happened,
) -> Result<Response<Bytes>, ApiError>
where
    K: KeyValue,
    C: Clock + Clone,
    R: Random + Clone,
{
    let service = service.map_err(|error| ApiError::Configuration(error.clone()));
    match action {
        OpenAction::Verify => verification::answer(service?, request.headers()).await,
        OpenAction::Revoke => {
            let service = service?;
            let (parts, body) = request.into_parts();
            let token = form::read_token(&parts.headers, body).await?;
            let ended = service.revoke_held(&token).await?;
            *event = ended.map(|live| Event::TokenRevokedByBearer(live.user, live.status.token.id));
            // Of a token that is not live, the same: it is of no use any more (RFC 7009, section 2.2).
            Ok(message("Token revoked"))
        }
        OpenAction::ShowPage => Ok(document::PAGE.response(request.headers())),
        OpenAction::Describe => Ok(document::OPENAPI.response(request.headers())),
        OpenAction::ShowKeys => Ok(key_set::response(
            &service?.public_keys(),
            request.headers(),
        )),
        // Whatever else does not work: a restart would not mend it.
        OpenAction::Live => Ok(message("i am alive")),
        OpenAction::Ready => {
            service?.check_store().await?;
            Ok(message("i am ready"))
        }
    }
}

fn message(message: &'static str) -> Response<Bytes> {
    response::json(StatusCode::OK, &response::Message { message })
}
