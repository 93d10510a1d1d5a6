//! Prepares the documents that are part of the component: compresses them, tags them, and writes down which style and
//! script the page may have (Content Security Policy Level 3, section 2.3.1).

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

const DOCUMENTS: &str = "src/api/document";

#[allow(
    clippy::disallowed_methods,
    reason = "this is how cargo tells a build script where to write"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={DOCUMENTS}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let page = read("index.html");
    let openapi = read("openapi.json");
    serde_json::from_str::<serde_json::Value>(&openapi).expect("openapi.json is JSON");

    let mut constants = String::new();
    let _ = writeln!(
        constants,
        "const CONTENT_SECURITY_POLICY: &str = {:?};",
        policy(&page)
    );
    keep(&out, &mut constants, "index.html", &page);
    keep(&out, &mut constants, "openapi.json", &compact(&openapi));
    fs::write(out.join("documents.rs"), constants).expect("OUT_DIR can be written");
}

fn read(name: &str) -> String {
    let path = Path::new(DOCUMENTS).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The same JSON without the white space between its tokens: its members stay in their order, and its numbers as they are
/// written.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|character| {
            let kept = in_string || !character.is_ascii_whitespace();
            in_string ^= *character == '"' && !escaped;
            escaped = in_string && *character == '\\' && !escaped;
            kept
        })
        .collect()
}

/// Compresses a document, and adds to `constants` what is known of it.
fn keep(out: &Path, constants: &mut String, name: &str, text: &str) {
    // Without a name and a time, so that the same text gives the same component.
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    fs::write(out.join(format!("{name}.gz")), gzip).expect("OUT_DIR can be written");

    let constant = name.to_uppercase().replace('.', "_");
    let _ = writeln!(
        constants,
        "const {constant}_LENGTH: usize = {};",
        text.len()
    );
    // A part of the digest is enough: nobody gains by a collision.
    let tag = format!("W/\"{}\"", &digest(text)[..16]);
    let _ = writeln!(constants, "const {constant}_TAG: &str = {tag:?};");
}

/// What the page may do: run its one script, apply its one style, ask this server.
fn policy(page: &str) -> String {
    let script = digest(element(page, "script"));
    let style = digest(element(page, "style"));
    format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The text of the one element of this name.
fn element<'a>(page: &'a str, name: &str) -> &'a str {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    match page.split(&start).collect::<Vec<_>>()[..] {
        [_, rest] => rest.split_once(&end).expect("the element ends").0,
        _ => panic!("the page has not exactly one {start}"),
    }
}

fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}
