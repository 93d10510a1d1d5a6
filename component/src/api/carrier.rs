//! What carries a token to `/verify`: `Authorization: Bearer` (RFC 6750, section 2.1), `X-Api-Key`, or the password of
//! `Authorization: Basic`, for clients that know nothing else.

use http::{HeaderMap, HeaderName, header};

use super::headers::API_KEY;
use crate::auth::PresentedToken;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// No header, or one without a token: of another scheme, or with a password.
    Nothing,
    /// A token, perhaps invalid, and the user's name that came with it, if one did.
    Token { token: String, name: Option<String> },
    /// No token, several tokens, or several headers.
    Malformed,
}

impl Carried {
    fn token(token: &[u8]) -> Self {
        match token.trim_ascii() {
            b"" => Self::Malformed,
            token if token.contains(&b' ') => Self::Malformed,
            // No UTF-8, so no token of ours.
            token => Self::Token {
                token: std::str::from_utf8(token).unwrap_or_default().to_owned(),
                name: None,
            },
        }
    }

    pub(super) fn parse(headers: &HeaderMap) -> Self {
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let mut keys = headers
            .get_all(const { HeaderName::from_static(API_KEY) })
            .iter();
        let authorization = authorizations.next().map_or(&b""[..], |v| v.as_bytes());
        let key = keys.next();
        let end = authorization.iter().position(|byte| *byte == b' ');
        let (scheme, token) = authorization.split_at(end.unwrap_or(authorization.len()));
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        let carries = is(b"bearer") || is(b"basic");
        if authorizations.next().is_some() || keys.next().is_some() || carries && key.is_some() {
            return Self::Malformed;
        }
        match key {
            Some(key) => Self::token(key.as_bytes()),
            None if is(b"bearer") => Self::token(token),
            None => match PresentedToken::parse(authorization) {
                Some(PresentedToken { name, token }) => Self::Token {
                    token,
                    name: Some(name),
                },
                None => Self::Nothing,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn headers() {
        let token = |token: &str| Carried::Token {
            token: token.to_owned(),
            name: None,
        };
        let with_name = |name: &str| Carried::Token {
            token: "a.b.c".to_owned(),
            name: Some(name.to_owned()),
        };
        let (nothing, malformed) = (Carried::Nothing, Carried::Malformed);
        // `ada:a.b.c`, `:a.b.c`, `ada:hunter2`, `ada:a.b.c:`.
        let (ada, nobody) = (&b"Basic YWRhOmEuYi5j"[..], &b"basic  OmEuYi5j "[..]);
        let (password, longer) = (
            &b"Basic YWRhOmh1bnRlcjI="[..],
            &b"Basic YWRhOmEuYi5jOg=="[..],
        );
        for (authorizations, keys, carried) in [
            (&[][..], &[][..], &nothing),
            (&[&b""[..]][..], &[], &nothing),
            (&[b"Bearerx"], &[], &nothing),
            (&[b"Bearer,x"], &[], &nothing),
            (&[b"x Bearer y"], &[], &nothing),
            (&[b"Bearer x"], &[], &token("x")),
            (&[b"bEARER   x.y.z= "], &[], &token("x.y.z=")),
            (&[b"Bearer \xff"], &[], &token("")),
            (&[b"Bearer"], &[], &malformed),
            (&[b"Bearer "], &[], &malformed),
            (&[b"Bearer x y"], &[], &malformed),
            (&[b"Bearer x, Bearer y"], &[], &malformed),
            (&[b"Bearer x", b"Bearer x"], &[], &malformed),
            (&[b"Bearer x", b"Basic YTpi"], &[], &malformed),
            (&[], &[&b" x.y.z "[..]][..], &token("x.y.z")),
            (&[b"Digest x"], &[b"x"], &token("x")),
            (&[], &[b""], &malformed),
            (&[], &[b"x y"], &malformed),
            (&[], &[b"x", b"x"], &malformed),
            (&[b"Bearer x"], &[b"x"], &malformed),
            (&[b"Bearer"], &[b"x"], &malformed),
            (&[ada], &[b"x"], &malformed),
            (&[password], &[b"x"], &malformed),
            (&[ada], &[], &with_name("ada")),
            (&[nobody], &[], &with_name("")),
            (&[password], &[], &nothing),
            (&[longer], &[], &nothing),
            (&[b"Basic"], &[], &nothing),
            (&[b"Basic YTpi"], &[], &nothing),
            (&[b"Basic !"], &[], &nothing),
            (&[ada, ada], &[], &malformed),
        ] {
            let mut headers = HeaderMap::new();
            let mut append = |name: HeaderName, values: &[&[u8]]| {
                for value in values {
                    headers.append(name.clone(), HeaderValue::from_bytes(value).unwrap());
                }
            };
            append(header::AUTHORIZATION, authorizations);
            append(HeaderName::from_static(API_KEY), keys);
            let parsed = Carried::parse(&headers);
            assert_eq!(&parsed, carried, "{authorizations:?} {keys:?}");
        }
    }
}
