//! The answers that the host itself gives, in the form of the component's.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::WasiBody;

/// Why the component did not answer a request. The client is told no more than these texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It trapped, or its answer was not valid.
    #[error("The server failed to answer this request")]
    Trap,
    /// It took too long.
    #[error("The server did not answer this request in time")]
    Timeout,
    /// There are more requests than instances.
    #[error("The server has more requests than it can take, try again later")]
    Overload,
}

impl Failure {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::Trap => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "request_timeout"),
            Self::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        }
    }

    pub(super) fn response(self) -> Response<WasiBody> {
        let (status, code) = self.parts();
        // Neither text holds a character that JSON would have to escape.
        let body = format!(r#"{{"message":"{self}","code":"{code}"}}"#);
        let length = body.len();
        let body = Full::from(body).map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &'static str| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(CONTENT_TYPE, "application/json");
        set(CACHE_CONTROL, "no-store");
        set(http::header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if self == Self::Overload {
            set(RETRY_AFTER, "1");
        }
        headers.insert(CONTENT_LENGTH, length.into());
        response
    }
}
