//! The routes of HTTP triggers, matched as Spin matches them.
//!
//! Spin matches with the crate `routefinder`, whose rules these are: slashes at both ends of a path do not count, nothing is
//! decoded, and of several routes that match the one wins that is more exact at the first part in which they differ.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// A route: `/exact/path`, `/with/:parameter`, `/and/all/below/...`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    text: String,
    parts: Vec<Part>,
}

/// What may stand between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// The rest of the path, which may be empty.
    Wildcard,
    /// Anything without a slash.
    Parameter,
    Exact(String),
}

impl Part {
    /// What is less exact comes later.
    fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Parameter => 1,
            Self::Wildcard => 2,
        }
    }
}

impl Route {
    /// Whether the path is this route's.
    fn matches(&self, path: &str) -> bool {
        let mut rest = path.trim_matches('/');
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                rest = match rest.strip_prefix('/') {
                    Some(rest) => rest,
                    // `/a/...` is `/a` as well.
                    None if rest.is_empty() && *part == Part::Wildcard => "",
                    None => return false,
                };
            }
            rest = match part {
                Part::Wildcard => return true,
                Part::Parameter if rest.is_empty() => return false,
                Part::Parameter => rest.find('/').map_or("", |end| &rest[end..]),
                Part::Exact(text) => match rest.strip_prefix(text.as_str()) {
                    Some(rest) => rest,
                    None => return false,
                },
            };
        }
        rest.is_empty()
    }

    /// Whether the same paths are the other route's, whatever their parameters are called.
    fn is_same(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl FromStr for Route {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = match text.strip_suffix("/...") {
            Some(before) => format!("{before}/*"),
            // A route without a slash at its beginning is as good, to Spin.
            None if text == "..." => "*".to_owned(),
            None => text.to_owned(),
        };
        let mut parts = Vec::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if parts.last() == Some(&Part::Wildcard) {
                return Err("a wildcard must be its end");
            }
            parts.push(match part.strip_prefix(':') {
                Some("") => return Err("a parameter needs a name"),
                Some(name) if name.contains('.') => {
                    return Err("this host has parameters of whole parts only");
                }
                Some(_) => Part::Parameter,
                None if part == "*" => Part::Wildcard,
                None if part.starts_with('*') => return Err("a wildcard has no name"),
                None => Part::Exact(part.to_owned()),
            });
        }
        let text = text.to_owned();
        Ok(Self { text, parts })
    }
}

impl Display for Route {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Finds what belongs to a path.
#[derive(Debug)]
pub struct Routes<T>(Vec<(Route, T)>);

impl<T> Routes<T> {
    /// Fails if two routes are for the same paths.
    pub fn new(routes: impl IntoIterator<Item = (Route, T)>) -> Result<Self, String> {
        let mut routes: Vec<_> = routes.into_iter().collect();
        for (index, (route, _)) in routes.iter().enumerate() {
            let mut before = routes[..index].iter();
            if let Some((other, _)) = before.find(|(other, _)| other.is_same(route)) {
                return Err(format!(
                    "the routes `{other}` and `{route}` are for the same paths"
                ));
            }
        }
        // The best first. Of two that are equal as far as both go, the shorter one is more exact.
        routes.sort_by_cached_key(|(route, _)| {
            route.parts.iter().map(Part::rank).collect::<Vec<_>>()
        });
        Ok(Self(routes))
    }

    /// What belongs to the path.
    pub fn find(&self, path: &str) -> Option<&T> {
        let found = self.0.iter().find(|(route, _)| route.matches(path));
        found.map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(text: &str) -> Route {
        text.parse().unwrap()
    }

    #[test]
    fn paths() {
        for (text, path, expected) in [
            ("/...", "/", true),
            ("/...", "/a/b", true),
            ("/*", "/a/b", true),
            ("/", "/", true),
            ("/", "//", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", true),
            ("/a", "//a//", true),
            ("a", "/a", true),
            ("/a/", "/a", true),
            ("/a", "/A", false),
            ("/a", "/%61", false),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a", "/a/../a", false),
            ("/a/...", "/a", true),
            ("/a/...", "/a/", true),
            ("/a/...", "/a//b", true),
            ("/a/...", "/ab", false),
            ("/a/...", "/", false),
            ("/a/b", "/a//b", false),
            ("/a//b", "/a/b", true),
            ("/a.b/c", "/a.b/c", true),
            ("/.well-known/x", "/.well-known/x", true),
            ("/:x", "/a", true),
            ("/:x", "/", false),
            ("/:x", "/a/b", false),
            ("/:x/b", "/a/b", true),
            ("/:x/b", "/a/c", false),
            ("/a/:x/b", "/a//b", true),
            ("/a/:x/...", "/a/1", true),
            ("/a/:x/...", "/a/1/2/3", true),
            ("/a/:x/...", "/a", false),
        ] {
            assert_eq!(route(text).matches(path), expected, "{text} {path}");
        }
    }

    #[test]
    fn the_more_exact_route_wins() {
        let texts = [
            "/...", "/a/...", "/:x", "/a", "/a/:x", "/a/b", "/a/:x/c", "/a/b/...", "/",
        ];
        let routes = |texts: &[&str]| {
            let routes = texts.iter().map(|text| (route(text), (*text).to_owned()));
            Routes::new(routes).unwrap()
        };
        let (sorted, turned) = (routes(&texts), {
            let mut texts = texts;
            texts.reverse();
            routes(&texts)
        });
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/b", "/:x"),
            ("/b/c", "/..."),
            ("/a/b", "/a/b"),
            ("/a/b/c", "/a/b/..."),
            ("/a/c", "/a/:x"),
            ("/a/c/c", "/a/:x/c"),
            ("/a/c/d", "/a/..."),
        ] {
            for routes in [&sorted, &turned] {
                assert_eq!(routes.find(path).unwrap(), expected, "{path}");
            }
        }
        assert_eq!(routes(&["/a/..."]).find("/b"), None);
    }

    #[test]
    fn what_cannot_be_matched_is_refused() {
        for text in ["/a/*/b", "/.../*/a", "/*name", "/:", "/:a.b"] {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
        for (one, other) in [("/a", "/a/"), ("/:a", "/:b"), ("/...", "/*")] {
            let routes = [(route(one), ()), (route(other), ())];
            let error = Routes::new(routes).unwrap_err();
            assert!(error.contains("for the same paths"), "{error}");
        }
    }
}
