//! Who signs in: `LATCHKEY_USER`, `--user`, `.netrc`.

use std::env::{self, VarError};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use latchkey_component::auth::Credentials;
use latchkey_component::text;
use latchkey_component::token::{Username, UsernameError};

use super::address::Address;
use super::error::ClientError;
use super::netrc;
use crate::terminal::{say, visible};
use crate::users;

const VARIABLE: &str = "LATCHKEY_USER";

/// Finds who signs in at `address`: see [`crate::args::token::AFTER`].
pub fn find(address: &Address, user: Option<&str>) -> Result<Credentials, ClientError> {
    if let Some(given) = from_variable()?
        && user.is_none_or(|user| user == given.name.as_str())
    {
        return Ok(given);
    }
    match user {
        Some(name) => ask(address, name),
        None => from_netrc(address.host()),
    }
}

fn from_variable() -> Result<Option<Credentials>, ClientError> {
    let wrong = |problem: &str| ClientError::Usage(format!("{VARIABLE}: {problem}"));
    match env::var(VARIABLE) {
        Ok(given) if text::trim(&given).is_empty() => Ok(None),
        Ok(given) => users::parse(&given.into())
            .map(Some)
            .map_err(|error| wrong(&visible(&error.to_string()))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(wrong("it is not UTF-8")),
    }
}

/// Asks on the terminal itself: standard input may be something else.
fn ask(address: &Address, name: &str) -> Result<Credentials, ClientError> {
    let name: Username = name
        .parse()
        .map_err(|error| ClientError::Usage(format!("--user: {error}")))?;
    let shown = visible(name.as_str());
    let failed = |problem: &str| {
        ClientError::NotSignedIn(format!(
            "cannot ask for the password of {shown}: {problem}; set {VARIABLE}=name:password"
        ))
    };
    let question = format!("Password of {shown} at {address}: ");
    let password =
        rpassword::prompt_password(question).map_err(|error| match error.raw_os_error() {
            // What opening /dev/tty says to a process that has no terminal.
            Some(_) => failed("there is no terminal"),
            None => failed(&error.to_string()),
        })?;
    users::credentials(name, &password).map_err(|_| failed("it is empty"))
}

fn from_netrc(host: &str) -> Result<Credentials, ClientError> {
    let host_shown = visible(host);
    let nobody = || {
        ClientError::NotSignedIn(format!(
            "who signs in? Set {VARIABLE}=name:password, or give --user NAME and the password on the \
             terminal, or put `machine {host_shown} login NAME password PASSWORD` into ~/.netrc"
        ))
    };
    let named = env::var_os("NETRC").filter(|file| !file.is_empty());
    let must_exist = named.is_some();
    let file = named
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".netrc")))
        .ok_or_else(nobody)?;
    let wrong = |problem: &dyn ToString| {
        let problem = visible(&problem.to_string());
        ClientError::NotSignedIn(format!("{}: {problem}", file.display()))
    };
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return Err(nobody()),
        read => read.map_err(|error| wrong(&error))?,
    };
    let entry = netrc::find(&text, host).map_err(|error| wrong(&error))?;
    let entry = entry.ok_or_else(nobody)?;
    let (Some(login), Some(password)) = (entry.login, entry.password) else {
        let problem = format!("the entry for {host_shown} needs both login and password");
        return Err(wrong(&problem));
    };
    warn_if_others_can_read(&file);
    let name = login
        .parse()
        .map_err(|error: UsernameError| wrong(&error))?;
    users::credentials(name, password.expose()).map_err(|error| wrong(&error))
}

fn warn_if_others_can_read(file: &Path) {
    if fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        let file = file.display();
        say(&format!(
            "warning: other users of this machine may read {file}: chmod 600 {file}"
        ));
    }
}
