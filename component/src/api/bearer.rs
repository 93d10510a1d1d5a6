//! The credentials of a bearer (RFC 6750, section 2.1).

use http::{HeaderMap, header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer<'a> {
    /// No header, or one of another scheme.
    Absent,
    /// A token, perhaps invalid.
    Token(&'a str),
    /// No token, several tokens, or several headers.
    Malformed,
}

impl<'a> Bearer<'a> {
    pub(super) fn parse(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::Absent,
            (Some(value), None) => value.as_bytes(),
            (Some(_), Some(_)) => return Self::Malformed,
        };
        let end = value.iter().position(|byte| *byte == b' ');
        let (scheme, token) = value.split_at(end.unwrap_or(value.len()));
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Self::Absent;
        }
        match token.trim_ascii() {
            b"" => Self::Malformed,
            token if token.contains(&b' ') => Self::Malformed,
            // No UTF-8, so no token of ours.
            token => Self::Token(std::str::from_utf8(token).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers() {
        for (values, bearer) in [
            (&[][..], Bearer::Absent),
            (&[&b""[..]][..], Bearer::Absent),
            (&[b"Basic YTpi"], Bearer::Absent),
            (&[b"Bearerx"], Bearer::Absent),
            (&[b"Bearer,x"], Bearer::Absent),
            (&[b"x Bearer y"], Bearer::Absent),
            (&[b"Bearer x"], Bearer::Token("x")),
            (&[b"bEARER   x.y.z= "], Bearer::Token("x.y.z=")),
            (&[b"Bearer \xff"], Bearer::Token("")),
            (&[b"Bearer"], Bearer::Malformed),
            (&[b"Bearer "], Bearer::Malformed),
            (&[b"Bearer x y"], Bearer::Malformed),
            (&[b"Bearer x, Bearer y"], Bearer::Malformed),
            (&[b"Bearer x", b"Bearer x"], Bearer::Malformed),
            (&[b"Bearer x", b"Basic YTpi"], Bearer::Malformed),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value).unwrap();
                headers.append(header::AUTHORIZATION, value);
            }
            assert_eq!(Bearer::parse(&headers), bearer, "{values:?}");
        }
    }
}
