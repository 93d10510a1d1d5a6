//! The configuration of the guard, and the paths that it lets anybody see.

use http::uri::Scheme;
use latchkey_component::api::route::VERIFICATION;
use latchkey_component::guard::{Config, SCOPE, Verifier, parse_keys};

/// The first line of the input is a path, each other one a variable: `latchkey_public=/a/...`.
///
/// No configuration works without a scope, nor asks anything but `/verify` over HTTP. A path that is public has one reading:
/// decoded and normalised as a router may do it, it is the same, and below what is configured.
pub fn check(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let (path, variables) = input.split_once('\n').unwrap_or((&input, ""));
    let variables: Vec<_> = variables
        .split('\n')
        .filter_map(|line| line.split_once('='))
        .collect();
    let value = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| *value)
    };
    let Ok(config) = Config::from_variables(|name| value(name).map(str::to_owned), parse_keys)
    else {
        return;
    };
    assert!(value(SCOPE).is_some());
    if let Verifier::Latchkey(endpoint) = &config.verifier {
        assert!([Scheme::HTTP, Scheme::HTTPS].contains(&endpoint.scheme));
        assert!(!endpoint.authority.as_str().contains('@'));
        assert!(!endpoint.authority.host().is_empty());
        let asked = endpoint.path_with_query.split('?').next();
        assert!(asked.is_some_and(|path| path.starts_with('/') && path.ends_with(VERIFICATION)));
    }
    let public = &config.public;
    if !public.contain(path) {
        return;
    }
    assert!(!public.is_empty());
    let path = path.split('?').next().unwrap_or_default();
    assert_eq!(normalised(path), path);
    let entries = value("latchkey_public").unwrap_or_default();
    let mut entries = entries.split(|c: char| c.is_whitespace() || c == ',');
    assert!(entries.any(|entry| match entry.strip_suffix("/...") {
        Some(base) => path == base || path.starts_with(&format!("{base}/")),
        None => entry == path,
    }));
    // Whoever configures no pattern for all gets none.
    assert!(!public.contain_route("/..."));
}

/// The path as a router may read it: decoded twice, without parameters, with slashes for backslashes, segments of dots
/// resolved and empty ones dropped.
fn normalised(path: &str) -> String {
    let decoded = decoded(&decoded(path)).replace('\\', "/");
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let slash = if decoded.ends_with('/') && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", segments.join("/"))
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let digit = |at: usize| (*bytes.get(at)? as char).to_digit(16);
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
