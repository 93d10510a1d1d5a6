//! Forms: bodies of the type `application/x-www-form-urlencoded`.

use http::HeaderMap;

use super::body::{self, RequestBody};
use super::content::MediaType;
use super::error::ApiError;

/// Reads the parameter `token` (RFC 7662, section 2.1; RFC 7009, section 2.1). Ignores others, also `token_type_hint`:
/// there is one type of token.
pub(super) async fn read_token(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<String, ApiError> {
    let bytes = body::read(headers, body, MediaType::Form).await?;
    let mut tokens = form_urlencoded::parse(&bytes)
        .filter(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned());
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(ApiError::InvalidForm("token is required")),
        (Some(_), Some(_)) => Err(ApiError::InvalidForm("token must not be repeated")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::{CONTENT_TYPE, HeaderValue};

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn forms() {
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded;charset=UTF-8");
        headers.insert(CONTENT_TYPE, form);
        for (body, token) in [
            ("token=a.b.c", Some("a.b.c")),
            ("token_type_hint=access_token&token=x&y", Some("x")),
            ("&&t%6fken=a%2Eb+c%&", Some("a.b c%")),
            ("token=%e9%zz%4", Some("\u{fffd}%zz%4")),
            ("token=", Some("")),
            ("token", Some("")),
            ("token=a=b", Some("a=b")),
            ("", None),
            ("Token=x", None),
            ("token=a&token=a", None),
        ] {
            let read = read_token(&headers, Bytes::from(body)).await;
            assert_eq!(read.ok().as_deref(), token, "{body}");
        }
    }
}
