//! The answers: the component's, and those that the host itself gives in the same form.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use wasmtime_wasi_http::WasiBody;

use super::body;

/// Latchkey's answers up to this length, as all of them are, are collected before they are sent: header and body go out in
/// one write, and what a slow client has not yet read is kept here, not in the memory of an instance.
const MAX_COLLECTED: u64 = 8 << 20;

/// The same of other components, for the sake of the one write: what is longer is streamed.
const MAX_COLLECTED_OF_OTHERS: u64 = 16 << 10;

/// The length up to which answers are collected.
pub(super) fn max_collected(is_latchkey: bool) -> u64 {
    match is_latchkey {
        true => MAX_COLLECTED,
        false => MAX_COLLECTED_OF_OTHERS,
    }
}

/// A collected body, or a stream.
pub(super) type AnswerBody = Either<Full<Bytes>, WasiBody>;

pub(super) type Answer = Response<AnswerBody>;

/// The same body for who takes no other.
pub(super) fn boxed(body: AnswerBody) -> WasiBody {
    match body {
        Either::Left(collected) => body::boxed(collected),
        Either::Right(stream) => stream,
    }
}

/// Collects the component's response, unless it is longer than `most`; the response to a HEAD request without its body.
pub(super) async fn collect(
    response: Response<WasiBody>,
    head: bool,
    most: u64,
) -> Result<Answer, Failure> {
    let length = response.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if head {
        // The length is that of the body that a GET would get; there is none to wait for.
        return Ok(response.map(|_| Either::Left(Full::default())));
    } else if length.is_none_or(|length| length > most) {
        return Ok(response.map(Either::Right));
    }
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| {
        tracing::error!("the component broke its answer off: {error}");
        Failure::Trap
    })?;
    let body = body.to_bytes();
    if length != Some(body.len() as u64) {
        tracing::error!("the component's answer is not as long as it says");
        return Err(Failure::Trap);
    }
    Ok(Response::from_parts(parts, Either::Left(Full::new(body))))
}

/// Why the component did not answer a request. The client is told no more than these texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// It trapped, or its answer was not valid.
    #[error("The server failed to answer this request")]
    Trap,
    /// It took too long.
    #[error("The server did not answer this request in time")]
    Timeout,
    /// No route of the application is for it.
    #[error("There is nothing at this path")]
    NotFound,
    /// There are more requests than instances.
    #[error("The server has more requests than it can take, try again later")]
    Overload,
    /// It was for a name that this server does not have (RFC 9110, section 15.5.20).
    #[error("At this port the server is localhost only: use that name, or a proxy")]
    Misdirected,
}

impl Failure {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::Trap => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "request_timeout"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Overload => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "misdirected_request"),
        }
    }

    pub(super) fn response(self) -> Answer {
        let (status, code) = self.parts();
        // Neither text holds a character that JSON would have to escape.
        let body = format!(r#"{{"message":"{self}","code":"{code}"}}"#);
        let response = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, body.len())
            .header(CACHE_CONTROL, "no-store")
            .header(X_CONTENT_TYPE_OPTIONS, "nosniff");
        let response = match self {
            Self::Overload => response.header(RETRY_AFTER, "1"),
            Self::Trap | Self::Timeout | Self::NotFound | Self::Misdirected => response,
        };
        let body = Either::Left(Full::from(body));
        response.body(body).expect("every part of it is valid")
    }
}
