//! What the guard looks at in the headers of a request.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use spin_sdk::wasip3::http::types::Method;

use latchkey_component::api::headers::API_KEY;

/// The headers of a request, or its trailers: names and values.
pub(crate) type Fields = [(String, Vec<u8>)];

/// Begins the names of the headers that say to the application who has been let in.
const IDENTITY: &str = "x-latchkey";

/// Headers by which some applications take another path or method than that of the request.
const OVERRIDES: &[&str] = &[
    "x-envoy-original-path",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-forwarded-uri",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-path",
    "x-original-uri",
    "x-original-url",
    "x-override-url",
    "x-rewrite-url",
];

/// Begins the names of headers that Spin adds. It leaves those of the client in front of its own.
const SPIN: &str = "spin-";

/// Whether a client may write this header for an application to take it for the guard's.
///
/// CGI, and what is like it, makes `_` of all that is no letter and no digit.
pub(crate) fn is_identity(name: &str) -> bool {
    let mut plain = plain(name);
    let begins = IDENTITY.bytes().all(|byte| plain.next() == Some(byte));
    begins && matches!(plain.next(), None | Some(b'-'))
}

/// The name in lower case, with `-` for all that is no letter and no digit.
fn plain(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_lowercase(),
        false => b'-',
    })
}

/// Whether `Connection` names one of the guard's own headers: what takes that for a header of this hop would remove it.
pub(crate) fn hides_identity(fields: &Fields) -> bool {
    values(fields, "connection").any(|value| {
        let mut names = value.split(|byte| *byte == b',');
        names.any(|name| std::str::from_utf8(name.trim_ascii()).is_ok_and(is_identity))
    })
}

/// Whether the application may see another path or method than the guard.
pub(crate) fn is_ambiguous(fields: &Fields) -> bool {
    fields.iter().enumerate().any(|(index, (name, _))| {
        let repeated = || {
            let mut others = fields[index + 1..].iter();
            others.any(|(other, _)| plain(other).eq(plain(name)))
        };
        is_any(OVERRIDES, name) || is_spins(name) && repeated()
    })
}

/// Whether a trailer may be taken for a header that the guard looks at, or adds: some servers take trailers for headers.
pub(crate) fn is_misleading(trailer: &str) -> bool {
    let carriers = [header::AUTHORIZATION.as_str(), API_KEY];
    is_identity(trailer)
        || is_spins(trailer)
        || is_any(OVERRIDES, trailer)
        || is_any(&carriers, trailer)
}

fn is_any(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| plain(name).eq(other.bytes()))
}

fn is_spins(name: &str) -> bool {
    let mut plain = plain(name);
    SPIN.bytes().all(|byte| plain.next() == Some(byte))
}

/// Whether a browser asks whether a page may make the request that follows (Fetch, section 3.3.2). It has no credentials.
pub(crate) fn is_preflight(fields: &Fields) -> bool {
    let has = |name| values(fields, name).next().is_some();
    has("origin") && has("access-control-request-method")
}

/// Whether the request may have a body that has to be passed on. Most have none, and pass faster without. A body of `GET` or
/// `HEAD` that no header announces, which only HTTP/2 can have, means nothing (RFC 9110, section 9.3.1).
pub(crate) fn has_body(method: &Method, fields: &Fields) -> bool {
    let announced = ["content-length", "transfer-encoding"];
    let is_announced = |name: &&str| values(fields, name).next().is_some();
    !matches!(method, Method::Get | Method::Head) || announced.iter().any(is_announced)
}

/// All values of the headers that carry a token. If one were left out, the application might use another token than was
/// checked.
pub(crate) fn carriers(fields: &Fields) -> HeaderMap {
    let mut carriers = HeaderMap::new();
    for name in [header::AUTHORIZATION, HeaderName::from_static(API_KEY)] {
        for value in values(fields, name.as_str()) {
            // What is no value of a header did not come over HTTP. It is no token.
            let value = HeaderValue::from_bytes(value);
            let value = value.unwrap_or(HeaderValue::from_static(""));
            carriers.append(&name, value);
        }
    }
    carriers
}

/// The names of the headers that do not reach the application, each as it came.
pub(crate) fn removed(fields: &Fields, keep_authorization: bool) -> Vec<&str> {
    let carries = |name: &str| {
        !keep_authorization
            && [header::AUTHORIZATION.as_str(), API_KEY]
                .iter()
                .any(|carrier| name.eq_ignore_ascii_case(carrier))
    };
    let names = fields.iter().map(|(name, _)| name.as_str());
    names
        .filter(|name| is_identity(name) || carries(name))
        .collect()
}

fn values<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let named = move |(other, _): &&(String, Vec<u8>)| other.eq_ignore_ascii_case(name);
    fields
        .iter()
        .filter(named)
        .map(|(_, value)| value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
        fields.iter().map(owned).collect()
    }

    #[test]
    fn names_that_may_be_taken_for_the_guards() {
        for name in [
            "x-latchkey-user",
            "X-LATCHKEY-USER",
            "X_Latchkey_User",
            "x-latchkey_token.id",
            "x.latchkey~user",
            "x-latchkey",
            "x-latchkey-",
            "x-latchkey-anything-else",
            "x|latchkey|scope",
        ] {
            assert!(is_identity(name), "{name}");
        }
        for name in [
            "x-latchkeyuser",
            "latchkey-user",
            "x-latch-key-user",
            "x",
            "",
        ] {
            assert!(!is_identity(name), "{name}");
        }
    }

    #[test]
    fn connection() {
        for (value, hides) in [
            ("close", false),
            ("keep-alive, x-request-id", false),
            ("X-Latchkey-User", true),
            ("close , x_latchkey_user", true),
            ("close,\tX-LATCHKEY-SCOPE\t", true),
        ] {
            let fields = fields(&[("Connection", "te"), ("connection", value)]);
            assert_eq!(hides_identity(&fields), hides, "{value}");
        }
    }

    #[test]
    fn what_changes_path_or_method() {
        for (sent, ambiguous) in [
            (&[("accept", "a"), ("accept", "b")][..], false),
            (&[("spin-path-info", "/a"), ("spin-full-url", "b")], false),
            (&[("spin-path-info", "/a"), ("Spin-Path-Info", "/b")], true),
            (&[("spin-path-info", "/a"), ("spin_path_info", "/b")], true),
            (&[("X-Original-URL", "/admin")], true),
            (&[("x_rewrite_url", "/admin")], true),
            (&[("X-Override-URL", "/admin")], true),
            (&[("X-Original-Path", "/admin")], true),
            (&[("X-Envoy-Original-Path", "/admin")], true),
            (&[("X-HTTP-Method-Override", "DELETE")], true),
        ] {
            assert_eq!(is_ambiguous(&fields(sent)), ambiguous, "{sent:?}");
        }
    }

    #[test]
    fn trailers() {
        for name in [
            "X_Latchkey_User",
            "spin-path-info",
            "Authorization",
            "x_api_key",
            "X-Original-URL",
        ] {
            assert!(is_misleading(name), "{name}");
        }
        for name in ["s", "spinner", "grpc-status", "digest"] {
            assert!(!is_misleading(name), "{name}");
        }
    }

    #[test]
    fn all_values_of_all_carriers() {
        let fields = fields(&[
            ("Authorization", "Bearer a"),
            ("x-api-key", "b"),
            ("authorization", "Bearer c"),
            ("x-api-key", "\u{0}"),
            ("cookie", "d"),
            ("X_Latchkey_User", "root"),
        ]);
        let carriers = carriers(&fields);
        let all = |name| carriers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("authorization"), ["Bearer a", "Bearer c"]);
        assert_eq!(all("x-api-key"), ["b", ""]);
        assert_eq!(carriers.len(), 4);
        assert_eq!(
            removed(&fields, false),
            [
                "Authorization",
                "x-api-key",
                "authorization",
                "x-api-key",
                "X_Latchkey_User"
            ]
        );
        assert_eq!(removed(&fields, true), ["X_Latchkey_User"]);
    }

    #[test]
    fn bodies() {
        for (method, sent, has) in [
            (Method::Get, &[("accept", "a")][..], false),
            (Method::Head, &[], false),
            (Method::Get, &[("Content-Length", "3")], true),
            (Method::Get, &[("transfer-encoding", "chunked")], true),
            (Method::Post, &[], true),
            (Method::Delete, &[], true),
            (Method::Other("QUERY".to_owned()), &[], true),
        ] {
            assert_eq!(has_body(&method, &fields(sent)), has, "{method:?} {sent:?}");
        }
    }

    #[test]
    fn preflights() {
        let method = ("Access-Control-Request-Method", "PUT");
        assert!(is_preflight(&fields(&[("Origin", "https://a"), method])));
        assert!(!is_preflight(&fields(&[method])));
        assert!(!is_preflight(&fields(&[("origin", "https://a")])));
    }
}
