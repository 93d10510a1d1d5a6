//! What everybody may ask, without signing in.

use bytes::Bytes;
use http::{Request, Response};

use super::body::RequestBody;
use super::error::ApiError;
use super::key_set;
use super::route::OpenAction;
use crate::config::ConfigError;
use crate::ports::{Clock, Random};
use crate::service::Service;
use crate::store::KeyValue;

pub(super) async fn perform<K, C, R>(
    service: Result<&Service<K, C, R>, &ConfigError>,
    action: OpenAction,
    request: Request<impl RequestBody>,
) -> Result<Response<Bytes>, ApiError>
where
    K: KeyValue,
    C: Clock + Clone,
    R: Random + Clone,
{
    let service = service.map_err(|error| ApiError::Configuration(error.clone()))?;
    match action {
        OpenAction::ShowKeys => Ok(key_set::response(&service.public_keys(), request.headers())),
    }
}
