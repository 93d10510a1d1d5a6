//! Requests that the page of another site had a browser make.

use http::{HeaderMap, HeaderValue, header};

use super::error::ApiError;
use super::route::Action;
use crate::token::Means;

/// What browsers say of where a request comes from (Fetch Metadata, section 2.3). No script can change it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what changes something at the wish of another site. A browser may add the password that it remembers.
pub(super) fn check(action: Action, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    let is_cross_site = |site: &[u8]| site.trim_ascii().eq_ignore_ascii_case(b"cross-site");
    match action.changes() && sites.any(|site| is_cross_site(site.as_bytes())) {
        true => Err(ApiError::CrossSite),
        false => Ok(()),
    }
}

/// The same for a user who has signed in, by these `means`.
///
/// At a login proxy a browser is signed in all the time, and sites below the same domain are cross-origin, too: what changes
/// something must come from the same origin, and say so. A client that is no browser says it by `Sec-Fetch-Site: same-origin`.
pub(super) fn check_user(
    action: Action,
    headers: &HeaderMap,
    means: &Means,
) -> Result<(), ApiError> {
    check(action, headers)?;
    match action.changes() && *means == Means::Proxy && !is_same_origin(headers) {
        true => Err(ApiError::OtherOrigin),
        false => Ok(()),
    }
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    // Old browsers, and those without TLS, do not send the first; all send the second with what changes something.
    match only(headers, SEC_FETCH_SITE) {
        Ok(Some(site)) => {
            let site = site.as_bytes();
            site.eq_ignore_ascii_case(b"same-origin") || site.eq_ignore_ascii_case(b"none")
        }
        Ok(None) => {
            let origin = only(headers, header::ORIGIN.as_str());
            let host = only(headers, header::HOST.as_str());
            match (origin, host) {
                (Ok(Some(origin)), Ok(Some(host))) => authority(origin).is_some_and(|origin| {
                    origin.eq_ignore_ascii_case(host.to_str().unwrap_or_default())
                }),
                _ => false,
            }
        }
        Err(()) => false,
    }
}

/// The one value of a header. Fails if there are several.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(()),
    }
}

/// Host and port of an origin. The scheme is not compared: the proxy may speak TLS, and this server not know it.
fn authority(origin: &HeaderValue) -> Option<&str> {
    let (scheme, authority) = origin.to_str().ok()?.split_once("://")?;
    (matches!(scheme, "http" | "https") && !authority.is_empty()).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::route::ManagedAction::{Create, DeleteAll, List};

    #[test]
    fn behind_a_login_proxy_changes_come_from_the_same_origin() {
        let site = |value: &'static str| ("sec-fetch-site", value);
        let origin = |value: &'static str| ("origin", value);
        let host = ("host", "latchkey.example:8443");
        let own = "https://latchkey.example:8443";
        for (lines, good) in [
            (&[][..], false),
            (&[host], false),
            (&[site("same-origin")], true),
            (&[site("none")], true),
            (
                &[site("Same-Origin"), origin("https://evil.example"), host],
                true,
            ),
            (&[site("same-site")], false),
            (&[site("cross-site"), origin(own), host], false),
            (&[site("same-origin"), site("cross-site")], false),
            (&[site("same-origin, cross-site")], false),
            (&[site(""), origin(own), host], false),
            (&[origin(own), host], true),
            (&[origin("http://LATCHKEY.example:8443"), host], true),
            (&[origin("https://latchkey.example"), host], false),
            (&[origin("https://evil.example"), host], false),
            (
                &[origin("https://latchkey.example:8443.evil.example"), host],
                false,
            ),
            (&[origin("null"), host], false),
            (&[origin("null"), ("host", "null")], false),
            (&[origin("file://"), ("host", "")], false),
            (&[origin(own)], false),
            (&[origin(own), origin(own), host], false),
            (&[origin(own), host, host], false),
        ] {
            let headers: HeaderMap = {
                let mut headers = HeaderMap::new();
                for (name, value) in lines {
                    headers.append(*name, HeaderValue::from_static(value));
                }
                headers
            };
            for action in [Create, DeleteAll] {
                let checked = check_user(Action::Managed(action), &headers, &Means::Proxy);
                assert_eq!(checked.is_ok(), good, "{lines:?}");
            }
            let read = check_user(Action::Managed(List), &headers, &Means::Proxy);
            assert!(read.is_ok(), "{lines:?}");
        }
        // Who sends a password or an ID token with each request is asked by no other site.
        let nothing = HeaderMap::new();
        for means in [Means::Password, Means::Issuer("x".to_owned())] {
            assert!(check_user(Action::Managed(Create), &nothing, &means).is_ok());
        }
    }
}
