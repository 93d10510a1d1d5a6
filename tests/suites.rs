//! Runs of the suite against other components: this program again, for the parts that say something about a component.

use std::process::Command;

/// Names such a run in its environment.
const SUITE: &str = "LATCHKEY_SUITE";

/// What the hosts of this process serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// The component, in the way of this repository's host.
    Component,
    /// The component by `wasi:http/handler`, in the way of other hosts.
    Handler,
    /// The component for the edge.
    Edge,
}

impl Suite {
    /// That of this process.
    pub fn current() -> Self {
        let suites = [Self::Handler, Self::Edge];
        let wanted = std::env::var(SUITE).ok();
        let is_wanted = |suite: &Self| wanted.as_deref() == Some(suite.name());
        match suites.into_iter().find(is_wanted) {
            Some(suite) => suite,
            None if wanted.is_some() => panic!("{SUITE} is {wanted:?}"),
            None => Self::Component,
        }
    }

    /// Whether this process is one of these runs: it starts no other, and has no component made.
    pub fn is_other() -> bool {
        Self::current() != Self::Component
    }

    fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Handler => "handler",
            Self::Edge => "edge",
        }
    }

    /// Runs the parts, without the tests of these names, which may fail.
    pub fn run(self, differing: &[(&str, &str)]) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(SUITE, self.name()).args(PARTS);
        for (test, _) in differing {
            command.args(["--skip", test]);
        }
        let output = command.output().expect("a run of the suite");
        assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The parts of the suite that say something about a component.
const PARTS: &[&str] = &[
    "authentication::",
    "authorization::",
    "bodies::",
    "concurrency::",
    "conventions::",
    "crash::",
    "create::",
    "delete::",
    "description::",
    "durations::",
    "forgeries::",
    "health::",
    "idempotency::",
    "list::",
    "oauth::",
    "page::anybody",
    "rotate::",
    "scale::",
    "show::",
    "token_format::",
    "verify::",
];
