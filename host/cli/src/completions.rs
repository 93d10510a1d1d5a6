//! Completions for shells.

use clap::CommandFactory;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::aot;
pub use clap_complete::aot::Shell;

use crate::args::Cli;

/// Parses the shells for which the completions are tested.
pub fn shell() -> impl TypedValueParser<Value = Shell> {
    PossibleValuesParser::new(["bash", "zsh", "fish"]).try_map(|shell| shell.parse::<Shell>())
}

/// The script that completes `latchkey` in `shell`.
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    aot::generate(shell, &mut Cli::command(), "latchkey", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
