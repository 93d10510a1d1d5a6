//! The file of users that servers follow: `latchkey user`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_component::auth::Credentials;
use latchkey_component::config::{SINCE, check_users, user_entries};
use latchkey_component::text::{rfc3339, without_byte_order_mark};
use latchkey_component::token::Username;

use crate::locked_file::LockedFile;
use crate::terminal::visible;
use crate::users::{self, UserError};

/// Why a file is as it was. No text holds a password or a hash.
#[derive(Debug, thiserror::Error)]
pub enum UserFileError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    #[error("cannot replace {0}: {1}")]
    Write(PathBuf, io::Error),
    #[error("{0} has the user `{1}` already; --replace gives another password")]
    Present(PathBuf, Username),
    #[error("{0} has no user `{1}`")]
    Absent(PathBuf, Username),
    #[error(
        "`{1}` is the last user in {0}: without one, servers would go on with the users that they have"
    )]
    Last(PathBuf, Username),
    #[error("servers would not take {0}: {1}")]
    Invalid(PathBuf, String),
    #[error(transparent)]
    User(#[from] UserError),
}

/// Fails if [`add`] would, because of the name.
pub fn check_name(path: &Path, name: &Username, replace: bool) -> Result<(), UserFileError> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|error| UserFileError::Read(path.to_owned(), error))?,
    };
    expect(path, name, find(&text, name).is_some(), replace)
}

/// Adds a user, or replaces the password of one.
pub fn add(path: &Path, user: &Credentials, replace: bool) -> Result<(), UserFileError> {
    let mut entry = users::entry(user)?;
    let open = match replace {
        true => LockedFile::open(path),
        false => LockedFile::open_or_create(path),
    };
    let (file, mut text) = read(path, open)?;
    let present = find(&text, &user.name).map(str::to_owned);
    expect(path, &user.name, present.is_some(), replace)?;
    match present {
        Some(present) => {
            // The name stays with the user that has it.
            if let Some((_, since)) = present.rsplit_once(SINCE) {
                entry = format!("{entry}{SINCE}{since}");
            }
            text = map_entries(&text, |other| match other == present {
                true => Some(&entry),
                false => Some(other),
            });
        }
        None => {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("{entry}{SINCE}{}\n", now()));
        }
    }
    replace_text(path, &file, &text)
}

/// Removes a user.
pub fn remove(path: &Path, name: &Username) -> Result<(), UserFileError> {
    let (file, text) = read(path, LockedFile::open(path))?;
    if find(&text, name).is_none() {
        return Err(UserFileError::Absent(path.to_owned(), name.clone()));
    }
    let text = map_entries(&text, |entry| (!is_of(entry, name)).then_some(entry));
    if user_entries(&text).next().is_none() {
        return Err(UserFileError::Last(path.to_owned(), name.clone()));
    }
    replace_text(path, &file, &text)
}

/// A line for each user.
pub fn list(path: &Path) -> Result<Vec<String>, UserFileError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| UserFileError::Read(path.to_owned(), error))?;
    check(path, &text)?;
    let rows = user_entries(&text).map(|entry| {
        let (name, rest) = entry.split_once(':').unwrap_or((entry, ""));
        let (hash, since) = rest.rsplit_once(SINCE).unwrap_or((rest, ""));
        let kind = match hash {
            hash if hash.starts_with("$sha256$") => "generated",
            hash if hash.starts_with("$argon2id$") => "argon2id",
            _ => "bcrypt",
        };
        let since = since.parse().map_or("-".to_owned(), rfc3339);
        format!("{}\t{kind}\t{since}", visible(name))
    });
    Ok(rows.collect())
}

fn expect(
    path: &Path,
    name: &Username,
    is_present: bool,
    replace: bool,
) -> Result<(), UserFileError> {
    match (is_present, replace) {
        (true, false) => Err(UserFileError::Present(path.to_owned(), name.clone())),
        (false, true) => Err(UserFileError::Absent(path.to_owned(), name.clone())),
        (true, true) | (false, false) => Ok(()),
    }
}

fn read(path: &Path, file: io::Result<LockedFile>) -> Result<(LockedFile, String), UserFileError> {
    let read = |error| UserFileError::Read(path.to_owned(), error);
    let file = file.map_err(read)?;
    let text = file.text().map_err(read)?;
    Ok((file, text))
}

fn find<'a>(text: &'a str, name: &Username) -> Option<&'a str> {
    user_entries(text).find(|entry| is_of(entry, name))
}

fn is_of(entry: &str, name: &Username) -> bool {
    let found = entry.split_once(':');
    found.is_some_and(|(other, _)| other == name.as_str())
}

/// Replaces entries, or removes them, and with the last of its line the line; everything else stays.
fn map_entries<'a>(text: &'a str, map: impl Fn(&'a str) -> Option<&'a str>) -> String {
    let mut mapped = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        let mut new = String::new();
        for entry in user_entries(line) {
            // An entry of this line, so it is there.
            let (before, after) = rest.split_once(entry).unwrap_or((rest, ""));
            rest = after;
            match map(entry) {
                Some(entry) => new.extend([before, entry]),
                // What separated it goes with it, but not a byte order mark.
                None => new.push_str(before.trim_end()),
            }
        }
        new.push_str(rest);
        let is_gone = without_byte_order_mark(&new).trim().is_empty();
        if !is_gone || line.trim().is_empty() {
            mapped.push_str(&new);
        }
    }
    mapped
}

fn replace_text(path: &Path, file: &LockedFile, text: &str) -> Result<(), UserFileError> {
    check(path, text)?;
    file.replace(text)
        .map_err(|error| UserFileError::Write(path.to_owned(), error))
}

fn check(path: &Path, text: &str) -> Result<(), UserFileError> {
    let checked = check_users(text);
    checked.map_err(|problem| UserFileError::Invalid(path.to_owned(), problem))
}

fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.unwrap_or_default().as_secs()
}
