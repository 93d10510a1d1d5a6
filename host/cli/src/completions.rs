//! Completions for shells.

use clap::CommandFactory;
use clap_complete::aot;

use crate::args::Cli;
use crate::args::token::Shell;

/// The script that completes `latchkey` in `shell`.
pub fn script(shell: Shell) -> String {
    let mut command = Cli::command();
    let mut script = Vec::new();
    let generator = match shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    aot::generate(generator, &mut command, "latchkey", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
