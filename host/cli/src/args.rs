//! The command line.

pub mod token;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::completions::{self, Shell};
use crate::keygen::KeyAlgorithm;
use crate::logging::LogFormat;
use crate::up::address::ListenAddress;
use latchkey_component::secret::Secret;
use token::Token;

/// Personal access tokens over HTTP: a server, and a client for it.
#[derive(Debug, Parser)]
#[command(
    name = "latchkey",
    version,
    arg_required_else_help = true,
    after_help = "\
Exit codes: 0 done, which for `up` is a shutdown by SIGINT or SIGTERM; 1 failed, such as a
component that cannot be built or served; 2 wrong command line. `token` has more:
`latchkey token --help`.

RUST_LOG sets what `up` logs on standard error: RUST_LOG=warn leaves out the line for each
request and the lines for an auditor, RUST_LOG=warn,latchkey::audit=info only the former."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the component if need be, and serve it
    #[command(long_about = "\
Build the component if it is missing or older than its sources, and serve it.

Reads spin.toml as `spin up` does, and prints one line on standard output when it is ready:
Listening on http://127.0.0.1:25441")]
    Up(Up),
    /// Print the entry of a user for the variable `users`
    #[command(long_about = "\
Print the entry of a user for the variable `users`: NAME:$argon2id$...

With --generate the password is made here and printed on standard error, once. It has 256 random
bits, so its entry, NAME:$sha256$..., needs no slow hash. Programs and users of a password manager
should have one. Without, the password is asked for on a terminal, twice and without showing it, or else read from
standard input, one line. Entries are separated by whitespace, so that they can be kept in a
file and given as --variable users=@FILE, here and to `spin up`.")]
    HashPassword {
        /// The name of the user
        name: String,

        /// Generate a password and print it on standard error
        #[arg(long)]
        generate: bool,
    },
    /// Add, remove and list the users of a file, which servers follow
    #[command(long_about = "\
Add, remove and list the users of a file that servers have as --variable users=@FILE. They follow
it without a restart: `latchkey up` within seconds, others when they read it again.

The file is replaced as a whole, and keeps its mode, its owner, its comments and its order.")]
    User(User),
    /// Print a new key for the variable `signing_keys`
    #[command(long_about = "\
Print a new key for the variable `signing_keys`, as a JWK Set. It is a secret: keep it in a file
that only the server can read, and give it as --variable signing_keys=@FILE, here and to
`spin up`.

With --rotate, put a new key first in such a file instead. `latchkey up` signs with it within
seconds, `spin up` from its next start on; the others stay, so that the tokens that they signed
stay good. Remove a key when the last of those has expired.")]
    Keygen(Keygen),
    /// Create, list, show, revoke and rotate tokens, on any server
    #[command(long_about = token::ABOUT, after_long_help = token::AFTER)]
    Token(Token),
    /// See to the guard of an application
    Guard {
        /// What to do
        #[command(subcommand)]
        command: Guard,
    },
    /// Make a store ready, or copy one to another
    #[command(subcommand)]
    Store(Store),
    /// Print completions for a shell
    #[command(long_about = "\
Print completions for a shell, on standard output.

  bash: latchkey completions bash > ~/.local/share/bash-completion/completions/latchkey
  zsh:  latchkey completions zsh > a directory of your $fpath, as _latchkey
  fish: latchkey completions fish > ~/.config/fish/completions/latchkey.fish")]
    Completions {
        /// The shell
        #[arg(value_parser = completions::shell())]
        shell: Shell,
    },
}

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Make what a server needs in a store: the table in PostgreSQL, the file of SQLite
    #[command(long_about = "\
Make what a server needs in a store, if it is not there: the table `latchkey` in PostgreSQL, or the
file of SQLite. A server does so itself at its start, if it may. Where it may not, run this as a user
who may, and grant the server's user the use of the table:

  GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey TO ...")]
    Init {
        /// The store, as for `latchkey up --store`; @FILE reads it from a file
        #[arg(value_name = "URL")]
        store: Secret,
    },
    /// Copy everything in one store to another, and verify it
    #[command(long_about = "\
Copy everything in one store to another, read both again, and compare. Stop all servers on both
before. The target must be empty; what was copied until an error stays there.")]
    Copy {
        /// The store to copy, as for `latchkey up --store`; @FILE reads it from a file
        #[arg(value_name = "FROM")]
        from: Secret,

        /// The store to fill
        #[arg(value_name = "TO")]
        to: Secret,
    },
}

/// The name of an environment variable, unless it is set to nothing, which is as good as not set.
fn unless_blank(name: &'static str) -> Option<&'static str> {
    let blank = std::env::var(name).is_ok_and(|value| value.trim().is_empty());
    (!blank).then_some(name)
}

/// What there is of `latchkey guard`.
#[derive(Debug, Subcommand)]
pub enum Guard {
    /// Look for ways past the guard in a manifest
    #[command(long_about = "\
Look for ways past the guard in a manifest, and for a guard that is not granted what it needs.

Middleware belongs to a trigger. So a second trigger reaches the component past the guard, and so
may another component, by http://<component>.spin.internal. Prints each on a line of its own.

Exit codes: 0 nothing is wrong; 1 something is, or nothing is guarded; 2 the manifest cannot be
read.")]
    Check(GuardCheck),
}

/// The options of `latchkey guard check`.
#[derive(Debug, Args)]
pub struct GuardCheck {
    /// The manifest
    #[arg(value_name = "FILE", default_value = "spin.toml")]
    pub manifest: PathBuf,

    /// The guard's component; by default any whose file is latchkey_guard.wasm or latchkey_guard_offline.wasm
    #[arg(long, value_name = "ID")]
    pub guard: Option<String>,
}

/// `latchkey user`.
#[derive(Debug, Args)]
pub struct User {
    /// What to do.
    #[command(subcommand)]
    pub command: UserCommand,
}

/// The commands of `latchkey user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Add a user
    #[command(long_about = "\
Add a user. The password is asked for on a terminal, or else read from standard input, as by
`latchkey hash-password`.

The entry says since when the user has the name, as `:since=` and the seconds since 1970. Should
somebody have had it before, that user's tokens stay dead.")]
    Add {
        /// The name of the user
        name: String,

        /// The file; it is made if it is missing
        #[arg(long, value_name = "FILE")]
        file: PathBuf,

        /// Generate a password and print it on standard output, once
        #[arg(long)]
        generate: bool,

        /// Give a user that is there another password; the user's tokens stay
        #[arg(long)]
        replace: bool,
    },
    /// Remove a user
    #[command(long_about = "\
Remove a user. The user can no longer sign in, and the user's tokens are refused. They stay dead if
the name is added again by `latchkey user add`, but not if an entry without `since` is written by
hand.")]
    Remove {
        /// The name of the user
        name: String,

        /// The file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// List the users: name, kind of password, and since when
    List {
        /// The file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// The options of `latchkey keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The algorithm; HS256 if neither this nor a file says otherwise
    #[arg(long, value_name = "ALG", ignore_case = true)]
    pub alg: Option<KeyAlgorithm>,

    /// Put the key first in this file, and print nothing
    #[arg(long, value_name = "FILE")]
    pub rotate: Option<PathBuf>,
}

/// The options of `latchkey up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Address to listen on; port 0 picks a free one
    ///
    /// HOST:PORT. Of the addresses of a name it is one, IPv4 first: localhost:25441 is 127.0.0.1. Without a host, :25441, it
    /// is every IPv4 address of this machine.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25441")]
    pub listen: ListenAddress,

    /// Where the tokens are kept: sqlite:PATH, postgres://HOST, redis://HOST or memory:
    ///
    /// The default is the file of `spin up`, .spin/sqlite_key_value.db beside the manifest. `memory:` is gone when the
    /// server ends. postgres://[USER[:PASSWORD]@]HOST[:PORT][,HOST...][/DATABASE] and
    /// redis[s]://[USER:PASSWORD@]HOST[:PORT][/DATABASE][?wait=REPLICAS] may be shared by any number of servers; with a
    /// password, give it in the environment, or as @FILE, where other users of this machine do not see it.
    #[arg(
        long,
        value_name = "URL",
        env = unless_blank("LATCHKEY_STORE"),
        hide_env_values = true
    )]
    pub store: Option<Secret>,

    /// Add a user for this run; repeatable
    ///
    /// For a quick try: other users of this machine can see the password in the list of processes. To keep users, make a file
    /// of them with `latchkey user add NAME --file FILE`, and give it as --variable users=@FILE. Without a password, NAME gets
    /// a generated one, which is printed once. If there are no users, `admin` is made that way.
    #[arg(long = "user", value_name = "NAME[:PASSWORD]")]
    pub users: Vec<Secret>,

    /// Set a variable of the application; repeatable
    ///
    /// NAME=VALUE, NAME=@FILE (the value is all of the file), or @FILE.json or @FILE.toml (names and values). Wins over
    /// the environment variable SPIN_VARIABLE_<NAME>, which wins over the default in the manifest.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub variables: Vec<Secret>,

    /// The manifest
    #[arg(long, value_name = "FILE", default_value = "spin.toml")]
    pub manifest: PathBuf,

    /// Serve metrics for Prometheus on this address, at /metrics; port 0 picks a free one
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<ListenAddress>,

    /// How lines of the log are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Serve this component, and build nothing
    #[arg(long, value_name = "FILE")]
    pub component: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn debug_shows_no_secret() {
        let arguments = [
            "latchkey",
            "up",
            "--user",
            "a:hunter2",
            "--variable",
            "x=hunter2",
            "--store",
            "redis://:hunter2@localhost",
        ];
        let cli = Cli::parse_from(arguments);
        assert!(!format!("{cli:?}").contains("hunter2"));

        let arguments = ["latchkey", "token", "list", "--url", "http://a:hunter2@b"];
        let cli = Cli::parse_from(arguments);
        assert!(!format!("{cli:?}").contains("hunter2"));
    }
}
