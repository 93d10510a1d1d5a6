//! The paths that need no token.
//!
//! They are compared literally. What is behind the guard may decode a path, and then find another resource than the one that
//! was compared. So a path that has more than one reading is never public.

use std::str::FromStr;

/// The end of a prefix, as in the routes of Spin.
const BELOW: &str = "/...";

/// Exact paths, and prefixes with all that is below them.
#[derive(Debug, Default)]
pub struct PublicPaths(Vec<Entry>);

#[derive(Debug)]
enum Entry {
    Exact(String),
    /// Without the slash at its end.
    Below(String),
}

impl PublicPaths {
    /// Whether no path is public.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all is public that a route of Spin serves: one path, or, with `/...` at its end, all below one.
    pub fn contain_route(&self, route: &str) -> bool {
        match route.strip_suffix(BELOW) {
            None => self.contain(route),
            Some(base) => self.0.iter().any(|entry| match entry {
                Entry::Exact(_) => false,
                Entry::Below(prefix) => is_below(prefix, base),
            }),
        }
    }

    /// Whether the path of `path_with_query` is public.
    pub fn contain(&self, path_with_query: &str) -> bool {
        let path = path_with_query.split('?').next().unwrap_or_default();
        has_one_reading(path)
            && self.0.iter().any(|entry| match entry {
                Entry::Exact(exact) => path == exact,
                Entry::Below(prefix) => is_below(prefix, path),
            })
    }
}

fn is_below(prefix: &str, path: &str) -> bool {
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether all routers understand the path alike: no escapes, no parameters of segments, no segments that are empty or of
/// dots alone, no backslash.
fn has_one_reading(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()+,=:@".contains(&byte);
    let is_segment = |segment: &str| segment.bytes().any(|byte| byte != b'.');
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    // A slash at the end is no segment.
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    path.bytes().all(is_plain) && (path == "/" || segments.split('/').all(is_segment))
}

impl FromStr for PublicPaths {
    type Err = String;

    /// Reads entries with white space or commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let entries = text.split(|c: char| c.is_whitespace() || c == ',');
        let entries = entries.filter(|entry| !entry.is_empty());
        entries.map(parse).collect::<Result<_, _>>().map(Self)
    }
}

fn parse(entry: &str) -> Result<Entry, String> {
    if !entry.starts_with('/') {
        return Err(format!("`{entry}` must begin with /"));
    }
    match entry.strip_suffix(BELOW) {
        Some("") => Err(format!("`{entry}` would open everything")),
        Some(prefix) if has_one_reading(prefix) && !prefix.ends_with('/') => {
            Ok(Entry::Below(prefix.to_owned()))
        }
        // Which may be meant as a prefix, or as a pattern.
        None if entry.ends_with("...") || entry.contains("/:") => Err(format!(
            "`{entry}` looks like a pattern: only {BELOW} at the end is one"
        )),
        None if has_one_reading(entry) => Ok(Entry::Exact(entry.to_owned())),
        _ => Err(format!(
            "`{entry}` must be a plain path, or one with {BELOW} at its end: without %, ;, *, \\, // and segments of dots"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public() {
        let public: PublicPaths = "/ /health, /static/...\n/a.b/...".parse().unwrap();
        for path in [
            "/",
            "/?x=/admin",
            "/health",
            "/health?a=../%2f",
            "/static",
            "/static/",
            "/static/a/b.css",
            "/static/..a/b.",
            "/static/a:b@c,d=e",
            "/a.b/c",
        ] {
            assert!(public.contain(path), "{path}");
        }
        for path in [
            "",
            "*",
            "health",
            "http://host/health",
            "/health/",
            "/Health",
            "/healthy",
            "/health/x",
            "/staticx",
            "/STATIC/a",
            "//",
            "//health",
            "/static//",
            "/static//a",
            "//static/a",
            "/static/../admin",
            "/static/..",
            "/static/./a",
            "/static/.../a",
            "/static/..;/admin",
            "/static/;x/admin",
            "/static/a;b",
            "/static/..\\admin",
            "/static\\..\\admin",
            "/static/%2e%2e/admin",
            "/static/%2E./admin",
            "/static/..%2fadmin",
            "/static/%5c..%5cadmin",
            "/static/%252e%252e/admin",
            "/static/%00",
            "/static/a%20b",
            "/static/\u{ff0e}\u{ff0e}/admin",
            "/static/a\u{0}",
            "/static/a#b",
            "/static/a b",
            "/static/a*",
            "/%73tatic/a",
            "/axb/c",
        ] {
            assert!(!public.contain(path), "{path}");
        }
        assert!(!PublicPaths::default().contain("/"));
    }

    #[test]
    fn routes_that_are_public_as_a_whole() {
        let public: PublicPaths = "/health /static/...".parse().unwrap();
        for (route, is_open) in [
            ("/health", true),
            ("/static/...", true),
            ("/static/a/...", true),
            ("/static/:name", true),
            ("/...", false),
            ("/health/...", false),
            ("/statics/...", false),
            ("/app/...", false),
        ] {
            assert_eq!(public.contain_route(route), is_open, "{route}");
        }
    }

    #[test]
    fn entries_that_are_refused() {
        for entry in [
            "health",
            "/...",
            "//...",
            "/a/*",
            "/a...",
            "/a/....",
            "/a/.../b",
            "/a//...",
            "/../a",
            "/a/./...",
            "/a%20b",
            "/a;b",
            "/a?b",
            "/:user",
            "https://host/a",
            "/a /../b",
        ] {
            assert!(entry.parse::<PublicPaths>().is_err(), "{entry}");
        }
    }
}
