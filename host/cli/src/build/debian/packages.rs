//! Which packages a program needs in order to run, from their own declarations.

use std::collections::{BTreeMap, BTreeSet};

/// What an index says about one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Debian's section: `libs` holds shared libraries.
    pub(super) section: String,
    /// Of the package file, in bytes.
    pub(super) size: u64,
    /// The names it depends on, before or after installation; of alternatives, every one.
    pub(super) depends: Vec<String>,
}

/// The packages described in the output of `apt-cache show`: paragraphs of `Field: value`, a blank line between them.
pub(super) fn parse(text: &str) -> Vec<Package> {
    text.split("\n\n").filter_map(parse_paragraph).collect()
}

fn parse_paragraph(paragraph: &str) -> Option<Package> {
    let field = |name: &str| {
        let mut lines = paragraph.lines().filter_map(|line| line.split_once(':'));
        lines.find_map(|(field, value)| (field == name).then(|| value.trim()))
    };
    let depends = ["Pre-Depends", "Depends"].into_iter().filter_map(field);
    Some(Package {
        name: field("Package")?.to_owned(),
        version: field("Version")?.to_owned(),
        section: field("Section").unwrap_or_default().to_owned(),
        size: field("Size")?.parse().ok()?,
        depends: depends.flat_map(names).collect(),
    })
}

/// The names in a dependency field (Debian Policy, section 7.1): `libc6:any (>= 2.38), a | b [amd64]`.
fn names(field: &str) -> impl Iterator<Item = String> {
    field
        .split([',', '|'])
        .filter_map(|part| {
            part.split([' ', '(', '[', ':', '<'])
                .find(|word| !word.is_empty())
        })
        .map(str::to_owned)
}

/// Whether a program that is only run, never linked against, needs this package: a shared library or a part of Rust's
/// standard library. A C compiler, headers and binutils, which rustc asks for too, are the machine's own.
fn is_needed(package: &Package) -> bool {
    package.section == "libs" || package.name.starts_with("libstd-rust-")
}

/// The packages `roots` and all that they need, by name. `show` looks names up and leaves out those it does not know,
/// which may be virtual.
pub(super) fn closure(
    roots: &[&str],
    show: impl Fn(&[String]) -> Result<Vec<Package>, String>,
) -> Result<BTreeMap<String, Package>, String> {
    let mut needed: BTreeMap<String, Package> = BTreeMap::new();
    let mut asked: BTreeSet<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    let mut ask: Vec<String> = asked.iter().cloned().collect();
    while !ask.is_empty() {
        let found = show(&ask)?;
        ask.clear();
        for package in found {
            if !is_needed(&package) && !roots.contains(&package.name.as_str()) {
                continue;
            }
            let new = package
                .depends
                .iter()
                .filter(|name| asked.insert((*name).clone()));
            ask.extend(new.cloned());
            needed.insert(package.name.clone(), package);
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "\
Package: rustc
Version: 1.97.1+dfsg1-1
Section: rust
Size: 4494600
Depends: libc6 (>= 2.34), libstd-rust-dev (= 1.97.1+dfsg1-1), gcc, libc-dev, binutils (>= 2.26)
Description-en: Rust: a systems programming language
 Depends: nothing, this line is part of the description
Recommends: cargo

Package: libstd-rust-dev-wasm32
Version: 1.97.1+dfsg1-1
Section: libdevel
Size: 86779936

Package: libstd-rust-dev
Version: 1.97.1+dfsg1-1
Section: rust
Size: 36225480
Depends: libstd-rust-1.97 (= 1.97.1+dfsg1-1)

Package: libstd-rust-1.97
Version: 1.97.1+dfsg1-1
Section: libs
Size: 22298040
Depends: libc6 (>= 2.39), libllvm22 (>= 1:22.1.0) | libllvm23, zlib1g

Package: libllvm22
Version: 1:22.1.8-1
Section: libs
Size: 29425708
Pre-Depends: libc6:any

Package: libc6
Version: 2.43-7
Section: libs
Size: 1866392
Depends: libstd-rust-1.97

Package: zlib1g
Version: 1:1.3.2-3
Section: libs
Size: 90912

Package: gcc
Version: 4:16.2
Section: devel
Size: 5000
Depends: libisl

Package: libisl
Version: 1
Section: libs
Size: 1

Package: binutils
Version: 2.46
Section: devel
Size: 5000
";

    #[test]
    fn dependency_fields() {
        let table: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("gcc", &["gcc"]),
            ("libc6 (>= 2.38), libedit2(>= 2.11)", &["libc6", "libedit2"]),
            ("a | b (<< 1:2~) , c", &["a", "b", "c"]),
            ("libc6:any, python3:amd64 (= 3)", &["libc6", "python3"]),
            (
                "a [amd64 arm64], libstdc++6 <!nocheck>",
                &["a", "libstdc++6"],
            ),
        ];
        for (field, expected) in table {
            assert_eq!(names(field).collect::<Vec<_>>(), expected, "{field:?}");
        }
    }

    #[test]
    fn paragraphs() {
        let packages = parse(INDEX);
        assert_eq!(packages.len(), 10);
        assert_eq!(
            packages[0],
            Package {
                name: "rustc".to_owned(),
                version: "1.97.1+dfsg1-1".to_owned(),
                section: "rust".to_owned(),
                size: 4_494_600,
                depends: ["libc6", "libstd-rust-dev", "gcc", "libc-dev", "binutils"]
                    .map(str::to_owned)
                    .to_vec(),
            }
        );
        assert_eq!(packages[4].depends, ["libc6"]);
        assert!(parse("").is_empty());
        assert!(parse("N: Unable to locate package\n\nPackage: half\n").is_empty());
    }

    #[test]
    fn rustc_runs_with_its_libraries_and_without_a_c_compiler() {
        let index = parse(INDEX);
        let show = |names: &[String]| {
            let wanted = index.iter().filter(|package| names.contains(&package.name));
            Ok(wanted.cloned().collect())
        };
        let needed = closure(&["rustc", "libstd-rust-dev-wasm32"], show).unwrap();
        assert_eq!(
            needed.keys().collect::<Vec<_>>(),
            [
                "libc6",
                "libllvm22",
                "libstd-rust-1.97",
                "libstd-rust-dev",
                "libstd-rust-dev-wasm32",
                "rustc",
                "zlib1g"
            ]
        );
    }
}
