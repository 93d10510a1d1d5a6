//! The query of `/verify`: what a proxy demands of the token.

use http::Uri;

use super::error::ApiError;
use crate::token::{Audience, Demand, Scope};

/// What a proxy asks.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// What the token must have.
    pub demand: Demand,
    /// Whether a missing or bad token is asked for as a password, too.
    pub challenge_basic: bool,
}

/// Reads the query. A misspelt demand must not pass, so what is unknown or malformed is refused.
///
/// Below `/verify` the query may be that of the proxy's own client: some append it, with the path. Unknown parameters are the
/// client's there. A demand counts wherever it stands: it takes rights away, and gives none.
pub(super) fn read(uri: &Uri) -> Result<Question, ApiError> {
    let query = uri.query().unwrap_or_default();
    let path = uri.path().trim_end_matches('/');
    let is_below = !matches!(path, "/api/v1alpha/verify" | "/v1alpha/verify");
    let refuse = |problem: String| Err(ApiError::InvalidParameter(problem));
    let mut question = Question::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = form_urlencoded::parse(pair.as_bytes())
            .next()
            .unwrap_or_default();
        let Question {
            demand,
            challenge_basic,
        } = &mut question;
        let repeated = match &*name {
            "scope" => demand.scope.is_some(),
            "audience" => demand.audience.is_some(),
            "challenge" => *challenge_basic,
            _ if is_below => continue,
            _ => {
                return refuse(
                    "is unknown: there are scope, audience and challenge, and no others".to_owned(),
                );
            }
        };
        if repeated {
            return refuse(format!("{name} must not be repeated"));
        }
        // Which bytes that are no UTF-8 become.
        if !is_percent_encoded(pair) || value.contains('\u{fffd}') {
            return refuse(format!("{name} is not percent-encoded UTF-8"));
        }
        match &*name {
            "scope" => match value.parse::<Scope>() {
                Ok(scope) => demand.scope = Some(scope),
                Err(error) => return refuse(format!("scope {error}")),
            },
            "audience" => match Audience::new([value.clone().into_owned()]) {
                Ok(_) => demand.audience = Some(value.into_owned()),
                Err(error) => return refuse(format!("audience {error}")),
            },
            _ if value == "basic" => *challenge_basic = true,
            _ => return refuse("challenge must be basic".to_owned()),
        }
    }
    Ok(question)
}

/// Whether each `%` has two hexadecimal digits behind it.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions() {
        for (uri, scope, audience, basic) in [
            ("/v1alpha/verify", None, None, false),
            ("/v1alpha/verify?", None, None, false),
            ("/v1alpha/verify/?scope=a%20b+c", Some("a b c"), None, false),
            (
                "/v1alpha/verify?audience=https://git.example&challenge=basic&scope=a",
                Some("a"),
                Some("https://git.example"),
                true,
            ),
            ("/v1alpha/verify?s%63ope=a", Some("a"), None, false),
            (
                "/v1alpha/verify/verify?y=%zz&scope=a&scop=b",
                Some("a"),
                None,
                false,
            ),
            (
                "/v1alpha/verify?audience=%C3%A9%2B",
                None,
                Some("\u{e9}+"),
                false,
            ),
        ] {
            let question = read(&uri.parse().unwrap()).unwrap();
            let demand = question.demand;
            assert_eq!(demand.scope.as_ref().map(Scope::as_str), scope, "{uri}");
            assert_eq!(demand.audience.as_deref(), audience, "{uri}");
            assert_eq!(question.challenge_basic, basic, "{uri}");
        }
        for uri in [
            "/v1alpha/verify?x",
            "/v1alpha/verify?x=y",
            "/v1alpha/verify?scop=a",
            "/v1alpha/verify?Scope=a",
            "/v1alpha/verify?scope",
            "/v1alpha/verify?scope=",
            "/v1alpha/verify?scope=%20",
            "/v1alpha/verify?scope=a&scope=a",
            "/v1alpha/verify?scope=a%22",
            "/v1alpha/verify?scope=%zz",
            "/v1alpha/verify?scope=a%2",
            "/v1alpha/verify?scope=%C3%A9",
            "/api/v1alpha/verify?scope[]=a",
            "/v1alpha/verify?audience=",
            "/v1alpha/verify?audience=%FF",
            "/v1alpha/verify?audience=a&audience=b",
            "/v1alpha/verify?challenge",
            "/v1alpha/verify?challenge=bearer",
            "/v1alpha/verify?challenge=basic&challenge=basic",
            "/v1alpha/verify//?x=y",
            "/v1alpha/verify/x?scope=a&scope=b",
        ] {
            let refused = read(&uri.parse().unwrap());
            assert!(
                matches!(refused, Err(ApiError::InvalidParameter(_))),
                "{uri}"
            );
        }
    }
}
