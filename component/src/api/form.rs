//! Forms: bodies of the type `application/x-www-form-urlencoded`.

use http::HeaderMap;

use super::body::{self, RequestBody};
use super::content::MediaType;
use super::error::ApiError;
use crate::{jwt, text};

/// Reads the parameter `token` (RFC 7662, section 2.1; RFC 7009, section 2.1), without white space around it. Ignores
/// others, also `token_type_hint`: there is one type of token.
///
/// Fails if it has not the form of a token: RFC 7009 has it that an invalid token is revoked, but who sent more or less
/// than a token would believe so of one that lives on.
pub(super) async fn read_token(
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<String, ApiError> {
    let bytes = body::read(headers, body, MediaType::Form).await?;
    let mut tokens = form_urlencoded::parse(&bytes)
        .filter(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned());
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => match text::trim(&token) {
            token if jwt::has_form(token) => Ok(token.to_owned()),
            _ => Err(ApiError::InvalidForm(
                "token must be a token, three parts of base64url with dots between, and nothing else",
            )),
        },
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
            ("token_type_hint=access_token&token=a.b.c&y", Some("a.b.c")),
            ("&&t%6fken=a%2Eb.-_%&", None),
            ("&&t%6fken=a%2Eb.-_&", Some("a.b.-_")),
            ("token=%ef%bb%bf+a.b.c%0d%0a", Some("a.b.c")),
            ("token=Bearer+a.b.c", None),
            ("token=%22a.b.c%22", None),
            ("token=a.b", None),
            ("token=a.b.c.d", None),
            ("token=a..c", None),
            ("token=a.b.c=", None),
            ("token=a.b.%e9", None),
            ("token=", None),
            ("token", None),
            ("", None),
            ("Token=x", None),
            ("token=a&token=a", None),
        ] {
            let read = read_token(&headers, Bytes::from(body)).await;
            assert_eq!(read.ok().as_deref(), token, "{body}");
        }
    }
}
