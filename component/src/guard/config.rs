//! The configuration: the variables of the guarded component in, a valid [`Config`] or the reason why there is none out.

use std::time::Duration;

use form_urlencoded::Serializer;
use http::Uri;
use http::uri::{Authority, Scheme};

use crate::api::Question;
use crate::api::route::VERIFICATION;
use crate::config::{ConfigError, invalid};
use crate::jwt::VerifyingKeys;
use crate::lifetime;
use crate::text;
use crate::token::{Audience, Demand, Scope};

use super::public::PublicPaths;

/// The variables that the guard reads.
pub const VARIABLES: &[&str] = &[
    URL,
    KEYS,
    SCOPE,
    AUDIENCE,
    CHALLENGE,
    PUBLIC,
    PREFLIGHT,
    CACHE,
    KEEP_AUTHORIZATION,
];

const URL: &str = "latchkey_url";
const KEYS: &str = "latchkey_keys";
/// The variable that must be there.
pub const SCOPE: &str = "latchkey_scope";
const AUDIENCE: &str = "latchkey_audience";
const CHALLENGE: &str = "latchkey_challenge";
const PUBLIC: &str = "latchkey_public";
const PREFLIGHT: &str = "latchkey_preflight";
const CACHE: &str = "latchkey_cache";
const KEEP_AUTHORIZATION: &str = "latchkey_keep_authorization";

/// A Latchkey in the same application.
pub const DEFAULT_URL: &str = "http://latchkey.spin.internal";

/// The longest `latchkey_cache`: who revokes a token does not wait for longer.
const MAX_CACHE: Duration = Duration::from_secs(60 * 60);

/// A validated configuration.
#[derive(Debug)]
pub struct Config {
    /// What a token must have, and how it is asked for.
    pub question: Question,
    /// Who says whether it is good.
    pub verifier: Verifier,
    /// What needs no token.
    pub public: PublicPaths,
    /// Whether a CORS preflight goes through.
    pub preflight: bool,
    /// For how long an answer is remembered that lets in.
    pub remember: Duration,
    /// Whether the application gets the token, too.
    pub keep_authorization: bool,
}

/// Who says whether a token is good.
#[derive(Debug)]
pub enum Verifier {
    /// Latchkey, asked there.
    Latchkey(Endpoint),
    /// The keys alone.
    Keys(VerifyingKeys),
}

/// Where Latchkey is asked.
#[derive(Debug)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The host, perhaps with a port.
    pub authority: Authority,
    /// Of `/verify`, with all that is demanded.
    pub path_with_query: String,
}

impl Config {
    /// Reads each variable by `variable`. One that is not set, or blank, has its default; `latchkey_scope` must be set.
    /// `keys` reads the keys: [`parse_keys`], or [`no_keys`] in the guard that has no cryptography in it.
    ///
    /// # Errors
    ///
    /// The first variable that cannot work.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
        keys: impl FnOnce(&str) -> Result<VerifyingKeys, String>,
    ) -> Result<Self, ConfigError> {
        let get = |name| {
            let value = variable(name)?;
            let value = text::trim(&value);
            (!value.is_empty()).then(|| value.to_owned())
        };
        // Spin hides variables that are not inherited as if they were not there. What they demand must not be lost by that,
        // nor by a slip in the name.
        if variable(SCOPE).is_none() {
            let problem = "it is not there; set it, to \"\" if no scope is needed, and have the guard inherit `variables`";
            return Err(invalid(SCOPE, problem));
        }
        let question = Question {
            demand: Demand {
                scope: read(SCOPE, get(SCOPE), |scope| scope.parse::<Scope>())?,
                audience: read(AUDIENCE, get(AUDIENCE), parse_audience)?,
            },
            challenge_basic: read(CHALLENGE, get(CHALLENGE), |kind| match kind {
                "bearer" => Ok(false),
                "basic" => Ok(true),
                _ => Err("write bearer or basic"),
            })?
            .unwrap_or_default(),
        };
        let cache = read(CACHE, get(CACHE), parse_cache)?.unwrap_or_default();
        let (verifier, remember) = match (get(KEYS), get(URL)) {
            (Some(_), Some(_)) => {
                let problem = "`latchkey_url` is set, too: with keys nobody is asked";
                return Err(invalid(KEYS, problem));
            }
            (Some(text), None) => {
                let keys = keys(&text).map_err(|problem| invalid(KEYS, problem))?;
                // Remembered to the end of a token: a signature does not turn wrong.
                (Verifier::Keys(keys), Duration::MAX)
            }
            (None, url) => {
                let url = url.as_deref().unwrap_or(DEFAULT_URL);
                let endpoint = Endpoint::parse(url, &question);
                let endpoint = endpoint.map_err(|problem| invalid(URL, problem))?;
                (Verifier::Latchkey(endpoint), cache)
            }
        };
        Ok(Self {
            question,
            verifier,
            remember,
            public: read(PUBLIC, get(PUBLIC), |paths| paths.parse())?.unwrap_or_default(),
            preflight: read(PREFLIGHT, get(PREFLIGHT), parse_bool)?.unwrap_or_default(),
            keep_authorization: read(KEEP_AUTHORIZATION, get(KEEP_AUTHORIZATION), parse_bool)?
                .unwrap_or_default(),
        })
    }
}

/// Reads public keys.
///
/// # Errors
///
/// They are not a JWK Set of keys that verify.
pub fn parse_keys(keys: &str) -> Result<VerifyingKeys, String> {
    keys.parse()
        .map_err(|problem| ToString::to_string(&problem))
}

/// Refuses any.
///
/// # Errors
///
/// Always.
pub fn no_keys(_: &str) -> Result<VerifyingKeys, String> {
    Err("only latchkey_guard_offline.wasm has it".to_owned())
}

impl Endpoint {
    fn parse(url: &str, question: &Question) -> Result<Self, &'static str> {
        const WRONG: &str = "write http:// or https://, a host, perhaps a port and a path";
        let parts = url.parse::<Uri>().map_err(|_| WRONG)?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(WRONG);
        };
        let is_http = [Scheme::HTTP, Scheme::HTTPS].contains(&scheme);
        if !is_http || authority.host().is_empty() {
            return Err(WRONG);
        }
        if authority.as_str().contains('@') {
            return Err("it must not have a user's name or a password");
        }
        let path = parts.path_and_query.ok_or(WRONG)?;
        if path.query().is_some() || url.contains('#') {
            return Err("it must not have a query or a fragment");
        }
        let mut query = Serializer::new(String::new());
        if let Some(scope) = &question.demand.scope {
            query.append_pair("scope", scope.as_str());
        }
        if let Some(audience) = &question.demand.audience {
            query.append_pair("audience", audience);
        }
        if question.challenge_basic {
            query.append_pair("challenge", "basic");
        }
        let base = path.path().trim_end_matches('/');
        let path_with_query = match query.finish() {
            query if query.is_empty() => format!("{base}{VERIFICATION}"),
            query => format!("{base}{VERIFICATION}?{query}"),
        };
        Ok(Self {
            scheme,
            authority,
            path_with_query,
        })
    }
}

fn read<T, E: ToString>(
    variable: &'static str,
    value: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ConfigError> {
    let value = value.map(|value| parse(&value)).transpose();
    value.map_err(|problem| invalid(variable, problem))
}

fn parse_audience(name: &str) -> Result<String, String> {
    let name = name.to_owned();
    match Audience::new([name.clone()]) {
        Ok(_) => Ok(name),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_cache(text: &str) -> Result<Duration, String> {
    match lifetime::or_zero(text) {
        Ok(cache) if cache <= MAX_CACHE => Ok(cache),
        Ok(_) => Err("must not be longer than 1 hour".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_bool(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "write true or false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
        let scope = [("latchkey_scope", "")];
        let variables = variables.iter().chain(&scope);
        let value = |name| variables.clone().find(|(other, _)| *other == name);
        let value = |name| value(name).map(|(_, value)| (*value).to_owned());
        Config::from_variables(value, parse_keys).map_err(|error| error.to_string())
    }

    fn asked(variables: &[(&str, &str)]) -> String {
        match config(variables).unwrap().verifier {
            Verifier::Latchkey(endpoint) => format!(
                "{}://{}{}",
                endpoint.scheme, endpoint.authority, endpoint.path_with_query
            ),
            Verifier::Keys(_) => String::new(),
        }
    }

    const PUBLIC_KEY: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    #[test]
    fn without_variables_a_neighbour_is_asked_and_nothing_is_open() {
        let config = config(&[("latchkey_scope", " "), ("latchkey_keys", "\n")]).unwrap();
        assert_eq!(config.question.demand, Demand::default());
        assert!(!config.question.challenge_basic && !config.preflight);
        assert!(!config.keep_authorization);
        assert_eq!(config.remember, Duration::ZERO);
        assert_eq!(
            asked(&[]),
            "http://latchkey.spin.internal/api/v1alpha/verify"
        );
    }

    #[test]
    fn without_the_scope_variables_may_be_hidden() {
        let error = Config::from_variables(|_| None, parse_keys)
            .unwrap_err()
            .to_string();
        assert!(error.contains("`latchkey_scope`"), "{error}");
    }

    #[test]
    fn what_is_asked() {
        assert_eq!(
            asked(&[
                ("latchkey_url", "https://id.example:8443/tokens/"),
                ("latchkey_scope", "b&c a=%"),
                ("latchkey_audience", "https://git.example/?é"),
                ("latchkey_challenge", "basic"),
            ]),
            "https://id.example:8443/tokens/api/v1alpha/verify?scope=b%26c+a%3D%25\
             &audience=https%3A%2F%2Fgit.example%2F%3F%C3%A9&challenge=basic"
        );
    }

    #[test]
    fn keys() {
        let good = config(&[("latchkey_keys", PUBLIC_KEY), ("latchkey_cache", "1s")]).unwrap();
        assert!(matches!(good.verifier, Verifier::Keys(_)));
        assert_eq!(good.remember, Duration::MAX);
        let d = r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x""#;
        for (keys, problem) in [
            ("a secret of more than 32 bytes, for HS256", "JWK Set"),
            (r#"{"keys":[]}"#, "no keys"),
            (&PUBLIC_KEY.replace(r#""x""#, d), "private members"),
        ] {
            let error = config(&[("latchkey_keys", keys)]).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn keys_need_the_other_component() {
        let value = |name| match name {
            SCOPE => Some(String::new()),
            _ => (name == KEYS).then(|| PUBLIC_KEY.to_owned()),
        };
        let error = Config::from_variables(value, no_keys).unwrap_err();
        assert!(error.to_string().contains("latchkey_guard_offline.wasm"));
    }

    #[test]
    fn what_is_refused() {
        for (variable, value, problem) in [
            ("latchkey_url", "latchkey", "write http://"),
            ("latchkey_url", "/verify", "write http://"),
            ("latchkey_url", "http://:80", "write http://"),
            ("latchkey_url", "ftp://latchkey.example", "write http://"),
            ("latchkey_url", "http://a:b@latchkey.example", "password"),
            ("latchkey_url", "http://latchkey.example/?a=b", "query"),
            ("latchkey_url", "http://latchkey.example/#a", "fragment"),
            ("latchkey_scope", "a,\"b\"", "words of printable"),
            ("latchkey_scope", "a  b", "words of printable"),
            ("latchkey_audience", "a\tb", "control characters"),
            ("latchkey_challenge", "Basic", "write bearer or basic"),
            ("latchkey_public", "static/...", "begin with /"),
            ("latchkey_preflight", "yes", "write true or false"),
            ("latchkey_keep_authorization", "1", "write true or false"),
            ("latchkey_cache", "2 hours", "longer than 1 hour"),
            ("latchkey_cache", "soon", "number"),
            ("latchkey_cache", "-1s", "negative"),
        ] {
            let error = config(&[(variable, value)]).unwrap_err();
            assert!(error.contains(&format!("`{variable}`")), "{error}");
            assert!(error.contains(problem), "{value}: {error}");
        }
        let both = [("latchkey_keys", PUBLIC_KEY), ("latchkey_url", DEFAULT_URL)];
        assert!(config(&both).unwrap_err().contains("`latchkey_url` is set"));
    }
}
