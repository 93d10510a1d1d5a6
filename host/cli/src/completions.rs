//! Completions for shells.

use clap::Command;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::aot;
pub use clap_complete::aot::Shell;

/// Parses the shells for which the completions are tested.
pub fn shell() -> impl TypedValueParser<Value = Shell> {
    PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|shell| shell.parse::<Shell>())
}

/// The script that completes `command` in `shell`.
pub fn script(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    aot::generate(shell, &mut command, "latchkey", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
