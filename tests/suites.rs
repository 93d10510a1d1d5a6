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
        let suites = [Self::Component, Self::Handler, Self::Edge];
        match std::env::var(SUITE) {
            Err(_) => Self::Component,
            Ok(wanted) => suites
                .into_iter()
                .find(|suite| suite.name() == wanted)
                .unwrap_or_else(|| panic!("{SUITE} is {wanted}")),
        }
    }

    /// Whether this process is a run that another one has started: it starts none itself.
    pub fn is_nested() -> bool {
        Self::current() != Self::Component
    }

    fn name(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Handler => "handler",
            Self::Edge => "edge",
        }
    }

    /// Runs it: these parts, but for the tests that differ, which are named with the reason.
    pub fn run(self, parts: &[&str], differing: &[(&str, &str)]) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(SUITE, self.name()).args(parts);
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

/// The parts of the suite that say something about any component.
pub const PARTS: &[&str] = &[
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
