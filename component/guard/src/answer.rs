//! What an answer of Latchkey means. What is not as Latchkey writes it lets nobody in.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use latchkey_component::api::headers::{EXPIRES, SCOPE, TOKEN_ID, USER};
use latchkey_component::token::{Demand, Scope, TokenId};

/// The most bytes of a user's name in a header: 255 bytes, each escaped.
const MAX_USER: usize = 3 * 255;

/// Whose token it is, for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Percent-encoded.
    pub(crate) user: String,
    pub(crate) token_id: String,
    pub(crate) scope: Option<String>,
    /// When the token ends, in seconds since the Unix epoch. Unknown if Latchkey did not say.
    pub(crate) expires: Option<u64>,
}

impl Identity {
    /// Reads the headers of a good answer. `None` if they are not those of one, or if the token lacks what is demanded.
    pub(crate) fn read(headers: &HeaderMap, demand: &Demand) -> Option<Self> {
        let user = one(headers, USER)??;
        let token_id = one(headers, TOKEN_ID)??;
        let scope = one(headers, SCOPE)?;
        let expires = one(headers, EXPIRES)?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@%".contains(&byte);
        if user.is_empty() || user.len() > MAX_USER || !user.bytes().all(is_name) {
            return None;
        }
        token_id.parse::<TokenId>().ok()?;
        if let Some(scope) = scope {
            let scope: Scope = scope.parse().ok()?;
            if demand
                .scope
                .as_ref()
                .is_some_and(|wanted| !scope.covers(wanted))
            {
                return None;
            }
        }
        Some(Self {
            user: user.to_owned(),
            token_id: token_id.to_owned(),
            scope: scope.map(str::to_owned),
            expires: expires.map(str::parse).transpose().ok()?,
        })
    }

    /// The headers that the application gets.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            Some((USER, self.user.as_str())),
            Some((TOKEN_ID, self.token_id.as_str())),
            self.scope.as_deref().map(|scope| (SCOPE, scope)),
        ]
        .into_iter()
        .flatten()
    }
}

/// Whether a header of an answer is looked at.
pub(crate) fn is_read(name: &str) -> bool {
    let refusal = [
        header::CONTENT_TYPE.as_str(),
        header::WWW_AUTHENTICATE.as_str(),
    ];
    let mut read = [USER, TOKEN_ID, SCOPE, EXPIRES].into_iter().chain(refusal);
    read.any(|read| read.eq_ignore_ascii_case(name))
}

/// The value of a header that comes at most once. `None` if it comes twice, or is no text.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => value.to_str().ok().map(Some),
        _ => None,
    }
}

/// What a client gets of a refusal of Latchkey beside its body. `None` if the refusal is not Latchkey's.
pub(crate) fn refusal(headers: &HeaderMap) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let media_type = headers.get(header::CONTENT_TYPE)?;
    if media_type != "application/json" {
        return None;
    }
    let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let challenges = challenges.map(|value| (header::WWW_AUTHENTICATE, value.clone()));
    let media_type = (header::CONTENT_TYPE, media_type.clone());
    let no_store = HeaderValue::from_static("no-store");
    let rest = [media_type, (header::CACHE_CONTROL, no_store)];
    Some(challenges.chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "b56929f3-54f1-4dc2-9984-9bba615e26e6";

    fn read(answer: &[(&str, &str)], scope: &str) -> Option<Identity> {
        let mut headers = HeaderMap::new();
        for (name, value) in answer {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let demand = Demand {
            scope: scope.parse().ok(),
            audience: None,
        };
        Identity::read(&headers, &demand)
    }

    #[test]
    fn good_answers() {
        let identity = read(&[(USER, "ada%20l"), (TOKEN_ID, ID)], "read").unwrap();
        assert_eq!((identity.scope, identity.expires), (None, None));
        let all = [
            (USER, "a"),
            (TOKEN_ID, ID),
            (SCOPE, "read b"),
            (EXPIRES, "9"),
        ];
        let identity = read(&all, "read").unwrap();
        assert_eq!(identity.expires, Some(9));
        assert!(identity.headers().eq(all.into_iter().take(3)));
    }

    #[test]
    fn rubbish() {
        let (user, id) = ((USER, "a"), (TOKEN_ID, ID));
        let long = "a".repeat(MAX_USER + 1);
        for answer in [
            &[][..],
            &[user],
            &[id],
            &[user, user, id],
            &[user, id, id],
            &[(USER, ""), id],
            &[(USER, "a b"), id],
            &[(USER, "a,b"), id],
            &[(USER, "\u{e9}"), id],
            &[(USER, &long), id],
            &[user, (TOKEN_ID, "")],
            &[user, (TOKEN_ID, "1")],
            &[user, id, (SCOPE, "")],
            &[user, id, (SCOPE, "a  b")],
            &[user, id, (SCOPE, "read"), (SCOPE, "read")],
            &[user, id, (SCOPE, "reader")],
            &[user, id, (EXPIRES, "soon")],
            &[user, id, (EXPIRES, "-1")],
            &[user, id, (EXPIRES, "1"), (EXPIRES, "1")],
        ] {
            assert_eq!(read(answer, "read"), None, "{answer:?}");
        }
    }

    #[test]
    fn all_that_an_answer_says_is_read() {
        for name in [
            USER,
            TOKEN_ID,
            SCOPE,
            EXPIRES,
            "Content-Type",
            "WWW-Authenticate",
        ] {
            assert!(is_read(name), "{name}");
        }
        assert!(!is_read("set-cookie"));
    }

    #[test]
    fn refusals() {
        let mut headers = HeaderMap::new();
        assert!(refusal(&headers).is_none());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        assert!(refusal(&headers).is_none());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        for challenge in ["Basic", "Bearer"] {
            let challenge = HeaderValue::from_static(challenge);
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        let passed_on = refusal(&headers).unwrap();
        let passed_on: Vec<_> = passed_on.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            passed_on,
            [
                "www-authenticate",
                "www-authenticate",
                "content-type",
                "cache-control"
            ]
        );
    }
}
