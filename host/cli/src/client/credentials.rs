//! Who signs in: `LATCHKEY_USER`, `--user`, `.netrc`.

use std::env::{self, VarError};
use std::io;
use std::path::{Path, PathBuf};

use super::address::Address;
use super::netrc::{self, NetrcError};
use crate::terminal::{say, visible};
use crate::users::{Credentials, UserError};
use latchkey_host::secret::Secret;

/// The variable with name and password.
pub const VARIABLE: &str = "LATCHKEY_USER";

/// Why nobody can sign in. No text holds a password.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The variable is there, but is none of ours.
    #[error("{VARIABLE}: {0}")]
    Variable(String),
    /// `--user` with what can be nobody's name.
    #[error("--user: {0}")]
    Option(UserError),
    /// There is no terminal to ask on, or nothing came from it.
    #[error("cannot ask for the password of {name}: {problem}; set {VARIABLE}=name:password")]
    Prompt {
        /// Whose.
        name: String,
        /// Why not.
        problem: String,
    },
    /// A file that is there cannot be read or understood.
    #[error("{}: {problem}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No way led to a password.
    #[error(
        "who signs in? Set {VARIABLE}=name:password, or give --user NAME and the password on the \
         terminal, or put `machine {host} login NAME password PASSWORD` into ~/.netrc"
    )]
    Nobody {
        /// The host of the server.
        host: String,
    },
}

/// Finds who signs in at `address`: see [`crate::args::token::AFTER`].
pub fn find(address: &Address, user: Option<&str>) -> Result<Credentials, CredentialsError> {
    if let Some(given) = from_variable()?
        && user.is_none_or(|user| user == given.name())
    {
        return Ok(given);
    }
    if let Some(name) = user {
        return ask(address, name);
    }
    let nobody = || CredentialsError::Nobody {
        host: visible(address.host()),
    };
    let (file, named) = netrc_file().ok_or_else(nobody)?;
    match std::fs::read_to_string(&file) {
        Ok(text) => from_netrc(&file, &text, address.host())?.ok_or_else(nobody),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !named => Err(nobody()),
        Err(error) => Err(CredentialsError::File {
            file,
            problem: error.to_string(),
        }),
    }
}

fn from_variable() -> Result<Option<Credentials>, CredentialsError> {
    let given: Secret = match env::var(VARIABLE) {
        Ok(given) => given.into(),
        Err(VarError::NotPresent) => return Ok(None),
        Err(VarError::NotUnicode(_)) => {
            return Err(CredentialsError::Variable("it is not UTF-8".to_owned()));
        }
    };
    Credentials::parse(&given)
        .map(Some)
        .map_err(|error| CredentialsError::Variable(visible(&error.to_string())))
}

/// Asks on the terminal itself: standard input may be something else.
fn ask(address: &Address, name: &str) -> Result<Credentials, CredentialsError> {
    crate::users::check_name(name).map_err(CredentialsError::Option)?;
    let problem = |problem: String| CredentialsError::Prompt {
        name: visible(name),
        problem,
    };
    let question = format!("Password of {} at {address}: ", visible(name));
    let password = rpassword::prompt_password(question).map_err(|error| {
        problem(match error.raw_os_error() {
            // What opening /dev/tty says to a process that has no terminal.
            Some(_) => "there is no terminal".to_owned(),
            None => error.to_string(),
        })
    })?;
    Credentials::new(name, password.into()).map_err(|_| problem("it is empty".to_owned()))
}

/// The file, and whether it was named.
fn netrc_file() -> Option<(PathBuf, bool)> {
    match env::var_os("NETRC") {
        Some(file) if !file.is_empty() => Some((file.into(), true)),
        _ => Some((env::home_dir()?.join(".netrc"), false)),
    }
}

fn from_netrc(
    file: &Path,
    text: &str,
    host: &str,
) -> Result<Option<Credentials>, CredentialsError> {
    let wrong = |problem: String| CredentialsError::File {
        file: file.to_owned(),
        problem,
    };
    let found = netrc::find(text, host).map_err(|error: NetrcError| wrong(error.to_string()))?;
    let Some(entry) = found else {
        return Ok(None);
    };
    let (Some(login), Some(password)) = (entry.login, entry.password) else {
        let problem = format!(
            "the entry for {} needs both login and password",
            visible(host)
        );
        return Err(wrong(problem));
    };
    warn_if_others_can_read(file);
    Credentials::new(&login, password)
        .map(Some)
        .map_err(|error| wrong(visible(&error.to_string())))
}

#[cfg(unix)]
fn warn_if_others_can_read(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0);
    if open {
        let file = file.display();
        say(&format!(
            "warning: other users of this machine may read {file}: chmod 600 {file}"
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_file: &Path) {}
