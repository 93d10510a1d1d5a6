//! Where this machine gets its Debian packages from, in both of apt's formats (sources.list(5)).

use std::fs;
use std::path::{Path, PathBuf};

/// A Debian archive that the machine uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) uri: String,
    /// The keyring that the machine verifies it with, where the entry names a file.
    pub(super) signed_by: Option<String>,
}

/// Where Debian's package of its archive's keys puts them, by the name in its newer and in its older versions.
const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// The archives in apt's sources on this machine, the likeliest first.
pub(super) fn of_this_machine() -> Vec<Archive> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut parts: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        parts.sort();
        files.extend(parts);
    }
    let texts = files
        .iter()
        .filter_map(|path| Some((path.as_path(), fs::read_to_string(path).ok()?)));
    archives(texts)
}

fn archives<'a>(files: impl Iterator<Item = (&'a Path, String)>) -> Vec<Archive> {
    let mut archives = Vec::new();
    for (path, text) in files {
        let entries = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line(&text),
            Some("sources") => deb822(&text),
            _ => Vec::new(),
        };
        for archive in entries
            .iter()
            .filter(|entry| entry.may_be_debian())
            .flat_map(Entry::archives)
        {
            if !archives.contains(&archive) {
                archives.push(archive);
            }
        }
    }
    // Others have a component `main` as well; they lack our suite, but asking them takes time.
    archives.sort_by_key(|archive| !archive.uri.trim_end_matches('/').ends_with("/debian"));
    archives
}

/// The line of a `sources.list` for the component main of one suite, only its index of packages.
pub(super) fn line(archive: &Archive, suite: &str) -> String {
    let exists = |path: &&str| Path::new(path).is_file();
    let named = archive.signed_by.as_deref().filter(exists);
    // Without either, apt verifies with the keys that it trusts for everything; it never does without a signature.
    let keyring = named.or(KEYRINGS.into_iter().find(|path| exists(path)));
    let signed_by = keyring
        .map(|path| format!(" signed-by={path}"))
        .unwrap_or_default();
    format!(
        "deb [target=Packages{signed_by}] {} {suite} main\n",
        archive.uri
    )
}

/// One entry, in either format.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    types: Vec<String>,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
    disabled: bool,
}

impl Entry {
    /// Binary packages with the component main, and not the security archive, which has no full suite.
    fn may_be_debian(&self) -> bool {
        let has = |values: &[String], wanted: &str| values.iter().any(|value| value == wanted);
        let security = |suite: &String| suite.ends_with("-security") || suite.ends_with("/updates");
        !self.disabled
            && has(&self.types, "deb")
            && has(&self.components, "main")
            && !self.suites.iter().all(security)
    }

    fn archives(&self) -> impl Iterator<Item = Archive> {
        let over_a_network =
            |uri: &&String| !uri.starts_with("cdrom:") && !uri.contains("debian-security");
        self.uris.iter().filter(over_a_network).map(|uri| Archive {
            uri: uri.clone(),
            signed_by: self.signed_by.clone(),
        })
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A keyring that is named by its file; it can also be a fingerprint, or the key itself.
fn keyring(value: &str) -> Option<String> {
    let value = value.trim();
    value
        .starts_with('/')
        .then(|| value.to_owned())
        .filter(|path| !path.contains(char::is_whitespace))
}

/// `deb [signed-by=/k.gpg arch=amd64] http://deb.debian.org/debian bookworm main contrib`
fn one_line(text: &str) -> Vec<Entry> {
    let parse = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (kind, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut rest = rest.split_whitespace().map(str::to_owned);
        Some(Entry {
            types: vec![kind.to_owned()],
            uris: vec![rest.next()?],
            suites: vec![rest.next()?],
            components: rest.collect(),
            signed_by: options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="))
                .and_then(keyring),
            disabled: false,
        })
    };
    text.lines().filter_map(parse).collect()
}

/// Paragraphs of `Field: value`, with continuation lines and comments.
fn deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for paragraph in lines.split(|line| line.trim().is_empty()) {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in paragraph {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((field, value)) = line.split_once(':') {
                fields.push((field.to_ascii_lowercase(), value.to_owned()));
            }
        }
        let field = |name: &str| {
            fields
                .iter()
                .find(|(field, _)| field == name)
                .map_or("", |(_, value)| value)
        };
        if !fields.is_empty() {
            entries.push(Entry {
                types: words(field("types")),
                uris: words(field("uris")),
                suites: words(field("suites")),
                components: words(field("components")),
                signed_by: keyring(field("signed-by")),
                disabled: matches!(field("enabled").trim(), "no" | "false" | "0" | "off"),
            });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// File name, text, and the archives in it: address and keyring.
    type Row = (
        &'static str,
        &'static str,
        &'static [(&'static str, Option<&'static str>)],
    );

    const DEBIAN: &str = "http://deb.debian.org/debian";

    #[test]
    fn apt_sources() {
        let table: [Row; 18] = [
            (
                "a.list",
                "deb http://deb.debian.org/debian bookworm main",
                &[(DEBIAN, None)],
            ),
            (
                "a.list",
                "  deb\thttp://deb.debian.org/debian  trixie contrib main # mine",
                &[(DEBIAN, None)],
            ),
            (
                "a.list",
                "deb [ arch=amd64 signed-by=/k.gpg ] http://deb.debian.org/debian bookworm main",
                &[(DEBIAN, Some("/k.gpg"))],
            ),
            (
                "a.list",
                "#deb http://deb.debian.org/debian bookworm main",
                &[],
            ),
            (
                "a.list",
                "deb-src http://deb.debian.org/debian bookworm main",
                &[],
            ),
            (
                "a.list",
                "deb http://deb.debian.org/debian bookworm contrib",
                &[],
            ),
            (
                "a.list",
                "deb http://security.debian.org/debian-security bookworm-security main",
                &[],
            ),
            (
                "a.list",
                "deb http://security.debian.org/ buster/updates main",
                &[],
            ),
            ("a.list", "deb cdrom:[Debian 12]/ bookworm main", &[]),
            (
                "a.list",
                "deb [unclosed http://deb.debian.org/debian bookworm main\ndeb\n\n",
                &[],
            ),
            (
                "a.sources",
                "Types: deb deb-src\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\n\
                 Components: main\nSigned-By: /k.gpg\n",
                &[(DEBIAN, Some("/k.gpg"))],
            ),
            (
                "a.sources",
                "# a comment\nTypes: deb\n# another\nuris:\n http://deb.debian.org/debian\n https://m.example/debian/\n\
                 Suites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n",
                &[(DEBIAN, None), ("https://m.example/debian/", None)],
            ),
            (
                "a.sources",
                "Types: deb\nURIs: http://a/debian-security\nSuites: bookworm-security\nComponents: main\n\n\n\
                 Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n",
                &[(DEBIAN, None)],
            ),
            (
                "a.sources",
                "Enabled: no\nTypes: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main\n",
                &[],
            ),
            (
                "a.sources",
                "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n",
                &[("mirror+file:/etc/apt/mirrors/debian.list", None)],
            ),
            // The likeliest first.
            (
                "a.list",
                "deb https://packages.example/apt bookworm main\ndeb http://deb.debian.org/debian bookworm main",
                &[(DEBIAN, None), ("https://packages.example/apt", None)],
            ),
            // Once each.
            (
                "a.list",
                "deb http://deb.debian.org/debian bookworm main\ndeb http://deb.debian.org/debian bookworm-updates main",
                &[(DEBIAN, None)],
            ),
            (
                "a.sources.disabled",
                "Types: deb\nURIs: http://a/debian\nSuites: s\nComponents: main\n",
                &[],
            ),
        ];
        for (name, text, expected) in table {
            let found = archives([(Path::new(name), text.to_owned())].into_iter());
            let found: Vec<_> = found
                .iter()
                .map(|archive| (archive.uri.as_str(), archive.signed_by.as_deref()))
                .collect();
            assert_eq!(found, expected, "{name}: {text}");
        }
    }

    #[test]
    fn the_line_for_apt() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let archive = Archive {
            uri: DEBIAN.to_owned(),
            signed_by: Some(path.to_owned()),
        };
        assert_eq!(
            line(&archive, "forky"),
            format!(
                "deb [target=Packages signed-by={path}] http://deb.debian.org/debian forky main\n"
            )
        );
        let absent = Archive {
            signed_by: Some("/nonexistent/keyring.gpg".to_owned()),
            ..archive
        };
        assert!(!line(&absent, "forky").contains("nonexistent"));
        assert!(!line(&absent, "forky").contains("trusted="));
    }
}
