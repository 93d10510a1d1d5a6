//! Completions for shells, and the page that explains the client.

use std::collections::BTreeSet;
use std::process::Command;

use regex::Regex;

use crate::process::{Process, Stderr, latchkey};
use crate::token_command::run;

fn output<const N: usize>(args: [&str; N]) -> String {
    let finished = Process::start(latchkey(args), Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(0), "{args:?}: {finished:?}");
    assert_eq!(finished.stderr, "", "{args:?}");
    finished.stdout
}

#[test]
fn shells_accept_them() {
    let directory = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        let script = output(["completions", shell]);
        assert!(script.contains("rotate"), "{shell}");
        let file = directory.path().join(shell);
        std::fs::write(&file, script).expect("a file");
        match Command::new(shell).arg("-n").arg(&file).output() {
            Ok(read) => {
                assert!(read.status.success(), "{shell}: {read:?}");
                assert_eq!(String::from_utf8_lossy(&read.stderr), "", "{shell}");
            }
            Err(error) if shell == "bash" => panic!("bash: {error}"),
            Err(error) => eprintln!("SKIPPED {shell}: {error}"),
        }
    }
    let unknown = Process::start(latchkey(["completions", "tcsh"]), Stderr::Kept).finish();
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn bash_completes() {
    let script = r#"
        eval "$("$0" completions bash)"
        COMP_WORDS=(latchkey token rev) COMP_CWORD=2
        _latchkey latchkey rev token
        echo "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new("bash");
    command.args(["-ec", script, env!("CARGO_BIN_EXE_latchkey")]);
    let finished = run(command);
    assert_eq!(finished.stdout, "revoke\n", "{finished:?}");
}

#[test]
fn the_page_knows_every_option() {
    let page = include_str!("../docs/client.md");
    let option = Regex::new("--[a-z][a-z-]*").expect("a valid pattern");
    let options = |text: &str| -> BTreeSet<String> {
        let found = option
            .find_iter(text)
            .map(|found| found.as_str().to_owned());
        found.filter(|name| name != "--help").collect()
    };
    let commands = ["create", "list", "show", "revoke", "rotate"];
    let help: String = commands
        .iter()
        .map(|command| output(["token", command, "--help"]))
        .collect();
    assert_eq!(options(page), options(&help));
    let about = output(["token", "--help"]);
    for command in commands {
        assert!(
            about.contains(&format!("\n  {command} ")),
            "{command}: {about}"
        );
        assert!(
            page.contains(&format!("latchkey token {command}")),
            "{command}"
        );
    }
    // Each exit code has a line in a table, and a clause in the help.
    for code in 0..=5 {
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
        assert!(
            Regex::new(&format!("[:;] +{code} "))
                .is_ok_and(|clause| { clause.is_match(&about.replace('\n', " ")) }),
            "{code}: {about}"
        );
    }
}
