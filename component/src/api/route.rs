//! Paths and methods: which route, which action, which methods are allowed.

use http::Method;

use Action::{Managed, Open};
use ManagedAction::{Create, Delete, DeleteAll, Introspect, List, ListUsers, Rotate, Show};
use OpenAction::{Describe, Discover, Live, Ready, Revoke, ShowKeys, ShowPage, Verify};

/// The path above the routes of the API. `/v1alpha` is the same.
pub const BASE: &str = "/api/v1alpha";

/// Stands for any token in the paths of [`RESOURCES`].
const TOKEN_ID: &str = "{jwt_token_id}";

/// What the paths of administrators begin with, below [`BASE`]. In those of [`RESOURCES`], [`USER`] stands for any user.
const USERS: &str = "/users";
const USER: &str = "/{user}";

/// Where a proxy asks whether a token is good. All paths below are the same resource, and all methods the same question:
/// some proxies append the path of the request that they ask about, and use its method.
pub const VERIFICATION: &str = "/api/v1alpha/verify";

/// The one table of routes: paths and methods, the busiest first. Documents and metrics name the last path. `HEAD` goes
/// with `GET`, `OPTIONS` with all.
static RESOURCES: &[Resource] = &[
    (
        &["/api/v1alpha/token"],
        &[
            ("GET", Managed(List)),
            ("POST", Managed(Create)),
            ("DELETE", Managed(DeleteAll)),
        ],
    ),
    (&[VERIFICATION], &[("GET", Open(Verify))]),
    (
        &["/api/v1alpha/token/{jwt_token_id}"],
        &[("GET", Managed(Show)), ("DELETE", Managed(Delete))],
    ),
    (
        &["/api/v1alpha/token/{jwt_token_id}/rotate"],
        &[("POST", Managed(Rotate))],
    ),
    (&["/api/v1alpha/users"], &[("GET", Managed(ListUsers))]),
    (
        &["/api/v1alpha/users/{user}/token"],
        &[
            ("GET", Managed(List)),
            ("POST", Managed(Create)),
            ("DELETE", Managed(DeleteAll)),
        ],
    ),
    (
        &["/api/v1alpha/users/{user}/token/{jwt_token_id}"],
        &[("GET", Managed(Show)), ("DELETE", Managed(Delete))],
    ),
    // RFC 7662.
    (
        &["/api/v1alpha/introspect"],
        &[("POST", Managed(Introspect))],
    ),
    // RFC 7009.
    (&["/api/v1alpha/revoke"], &[("POST", Open(Revoke))]),
    (&["/"], &[("GET", Open(ShowPage))]),
    (&["/openapi.json"], &[("GET", Open(Describe))]),
    // RFC 8615.
    (&["/.well-known/jwks.json"], &[("GET", Open(ShowKeys))]),
    // RFC 8414, and OpenID Connect Discovery 1.0.
    (
        &["/.well-known/oauth-authorization-server"],
        &[("GET", Open(Discover))],
    ),
    (
        &["/.well-known/openid-configuration"],
        &[("GET", Open(Discover))],
    ),
    (&["/api/healthz/liveness"], &[("GET", Open(Live))]),
    // As Specter Desktop spells it, and as everybody else does.
    (
        &["/api/healthz/readyness", "/api/healthz/readiness"],
        &[("GET", Open(Ready))],
    ),
];

type Resource = (&'static [&'static str], &'static [(&'static str, Action)]);

/// Every method of every route, with the path as a template.
pub fn routes() -> impl Iterator<Item = (&'static str, String)> {
    RESOURCES.iter().flat_map(|(paths, methods)| {
        paths.iter().flat_map(|path| {
            methods.iter().map(move |(method, action)| {
                let query = if action.needs_all() { "?all=true" } else { "" };
                (*method, format!("{path}{query}"))
            })
        })
    })
}

/// What a method asks of a resource, and who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Everybody.
    Open(OpenAction),
    /// A user who has signed in, about that user's tokens; or an administrator, where [`Route::is_for_admins`].
    Managed(ManagedAction),
}

impl Action {
    /// Whether the body of the request counts. A host can read it before it asks the component.
    pub fn reads_body(self) -> bool {
        match self {
            Open(Revoke) | Managed(Create | Rotate | Introspect) => true,
            Open(Verify | ShowPage | Describe | ShowKeys | Discover | Live | Ready)
            | Managed(List | Show | Delete | DeleteAll | ListUsers) => false,
        }
    }

    /// Whether the query must say `all=true`: a client that forgot the id of a token would revoke all.
    fn needs_all(self) -> bool {
        self == Managed(DeleteAll)
    }

    /// Whether it changes which tokens there are.
    pub(super) fn changes(self) -> bool {
        matches!(
            self,
            Managed(Create | Delete | DeleteAll | Rotate) | Open(Revoke)
        )
    }
}

/// What everybody may ask. To ask about a token takes the token itself.
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
    /// Say where the other routes are.
    Discover,
    /// Say that the component runs.
    Live,
    /// Say whether it can work.
    Ready,
}

/// What a user may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagedAction {
    /// List the tokens.
    List,
    /// Issue a token.
    Create,
    /// Show one token.
    Show,
    /// Revoke one token.
    Delete,
    /// Revoke all tokens.
    DeleteAll,
    /// Replace a token by a new one.
    Rotate,
    /// Tell what a token of any user is.
    Introspect,
    /// List the users, for an administrator.
    ListUsers,
}

/// The resource that a request is for.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    resource: &'static Resource,
    user: Option<&'a str>,
    token_id: Option<&'a str>,
    /// Whether the query says `all=true`.
    all: bool,
    /// Whether the query says `details=true`.
    details: bool,
}

impl<'a> Route<'a> {
    /// The route of `path`, taken literally: nothing is decoded, and `.` and `..` are names like others. No route has an
    /// empty segment, except for one slash at the end. Of `query`, only `all=true` and `details=true` count;
    /// what `/verify` makes of it is read elsewhere.
    pub fn parse(path: &'a str, query: Option<&str>) -> Option<Self> {
        let [all, details] = ["all", "details"].map(|name| asks_for(name, query));
        let below = path
            .strip_prefix(BASE)
            .or_else(|| path.strip_prefix("/v1alpha"));
        RESOURCES.iter().find_map(|resource| {
            let matched = |template: &&str| matches(template, path, below);
            resource.0.iter().find_map(matched).map(|names| Self {
                resource,
                user: names.user,
                token_id: names.token_id,
                all,
                details,
            })
        })
    }

    /// The action of `method`, if the resource has this method.
    pub fn action(self, method: &Method) -> Option<Action> {
        let method = match method.as_str() {
            _ if self.template() == VERIFICATION => "GET",
            "HEAD" => "GET",
            method => method,
        };
        self.methods()
            .find(|(name, _)| *name == method)
            .map(|(_, action)| action)
    }

    /// The path of this resource, as a template: the same for all tokens.
    pub fn template(self) -> &'static str {
        self.resource.0[self.resource.0.len() - 1]
    }

    /// The segment of the token, which need not be an id.
    pub fn token_id(self) -> Option<&'a str> {
        self.token_id
    }

    /// The segment of the user whose tokens an administrator asks about; percent-encoded, and maybe no name.
    pub fn user(self) -> Option<&'a str> {
        self.user
    }

    /// Whether it is only for administrators.
    pub fn is_for_admins(self) -> bool {
        let below = self.template().strip_prefix(BASE);
        below.is_some_and(|below| below.starts_with(USERS))
    }

    /// Whether details of tokens are asked for.
    pub const fn wants_details(self) -> bool {
        self.details
    }

    /// The value of the `Allow` header (RFC 9110, section 10.2.1).
    pub fn allow(self) -> String {
        let mut allow = String::new();
        for (method, _) in self.methods() {
            allow += method;
            allow += if method == "GET" { ", HEAD, " } else { ", " };
        }
        allow + "OPTIONS"
    }

    fn methods(self) -> impl Iterator<Item = (&'static str, Action)> {
        let methods = self.resource.1.iter().copied();
        methods.filter(move |(_, action)| self.all || !action.needs_all())
    }
}

/// The segments of a path that name something, where its template says so.
#[derive(Default)]
struct Names<'a> {
    user: Option<&'a str>,
    token_id: Option<&'a str>,
}

/// Matches a path against `template`. `below` is the path below [`BASE`], if it is there.
fn matches<'a>(template: &str, path: &'a str, below: Option<&'a str>) -> Option<Names<'a>> {
    if template == "/" {
        return (template == path).then(Names::default);
    }
    let (template, path) = match template.strip_prefix(BASE) {
        None => (template, path),
        Some(template) => (template, below?),
    };
    // No template begins with a name. Most are told apart by this byte.
    if template.as_bytes().get(1) != path.as_bytes().get(1) {
        return None;
    }
    let is_below = |above| {
        let below = path.strip_prefix(above)?;
        below.starts_with('/').then(Names::default)
    };
    if template == "/verify"
        && let Some(below) = is_below(template)
    {
        return Some(below);
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    let below_users = template.strip_prefix(USERS);
    let Some(template) = below_users.and_then(|below| below.strip_prefix(USER)) else {
        return matches_token(template, path);
    };
    let path = path.strip_prefix(USERS)?.strip_prefix('/')?;
    let (user, path) = path.split_at_checked(path.find('/')?)?;
    let names = matches_token(template, path).filter(|_| is_unambiguous_name(user))?;
    Some(Names {
        user: Some(user),
        ..names
    })
}

/// The only name in `template` is that of a token, if there is one.
fn matches_token<'a>(template: &str, path: &'a str) -> Option<Names<'a>> {
    let Some(name) = template.find('{') else {
        return (template == path).then(Names::default);
    };
    let (before, after) = (&template[..name], &template[name + TOKEN_ID.len()..]);
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    is_plain_segment(id).then_some(Names {
        token_id: Some(id),
        ..Names::default()
    })
}

/// Whether no proxy in front takes the name in this segment for a way through the paths, also one that decodes it: that would
/// lead to another user. A name with a slash is one segment, as `octo%2Frepo`; decoded on the way, it has no route.
fn is_unambiguous_name(segment: &str) -> bool {
    let mut decoded = segment.to_ascii_lowercase();
    for (encoded, character) in [("%2f", "/"), ("%5c", "/"), ("\\", "/"), ("%2e", ".")] {
        decoded = decoded.replace(encoded, character);
    }
    let mut parts = decoded.split('/');
    parts.all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether the query has `name=true`, and no other parameter of this name.
fn asks_for(name: &str, query: Option<&str>) -> bool {
    let mut values = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.strip_prefix(name))
        .filter(|rest| rest.is_empty() || rest.starts_with('='));
    matches!((values.next(), values.next()), (Some("=true"), None))
}

/// Whether every proxy in front takes the segment literally.
fn is_plain_segment(segment: &str) -> bool {
    let has_escape = |after: &str| {
        let digits = after.get(..2).unwrap_or_default();
        ["2f", "5c", "2e"]
            .iter()
            .any(|encoded| digits.eq_ignore_ascii_case(encoded))
    };
    !matches!(segment, "" | "." | "..")
        && !segment.contains('/')
        && !segment.split('%').skip(1).any(has_escape)
}

#[cfg(test)]
mod tests;
