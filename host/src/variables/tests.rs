use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsRawFd;

use super::*;

/// What a manifest declares, and the templates of a component.
struct Manifest {
    variables: BTreeMap<String, Option<Secret>>,
    templates: BTreeMap<String, String>,
}

fn manifest(variables: &[(&str, Option<&str>)], templates: &[(&str, &str)]) -> Manifest {
    Manifest {
        variables: variables
            .iter()
            .map(|(name, default)| (String::from(*name), default.map(Secret::from)))
            .collect(),
        templates: templates
            .iter()
            .map(|(name, template)| (String::from(*name), String::from(*template)))
            .collect(),
    }
}

impl Manifest {
    fn resolve(
        &self,
        given: &[Assignment],
        environment: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Variables, VariableError> {
        ApplicationVariables::resolve(&self.variables, given, environment)?.of(&self.templates)
    }
}

fn nothing(_: &str) -> Result<String, VarError> {
    Err(VarError::NotPresent)
}

#[test]
fn templates() {
    let manifest = manifest(
        &[("a", Some("A{{ b }}")), ("b", Some("B"))],
        &[
            ("plain", "text }} { {"),
            ("one", "{{a}}"),
            ("around", "<{{ a }}|{{  b  }}>"),
            ("empty", ""),
        ],
    );
    let variables = manifest.resolve(&[], nothing).unwrap();
    let value = |name| variables.get(name).map(Secret::expose);
    assert_eq!(value("plain"), Some("text }} { {"));
    // A value is not a template in its turn.
    assert_eq!(value("one"), Some("A{{ b }}"));
    assert_eq!(value("around"), Some("<A{{ b }}|B>"));
    assert_eq!(value("empty"), Some(""));
    assert_eq!(value("a"), None);
}

#[test]
fn hosts_are_templates_too() {
    let declared = BTreeMap::from([("host".to_owned(), Some(Secret::from("a.example")))]);
    let application = ApplicationVariables::resolve(&declared, &[], nothing).unwrap();
    let hosts = |template: &str| application.hosts(&[template.to_owned()]);
    let expanded = hosts("https://{{ host }}").unwrap();
    assert_eq!(expanded, ["https://a.example".into()]);
    let error = hosts("https://{{ tsoh }}").unwrap_err().to_string();
    assert!(error.contains("declares no variable `tsoh`"), "{error}");
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_default() {
    let names = ["both", "environment", "neither"];
    let declared = names.map(|name| (name, Some("default")));
    let templates = names.map(|name| (name, format!("{{{{ {name} }}}}")));
    let templates = templates.each_ref().map(|(name, t)| (*name, t.as_str()));
    let environment = |key: &str| match key {
        "SPIN_VARIABLE_BOTH" | "SPIN_VARIABLE_ENVIRONMENT" => Ok("environment".to_owned()),
        _ => Err(VarError::NotPresent),
    };
    let given = ["both=first", "both=a=b"].map(|argument| argument.parse().unwrap());
    let variables = manifest(&declared, &templates)
        .resolve(&given, environment)
        .unwrap();
    let values = names.map(|name| variables.get(name).unwrap().expose());
    assert_eq!(values, ["a=b", "environment", "default"]);
    let given = names.map(|name| variables.is_given(name));
    assert_eq!(given, [true, true, false]);
}

#[test]
fn files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let given = [
        format!("a=@{}", file("a.txt", "\u{feff}from a file\n")),
        format!("@{}", file("b.json", "\u{feff}{\"b\": \"from JSON\"}")),
        format!("@{}", file("c.toml", "\u{feff}c = 'from TOML'")),
    ]
    .map(|argument| argument.parse().unwrap());
    let manifest = manifest(
        &[("a", None), ("b", None), ("c", None)],
        &[("all", "{{ a }}{{ b }}{{ c }}")],
    );
    let variables = manifest.resolve(&given, nothing).unwrap();
    let all = variables.get("all").unwrap().expose();
    assert_eq!(all, "from a file\nfrom JSONfrom TOML");

    for content in ["hunter2", "{\"b\": {\"hunter2\": 1}}", "[\"hunter2\"]"] {
        let given = [Assignment::Map(file("bad.json", content).into())];
        let error = manifest.resolve(&given, nothing).unwrap_err();
        assert!(error.to_string().contains("bad.json"), "{error}");
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn says_what_is_wrong() {
    let not_unicode = |_: &str| Err(VarError::NotUnicode(OsString::from("hunter2")));
    type Environment = fn(&str) -> Result<String, VarError>;
    let cases: [(Manifest, &[&str], Environment, &str); 7] = [
        (
            manifest(&[], &[]),
            &["a=hunter2"],
            nothing,
            "declares no variable `a`",
        ),
        (
            manifest(&[("a", None)], &[]),
            &["a=@/nowhere"],
            nothing,
            "/nowhere",
        ),
        (
            manifest(&[("a_b", None)], &[]),
            &[],
            nothing,
            "`a_b` is required: give it with --variable a_b=VALUE or as SPIN_VARIABLE_A_B",
        ),
        (
            manifest(&[("a", None)], &[]),
            &[],
            not_unicode,
            "SPIN_VARIABLE_A is not valid Unicode",
        ),
        (
            manifest(&[("a", Some(""))], &[("x", "{{ b }}")]),
            &[],
            nothing,
            "`x` is not a valid template: the manifest declares no variable `b`",
        ),
        (
            manifest(&[], &[("x", "{{ b")]),
            &[],
            nothing,
            "a `{{` is never closed",
        ),
        (
            manifest(&[("A", Some(""))], &[]),
            &[],
            nothing,
            "only lower-case letters",
        ),
    ];
    for (manifest, given, environment, reason) in cases {
        let given: Vec<Assignment> = given.iter().map(|a| a.parse().unwrap()).collect();
        let error = manifest.resolve(&given, environment).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
        assert!(!format!("{error}{error:?}{given:?}").contains("hunter2"));
    }
    for argument in ["hunter2", "@hunter2", "@a.yaml", ""] {
        let error = argument.parse::<Assignment>().unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }
}

#[test]
fn names() {
    for name in ["a", "a1", "a_b", "users", "max_token_life"] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    for name in ["", "A", "1a", "_a", "a_", "a__b", "a-b", "a b", "\u{e9}"] {
        assert!(check_name(name).is_err(), "{name}");
    }
}

/// As a shell has it: `--variable one=@<(command)`.
#[test]
fn a_pipe_is_read_once() {
    let manifest = manifest(&[("one", Some(""))], &[("one", "{{ one }}")]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"1").unwrap();
    drop(writer);
    let argument = format!("one=@/dev/fd/{}", reader.as_raw_fd());
    let assignment: Assignment = argument.parse().unwrap();
    let settled = assignment.clone().settled().unwrap();
    assert!(settled.iter().all(|one| one.file().is_none()));
    for _ in 0..2 {
        let variables = manifest.resolve(&settled, nothing).unwrap();
        assert_eq!(variables.get("one").map(Secret::expose), Some("1"));
    }
    // What became one since is not waited for.
    let error = manifest.resolve(&[assignment], nothing).unwrap_err();
    assert!(error.to_string().contains("it is not a file"), "{error}");
    // Files are read again, also those that are not there yet.
    let missing: Assignment = "one=@/nowhere".parse().unwrap();
    assert!(missing.settled().unwrap()[0].file().is_some());
}
