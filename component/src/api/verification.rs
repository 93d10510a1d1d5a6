//! Whether a bearer's token is good, for reverse proxies: status and headers say it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::bearer::Bearer;
use super::error::ApiError;
use super::headers::{TOKEN_ID, USER};
use super::response;
use crate::service::{LiveToken, Service};
use crate::store::Store;
use crate::token::{Description, TokenId, Username};

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
    headers: &HeaderMap,
) -> Result<Response<Bytes>, ApiError> {
    match Bearer::parse(headers) {
        Bearer::Absent => Err(ApiError::NoBearer),
        Bearer::Malformed => Err(ApiError::MalformedBearer),
        Bearer::Token(token) => match service.verify(token).await? {
            Some(live) => Ok(response(&live)),
            None => Err(ApiError::InvalidToken),
        },
    }
}

fn response(LiveToken { user, status }: &LiveToken) -> Response<Bytes> {
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
    response
}

/// A user name as the value of a header: all bytes but letters, digits and `-._~@` are percent-encoded (RFC 3986,
/// section 2.1). So it is the same to every proxy, and one value.
fn header_text(user: &Username) -> HeaderValue {
    let mut text = String::with_capacity(user.as_str().len());
    for byte in user.as_str().bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'@' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(text).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_in_headers() {
        for (user, text) in [
            ("admin", "admin"),
            ("ada.L-1_x~@example.org", "ada.L-1_x~@example.org"),
            ("Ada Lovelace", "Ada%20Lovelace"),
            ("a,b;c=\"d\"%+", "a%2Cb%3Bc%3D%22d%22%25%2B"),
            ("\u{e9}\u{65e5}", "%C3%A9%E6%97%A5"),
        ] {
            assert_eq!(header_text(&user.parse().unwrap()), text);
        }
    }
}
