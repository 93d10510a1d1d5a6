//! Paths and queries.

use http::Method;
use latchkey_component::api::route::{self, BASE, Route};

/// A path and, behind the first white space, a query.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (path, query) = match text.split_once(char::is_whitespace) {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    // Both bases are the same.
    if let Some(rest) = path.strip_prefix(BASE) {
        let alias = format!("/v1alpha{rest}");
        assert_eq!(described(&alias, query), described(path, query));
    }
    let Some(route) = Route::parse(path, query) else {
        return;
    };
    let known: Vec<_> = route::routes().map(|(_, template)| template).collect();
    assert!(known.iter().any(|known| known == route.template()));
    let is_verification = route.template().ends_with("/verify");
    if !is_verification {
        assert!(!path.contains("//"), "{path}");
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")));
        assert_eq!(path == "/", route.template() == "/");
        if !path.ends_with('/') {
            let slashed = format!("{path}/");
            assert_eq!(described(&slashed, query), described(path, query));
        }
    }
    if let Some(id) = route.token_id() {
        assert!(!id.is_empty() && !id.contains('/'), "{id}");
        assert!(path.contains(id));
    }
    let allowed = route.allow();
    let allowed: Vec<_> = allowed.split(", ").collect();
    for method in ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "TRACE"] {
        let action = route.action(&Method::from_bytes(method.as_bytes()).expect("a method"));
        let is_allowed = allowed.contains(&method) || is_verification;
        assert_eq!(action.is_some(), is_allowed, "{method} {path}");
    }
    // Whoever forgets the id must not revoke all.
    if query != Some("all=true")
        && !query
            .unwrap_or_default()
            .split('&')
            .any(|pair| pair == "all=true")
    {
        assert!(route.token_id().is_some() || is_verification || !allowed.contains(&"DELETE"));
    }
}

fn described(path: &str, query: Option<&str>) -> Option<(&'static str, Option<String>, String)> {
    let route = Route::parse(path, query)?;
    Some((
        route.template(),
        route.token_id().map(str::to_owned),
        route.allow(),
    ))
}
