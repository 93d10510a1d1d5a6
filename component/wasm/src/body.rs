//! Request bodies as they come in.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use spin_sdk::wasip3::http_compat::IncomingRequestBody;

use latchkey_component::api::{BodyError, RequestBody};

/// A body of which nothing has been read.
pub(super) struct Incoming(IncomingRequestBody);

impl Incoming {
    pub(super) fn new(body: IncomingRequestBody) -> Self {
        Self(body)
    }
}

impl RequestBody for Incoming {
    async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        match Limited::new(self.0, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
            Err(_) => Err(BodyError::Incomplete),
        }
    }
}
