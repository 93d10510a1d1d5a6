//! What a request brings to sign in with: the name that a login proxy sends, or else the header `Authorization`.

use http::{HeaderMap, HeaderValue, header};

use crate::auth::{LoginProxy, PROXY_SECRET_HEADER, SignIn};
use crate::text::is_invisible;
use crate::token::Username;

/// The user whom the login proxy names.
#[derive(Debug, PartialEq, Eq)]
enum ProxyUser {
    /// No name, or not by the proxy.
    Absent,
    Named(Username),
    /// Several names, or one that nobody can have.
    Malformed,
}

pub(super) fn read(headers: &HeaderMap, proxy: Option<&LoginProxy>) -> SignIn {
    let authorization = headers.get_all(header::AUTHORIZATION);
    let own = SignIn::parse(authorization.iter().map(HeaderValue::as_bytes));
    let by_proxy = proxy.map_or(ProxyUser::Absent, |proxy| proxy_user(headers, proxy));
    match (by_proxy, own) {
        (ProxyUser::Absent, own) => own,
        (ProxyUser::Named(user), SignIn::Absent) => SignIn::Proxy(user),
        // Proxies like oauth2-proxy send the name twice, with a password that is none.
        (ProxyUser::Named(user), SignIn::Credentials(own)) if own.name == user => {
            SignIn::Proxy(user)
        }
        // Which of two would count?
        (ProxyUser::Named(_) | ProxyUser::Malformed, _) => SignIn::Malformed,
    }
}

fn proxy_user(headers: &HeaderMap, proxy: &LoginProxy) -> ProxyUser {
    let mut secrets = headers.get_all(PROXY_SECRET_HEADER).iter();
    let (Some(secret), None) = (secrets.next(), secrets.next()) else {
        return ProxyUser::Absent;
    };
    if !proxy.is_of(secret.as_bytes()) {
        return ProxyUser::Absent;
    }
    let mut users = headers.get_all(&proxy.user_header).iter();
    match (users.next(), users.next()) {
        // Nobody has signed in there.
        (None, _) => ProxyUser::Absent,
        (Some(user), None) if user.is_empty() => ProxyUser::Absent,
        (Some(user), None) => std::str::from_utf8(user.as_bytes())
            .ok()
            // No name may differ from another only by what nobody sees.
            .filter(|user| !user.contains(is_invisible))
            .and_then(|user| user.parse().ok())
            .map_or(ProxyUser::Malformed, ProxyUser::Named),
        (Some(_), Some(_)) => ProxyUser::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    // `ada:`, `ada:hunter2`, `bob:`.
    const ADA: &str = "Basic YWRhOg==";
    const ADA_PASSWORD: &str = "Basic YWRhOmh1bnRlcjI=";
    const BOB: &str = "Basic Ym9iOg==";

    fn read_lines(lines: &[(&'static str, &[u8])]) -> String {
        let proxy = LoginProxy {
            user_header: "x-forwarded-user".parse().unwrap(),
            secret: SECRET.into(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        match read(&headers, Some(&proxy)) {
            SignIn::Absent => "absent".to_owned(),
            SignIn::Malformed => "malformed".to_owned(),
            SignIn::Credentials(own) => format!("own {}", own.name),
            SignIn::Bearer(_) => "bearer".to_owned(),
            SignIn::Proxy(user) => format!("proxy {user}"),
        }
    }

    #[test]
    fn the_word_of_the_proxy_counts_with_its_secret_alone() {
        let user = |name: &'static str| ("x-forwarded-user", name.as_bytes());
        let secret = ("x-latchkey-proxy-secret", SECRET.as_bytes());
        let authorization = |value: &'static str| ("authorization", value.as_bytes());
        for (lines, expected) in [
            (&[][..], "absent"),
            (&[user("ada")], "absent"),
            (&[secret], "absent"),
            (&[secret, user("")], "absent"),
            (&[secret, user("ada")], "proxy ada"),
            (
                &[user("Zo\u{eb} \"Q\" /%2F\u{65e5}"), secret],
                "proxy Zo\u{eb} \"Q\" /%2F\u{65e5}",
            ),
            (&[secret, secret, user("ada")], "absent"),
            (
                &[
                    ("x-latchkey-proxy-secret", &SECRET.as_bytes()[1..]),
                    user("ada"),
                ],
                "absent",
            ),
            (&[("x-latchkey-proxy-secret", b""), user("ada")], "absent"),
            // The proxy speaks, but not of one user.
            (&[secret, user("ada"), user("ada")], "malformed"),
            (&[secret, user("ada"), user("bob")], "malformed"),
            (&[secret, user("a:b")], "malformed"),
            (&[secret, user("a\u{200b}da")], "malformed"),
            (&[secret, ("x-forwarded-user", b"\xff")], "malformed"),
            // Credentials beside it.
            (&[secret, user("ada"), authorization(ADA)], "proxy ada"),
            (
                &[secret, user("ada"), authorization(ADA_PASSWORD)],
                "proxy ada",
            ),
            (&[secret, user("ada"), authorization(BOB)], "malformed"),
            (
                &[secret, user("ada"), authorization("Bearer x.y.z")],
                "malformed",
            ),
            (
                &[secret, user("ada"), authorization("Digest x")],
                "malformed",
            ),
            (&[user("ada"), authorization(BOB)], "own bob"),
            (&[secret, authorization(BOB)], "own bob"),
            (&[authorization("bearer x.y.z")], "bearer"),
        ] {
            assert_eq!(read_lines(lines), expected, "{lines:?}");
        }
    }
}
