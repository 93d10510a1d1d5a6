//! Paths and methods: which route, which action, which methods are allowed.

use http::Method;

/// The path below which all routes are. `/v1alpha` is the same.
pub const BASE: &str = "/api/v1alpha";

/// The page for people.
const PAGE: &str = "/";

/// Where the description of the API is.
const DESCRIPTION: &str = "/openapi.json";

/// Where the public keys are (RFC 8615).
const KEY_SET: &str = "/.well-known/jwks.json";

const LIVENESS: &str = "/api/healthz/liveness";

/// As Specter Desktop spells it, and as everybody else does.
const READINESS: [&str; 2] = ["/api/healthz/readyness", "/api/healthz/readiness"];

/// Every method of every route, with the path as a template. A test holds that each has its line in the authorization
/// matrix.
pub const ROUTES: &[(&str, &str)] = &[
    ("GET", PAGE),
    ("GET", DESCRIPTION),
    ("GET", "/api/v1alpha/token"),
    ("POST", "/api/v1alpha/token"),
    ("GET", "/api/v1alpha/token/{jwt_token_id}"),
    ("DELETE", "/api/v1alpha/token/{jwt_token_id}"),
    ("POST", "/api/v1alpha/token/{jwt_token_id}/rotate"),
    ("DELETE", "/api/v1alpha/token?all=true"),
    ("GET", "/api/v1alpha/verify"),
    ("POST", "/api/v1alpha/introspect"),
    ("POST", "/api/v1alpha/revoke"),
    ("GET", KEY_SET),
    ("GET", LIVENESS),
    ("GET", READINESS[0]),
    ("GET", READINESS[1]),
];

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The tokens of the user; `all` of them, if the query says so.
    Tokens {
        /// Without it, they cannot be deleted: a client that forgot the id would revoke all.
        all: bool,
    },
    /// One of them; the segment may be anything but empty.
    Token(&'a str),
    /// The successor of one of them.
    Rotation(&'a str),
    /// Whether a bearer's token is good. Everything below is the same resource, for proxies that append the path that they
    /// ask for.
    Verification,
    /// What a token is (RFC 7662).
    Introspection,
    /// The end of a token (RFC 7009).
    Revocation,
    /// The page for people.
    Page,
    /// The description of the API, for programs.
    Description,
    /// The public keys.
    KeySet,
    /// Whether the component runs.
    Liveness,
    /// Whether it can work.
    Readiness,
}

/// What a method asks of a resource, and who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Everybody.
    Open(OpenAction),
    /// Who has signed in, and for no other user.
    Managed(ManagedAction<'a>),
}

/// What everybody may ask; of a token, who holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenAction {
    /// Tell a proxy whose token it is.
    Verify,
    /// Revoke the token that is sent.
    Revoke,
    /// Serve the page for people.
    ShowPage,
    /// Describe the API.
    Describe,
    /// Serve the public keys.
    ShowKeys,
    /// Say that the component runs.
    Live,
    /// Say whether it can work.
    Ready,
}

/// What a user may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagedAction<'a> {
    /// List the tokens.
    List,
    /// Issue a token.
    Create,
    /// Show one token.
    Show(&'a str),
    /// Revoke one token.
    Delete(&'a str),
    /// Revoke all tokens.
    DeleteAll,
    /// Issue a token in the place of one.
    Rotate(&'a str),
    /// Tell what a token is, whosever it is.
    Introspect,
}

impl<'a> Route<'a> {
    /// The route of `path`, taken literally: nothing is decoded, `.` and `..` are names like others, and an empty segment
    /// belongs to no route but for one slash at the end. Of `query`, only `all=true` counts.
    pub fn parse(path: &'a str, query: Option<&str>) -> Option<Self> {
        match path.strip_suffix('/').unwrap_or(path) {
            _ if path == PAGE => return Some(Self::Page),
            DESCRIPTION => return Some(Self::Description),
            KEY_SET => return Some(Self::KeySet),
            LIVENESS => return Some(Self::Liveness),
            path if READINESS.contains(&path) => return Some(Self::Readiness),
            _ => {}
        }
        let path = path.strip_prefix("/api").unwrap_or(path);
        let path = path.strip_prefix("/v1alpha/")?;
        if path == "verify" || path.starts_with("verify/") {
            return Some(Self::Verification);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        match path.split_once('/') {
            None if path == "token" => Some(Self::Tokens {
                all: asks_for_all(query),
            }),
            None if path == "introspect" => Some(Self::Introspection),
            None if path == "revoke" => Some(Self::Revocation),
            Some(("token", id)) if is_plain_segment(id) => Some(Self::Token(id)),
            Some(("token", rest)) => match rest.split_once('/') {
                Some((id, "rotate")) if is_plain_segment(id) => Some(Self::Rotation(id)),
                _ => None,
            },
            _ => None,
        }
    }

    /// What `method` asks of this resource, if it may be asked.
    pub fn action(self, method: &Method) -> Option<Action<'a>> {
        use {ManagedAction::*, OpenAction::*};
        match (self, method) {
            (Self::Tokens { .. }, &Method::GET | &Method::HEAD) => Some(Action::Managed(List)),
            (Self::Tokens { .. }, &Method::POST) => Some(Action::Managed(Create)),
            (Self::Tokens { all: true }, &Method::DELETE) => Some(Action::Managed(DeleteAll)),
            (Self::Token(id), &Method::GET | &Method::HEAD) => Some(Action::Managed(Show(id))),
            (Self::Token(id), &Method::DELETE) => Some(Action::Managed(Delete(id))),
            (Self::Rotation(id), &Method::POST) => Some(Action::Managed(Rotate(id))),
            // A proxy asks with the method that it is asked with, OPTIONS not excepted.
            (Self::Verification, _) => Some(Action::Open(Verify)),
            (Self::Introspection, &Method::POST) => Some(Action::Managed(Introspect)),
            (Self::Revocation, &Method::POST) => Some(Action::Open(Revoke)),
            (Self::Page, &Method::GET | &Method::HEAD) => Some(Action::Open(ShowPage)),
            (Self::Description, &Method::GET | &Method::HEAD) => Some(Action::Open(Describe)),
            (Self::KeySet, &Method::GET | &Method::HEAD) => Some(Action::Open(ShowKeys)),
            (Self::Liveness, &Method::GET | &Method::HEAD) => Some(Action::Open(Live)),
            (Self::Readiness, &Method::GET | &Method::HEAD) => Some(Action::Open(Ready)),
            _ => None,
        }
    }

    /// The path of this resource, as a template: the same for all tokens.
    pub fn template(self) -> &'static str {
        match self {
            Self::Tokens { .. } => "/api/v1alpha/token",
            Self::Token(_) => "/api/v1alpha/token/{jwt_token_id}",
            Self::Rotation(_) => "/api/v1alpha/token/{jwt_token_id}/rotate",
            Self::Verification => "/api/v1alpha/verify",
            Self::Introspection => "/api/v1alpha/introspect",
            Self::Revocation => "/api/v1alpha/revoke",
            Self::Page => PAGE,
            Self::Description => DESCRIPTION,
            Self::KeySet => KEY_SET,
            Self::Liveness => LIVENESS,
            Self::Readiness => READINESS[1],
        }
    }

    /// The value of the `Allow` header (RFC 9110, section 10.2.1).
    pub fn allow(self) -> &'static str {
        match self {
            Self::Tokens { all: false } => "GET, HEAD, POST, OPTIONS",
            Self::Tokens { all: true } => "GET, HEAD, POST, DELETE, OPTIONS",
            Self::Token(_) => "GET, HEAD, DELETE, OPTIONS",
            Self::Verification => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Self::Rotation(_) | Self::Introspection | Self::Revocation => "POST, OPTIONS",
            Self::Page | Self::Description | Self::KeySet | Self::Liveness | Self::Readiness => {
                "GET, HEAD, OPTIONS"
            }
        }
    }
}

/// Whether the query has `all=true`, and nothing else of `all`.
fn asks_for_all(query: Option<&str>) -> bool {
    let mut all = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| *pair == "all" || pair.starts_with("all="));
    matches!((all.next(), all.next()), (Some("all=true"), None))
}

/// A segment that means itself to every proxy before us.
fn is_plain_segment(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    !matches!(segment, "" | "." | "..")
        && !segment.contains('/')
        && !["%2f", "%5c", "%2e"]
            .iter()
            .any(|encoded| lower.contains(encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: Route<'_> = Route::Tokens { all: false };

    #[test]
    fn paths() {
        for (path, route) in [
            ("/api/v1alpha/token", Some(TOKENS)),
            ("/api/v1alpha/token/", Some(TOKENS)),
            ("/v1alpha/token", Some(TOKENS)),
            ("/v1alpha/token/", Some(TOKENS)),
            ("/api/v1alpha/token/x", Some(Route::Token("x"))),
            ("/v1alpha/token/x/", Some(Route::Token("x"))),
            ("/v1alpha/token/%20", Some(Route::Token("%20"))),
            ("/api/v1alpha/token/x/rotate", Some(Route::Rotation("x"))),
            ("/v1alpha/token/x/rotate/", Some(Route::Rotation("x"))),
            ("/v1alpha/token/rotate", Some(Route::Token("rotate"))),
            ("/v1alpha/token//rotate", None),
            ("/v1alpha/token/../rotate", None),
            ("/v1alpha/token/x/y/rotate", None),
            ("/v1alpha/token/x/rotate/y", None),
            ("/", Some(Route::Page)),
            ("/openapi.json", Some(Route::Description)),
            ("/openapi.json/", Some(Route::Description)),
            ("/api/openapi.json", None),
            ("/.well-known/jwks.json", Some(Route::KeySet)),
            ("/.well-known/jwks.json/", Some(Route::KeySet)),
            ("/.well-known/jwks.json//", None),
            ("/api/.well-known/jwks.json", None),
            ("/api/healthz/liveness", Some(Route::Liveness)),
            ("/api/healthz/readyness", Some(Route::Readiness)),
            ("/api/healthz/readiness/", Some(Route::Readiness)),
            ("/healthz/liveness", None),
            ("/api/v1alpha/introspect", Some(Route::Introspection)),
            ("/v1alpha/revoke/", Some(Route::Revocation)),
            ("/api/v1alpha/revoke/x", None),
            ("/api/v1alpha/verify", Some(Route::Verification)),
            ("/v1alpha/verify/", Some(Route::Verification)),
            ("/api/v1alpha/verify//a/../%2F", Some(Route::Verification)),
            ("/api/v1alpha/verifying", None),
            ("/api/v1alpha/verify%2Fx", None),
            ("", None),
            ("//", None),
            ("/index.html", None),
            ("/api", None),
            ("/api/v1alpha", None),
            ("/api/v1alpha/", None),
            ("/api/v1alpha/tokens", None),
            ("/api/v1alpha/Token", None),
            ("/api/api/v1alpha/token", None),
            ("//api/v1alpha/token", None),
            ("/api//v1alpha/token", None),
            ("/api/v1alpha//token", None),
            ("/api/v1alpha/token//", None),
            ("/api/v1alpha/token//x", None),
            ("/api/v1alpha/token/x//", None),
            ("/api/v1alpha/token/x/y", None),
            ("/api/v1alpha/token/..", None),
            ("/api/v1alpha/token/.", None),
            ("/api/v1alpha/token/../token", None),
            ("/api/v1alpha/token/%2e%2E", None),
            ("/api/v1alpha/token%2Fx", None),
            ("/api/v1alpha/token/x%2fy", None),
            ("/api%2Fv1alpha/token", None),
        ] {
            assert_eq!(Route::parse(path, None), route, "{path}");
        }
    }

    #[test]
    fn queries() {
        for (query, all) in [
            ("all=true", true),
            ("x=y&all=true&z", true),
            ("", false),
            ("all", false),
            ("all=1", false),
            ("all=True", false),
            ("all=true&all=false", false),
            ("all=true&all", false),
            ("overall=true", false),
            ("al%6c=true", false),
        ] {
            let route = Route::parse("/api/v1alpha/token", Some(query));
            assert_eq!(route, Some(Route::Tokens { all }), "{query}");
        }
    }

    /// The route of a path with a query.
    fn parse(uri: &str) -> Route<'_> {
        let (path, query) = uri
            .split_once('?')
            .map_or((uri, None), |(path, query)| (path, Some(query)));
        Route::parse(path, query).unwrap()
    }

    #[test]
    fn the_table_is_what_the_routes_allow() {
        for route in [
            TOKENS,
            Route::Tokens { all: true },
            Route::Token("{jwt_token_id}"),
            Route::Rotation("{jwt_token_id}"),
            Route::Introspection,
            Route::Revocation,
            Route::Page,
            Route::Description,
            Route::KeySet,
            Route::Liveness,
            Route::Readiness,
        ] {
            for name in route.allow().split(", ") {
                // A method of all tokens may be one of the tokens.
                let listed = ROUTES.iter().any(|(method, uri)| {
                    *method == name
                        && (parse(uri) == route
                            || parse(uri) == TOKENS && route == Route::Tokens { all: true })
                });
                let method = Method::from_bytes(name.as_bytes()).unwrap();
                match method {
                    Method::OPTIONS => assert!(!listed),
                    Method::HEAD => assert!(!listed && route.action(&method).is_some()),
                    _ => assert!(
                        listed && route.action(&method).is_some(),
                        "{name} {route:?}"
                    ),
                }
            }
        }
        for (method, path) in ROUTES {
            let route = parse(path);
            let template = parse(route.template());
            assert_eq!(template.template(), route.template(), "{path}");
            assert!(
                route.allow().split(", ").any(|allowed| allowed == *method),
                "{method} {path}"
            );
        }
    }
}
