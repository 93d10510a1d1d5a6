//! The command line of the client: `latchkey token`.

use clap::{Args, Subcommand};

use super::unless_blank;
use latchkey_component::lifetime::Lifetime;
use latchkey_component::secret::Secret;

/// What `latchkey token --help` says beside its options; `docs/client.md` says the same at length.
pub const ABOUT: &str = "\
Create, list, show, revoke and rotate the tokens of a user, on any Latchkey server.

What a program wants is on standard output: `create` and `rotate` print the new token there, and
nothing else, so that TOKEN=$(latchkey token create ci --life \"30 days\") works. What people want
to know besides is on standard error.";

/// Where credentials come from, and how it ends.
pub const AFTER: &str = "\
Who signs in, in this order:
  1. LATCHKEY_USER=name:password, unless --user gives another name
  2. --user NAME; the password is asked for on the terminal
  3. the entry for the server's host in ~/.netrc, or in the file that NETRC names

TOKEN is a token's id, its exact name, or the beginning of its id, at least 4 characters of it.
What fits more than one token is refused. With --id it is an id and nothing else.

Exit codes: 0 done; 1 refused by the server, or failed otherwise; 2 wrong command line; 3 not
signed in; 4 no such token, or more than one that could be meant; 5 the server cannot be reached,
is not available, or is no Latchkey server; 6 there are tokens that `list --expiring` was to find.";

/// The options of `latchkey token`.
#[derive(Debug, Args)]
pub struct Token {
    /// Which server, and as whom
    #[command(flatten)]
    pub connection: Connection,

    /// What to do
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// The options that all commands of the client have.
#[derive(Debug, Args)]
pub struct Connection {
    /// The server
    ///
    /// Its address, with a path if it is served below one: https://example.org/latchkey. What ends in /api/v1alpha is
    /// taken as it is.
    // A secret, because a password may be in it by mistake.
    #[arg(
        long,
        value_name = "URL",
        env = unless_blank("LATCHKEY_URL"),
        hide_env_values = true,
        default_value = "http://127.0.0.1:25441",
        global = true,
        help_heading = "Which server, and who signs in"
    )]
    pub url: Secret,

    /// Sign in as this user; the password is asked for
    #[arg(
        long,
        value_name = "NAME",
        global = true,
        help_heading = "Which server, and who signs in"
    )]
    pub user: Option<String>,
}

/// The commands of `latchkey token`.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token, and print it
    #[command(long_about = "\
Create a token, and print it on standard output. It is shown this once.

A connection that breaks, and a server that is not available for a moment, are tried again, at
most three times. However often that is, one token is created.")]
    Create {
        /// What the token is called
        name: String,

        /// How long it lives, such as "30 days", "6 hours", 1h30m; or seconds
        #[arg(long)]
        life: String,

        /// What it may be used for, such as "read write"; if not given, for all that its user can
        #[arg(long, value_name = "WORDS")]
        scope: Option<String>,

        /// A service that it is for; may be repeated. If not given, it is for all of them
        #[arg(long, value_name = "SERVICE")]
        audience: Vec<String>,

        /// Print the whole answer of the server
        #[arg(long)]
        json: bool,
    },
    /// List all tokens, newest first
    List {
        /// Only those that end within this time, such as "7 days". If there are any, the exit code is 6
        #[arg(long, value_name = "TIME", conflicts_with = "json")]
        expiring: Option<Lifetime>,

        /// Print the answer of the server
        #[arg(long)]
        json: bool,
    },
    /// Show one token, but for the token itself
    Show {
        /// Id, exact name, or beginning of the id
        token: String,

        /// TOKEN is an id, and no name
        #[arg(long)]
        id: bool,

        /// Print the answer of the server
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token, or all of them, or those that were found somewhere
    Revoke {
        /// Id, exact name, or beginning of the id
        #[arg(required_unless_present_any = ["all", "stdin"], conflicts_with_all = ["all", "stdin"])]
        token: Option<String>,

        /// TOKEN is an id, and no name
        #[arg(long, conflicts_with = "all")]
        id: bool,

        /// Revoke all tokens of the user, expired ones included
        #[arg(long)]
        all: bool,

        /// Revoke the tokens themselves that are on standard input, with white space between them
        ///
        /// For tokens that have leaked, whosever they are. Nobody signs in: who has a token may end it.
        #[arg(long, conflicts_with_all = ["all", "id", "yes"])]
        stdin: bool,

        /// Do not ask whether all are to be revoked
        #[arg(long)]
        yes: bool,
    },
    /// Replace a token by a new one of the same name, and print that
    #[command(long_about = "\
Replace a token by a new one of the same name, and print that on standard output. It is shown this
once.

This is tried once. If the answer is lost, `latchkey token list` shows whether there is a new
token; that one can be rotated again.")]
    Rotate {
        /// Id, exact name, or beginning of the id
        token: String,

        /// TOKEN is an id, and no name
        #[arg(long)]
        id: bool,

        /// How long the new token lives; if not given, as long as the old one did
        #[arg(long)]
        life: Option<String>,

        /// How long the old one stays good; if not given, it ends at once
        #[arg(long)]
        overlap: Option<String>,

        /// Print the whole answer of the server
        #[arg(long)]
        json: bool,
    },
}
