//! The configuration: variables in, a valid [`Config`] or the reason why there is none out.

mod values;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use http::HeaderName;

use crate::auth::{PasswordHash, User, Users};
use crate::jwt::KeySet;
use crate::lifetime::{Lifetime, LifetimeError};
use crate::text;
use crate::token::{Issuer, Username};

pub use values::{REFUSED, REVISION, Values};

/// The variables that the component reads.
pub const VARIABLES: &[&str] = &[
    USERS,
    SIGNING_KEYS,
    MAX_TOKEN_LIFE,
    MAX_TOKENS_PER_USER,
    EXPIRED_RETENTION,
    ISSUER,
    AUDIENCE,
    CLIENT_ADDRESS_HEADER,
    ADMINS,
];

const USERS: &str = "users";
const SIGNING_KEYS: &str = "signing_keys";
const MAX_TOKEN_LIFE: &str = "max_token_life";
const MAX_TOKENS_PER_USER: &str = "max_tokens_per_user";
const EXPIRED_RETENTION: &str = "expired_retention";
const ISSUER: &str = "issuer";
const AUDIENCE: &str = "audience";
const CLIENT_ADDRESS_HEADER: &str = "client_address_header";
const ADMINS: &str = "admins";

/// The highest `max_tokens_per_user`. With the longest descriptions, a ledger of so many is 1.2 MB, which Azure Cosmos DB
/// takes (2 MB); DynamoDB (400 KB) takes one of 300. With the longest limits it is three times as large: a store that does
/// not take it refuses the creation.
const TOKENS_CEILING: usize = 1_000;

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may sign in.
    pub users: Users,
    /// The keys, or `None` for the one in the store.
    pub signing_keys: Option<KeySet>,
    /// The longest life that a token may be given.
    pub max_token_life: Lifetime,
    /// How many listed tokens a user may have.
    pub max_tokens_per_user: usize,
    /// How long an expired token stays listed.
    pub expired_retention: Duration,
    /// The registered claims of new tokens, if they have any.
    pub issuer: Option<Issuer>,
    /// The header in which a proxy gives the client's address, if there is a proxy.
    pub client_address_header: Option<HeaderName>,
    /// Who may see and end the tokens of all users, and make tokens for them. They need not be in [`Self::users`].
    pub admins: BTreeSet<Username>,
}

/// Why there is no [`Config`]. The messages name the variable and the entry, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error(
        "no users are configured: set the variable `users` to entries `name:hash`, where `latchkey hash-password NAME` \
         makes an entry"
    )]
    NoUsers,
    #[error(
        "no signing keys are configured, and this store cannot make one: set the variable `signing_keys` to a secret of \
         at least 32 bytes, or to a JWK Set as `latchkey keygen` makes it"
    )]
    NoSigningKeys,
    #[error("the variable `{variable}` cannot be used: {problem}")]
    Invalid {
        variable: &'static str,
        problem: String,
    },
    #[error("the variable `{variable}` cannot be read")]
    Unreadable { variable: &'static str },
}

impl Config {
    /// Reads each variable by `variable`, without the white space and the byte order mark around it. One that is not set,
    /// or blank, has its default.
    pub fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let get = |name| {
            let value = variable(name)?;
            let value = text::trim(&value);
            (!value.is_empty()).then(|| value.to_owned())
        };
        Ok(Self {
            users: parse_users(&get(USERS).ok_or(ConfigError::NoUsers)?)
                .map_err(|problem| invalid(USERS, problem))?
                .ok_or(ConfigError::NoUsers)?,
            signing_keys: get(SIGNING_KEYS)
                .map(|keys| keys.parse())
                .transpose()
                .map_err(|problem| invalid(SIGNING_KEYS, problem))?,
            max_token_life: get(MAX_TOKEN_LIFE)
                .map_or_else(|| Lifetime::from_secs(366 * DAY), |life| life.parse())
                .map_err(|problem| invalid(MAX_TOKEN_LIFE, problem))?,
            max_tokens_per_user: get(MAX_TOKENS_PER_USER)
                .map_or(Ok(100), |count| parse_count(&count))
                .map_err(|problem| invalid(MAX_TOKENS_PER_USER, problem))?,
            expired_retention: get(EXPIRED_RETENTION)
                .map_or(Ok(Duration::from_secs(30 * DAY)), |life| {
                    parse_retention(&life)
                })
                .map_err(|problem| invalid(EXPIRED_RETENTION, problem))?,
            issuer: parse_issuer(get(ISSUER), get(AUDIENCE))?,
            client_address_header: get(CLIENT_ADDRESS_HEADER)
                .map(|name| name.trim().parse())
                .transpose()
                .map_err(|_| invalid(CLIENT_ADDRESS_HEADER, "it is not the name of a header"))?,
            admins: parse_admins(&get(ADMINS).unwrap_or_default())
                .map_err(|problem| invalid(ADMINS, problem))?,
        })
    }
}

impl Config {
    /// Itself, unless its keys are to be made by the store: for a store that cannot.
    pub fn require_signing_keys(self) -> Result<Self, ConfigError> {
        match self.signing_keys {
            Some(_) => Ok(self),
            None => Err(ConfigError::NoSigningKeys),
        }
    }
}

const DAY: u64 = 24 * 60 * 60;

fn invalid(variable: &'static str, problem: impl ToString) -> ConfigError {
    ConfigError::Invalid {
        variable,
        problem: problem.to_string(),
    }
}

/// What stands between the hash of a user's password and the second in which the name was given to the user, which an entry
/// may end with. Older tokens are those of another user who had the name, and are dead.
pub const SINCE: &str = ":since=";

/// The entries of the variable `users`: as in an htpasswd file, separated by white space. An entry that begins with `#`
/// is a comment, to the end of its line.
pub fn user_entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| {
        // Files that were joined may have a byte order mark in the middle.
        let entries = text::without_byte_order_mark(line).split_whitespace();
        entries.take_while(|entry| !entry.starts_with('#'))
    })
}

/// The users of the variable `users`, or `None` if there are no entries. A problem names the entry by its number, and by its name unless that may be a password
/// or a hash.
pub fn parse_users(text: &str) -> Result<Option<Users>, String> {
    let mut users = Vec::new();
    let mut names = HashSet::new();
    for (index, entry) in user_entries(text).enumerate() {
        let number = index + 1;
        let (name, hash) = entry
            .split_once(':')
            .ok_or_else(|| format!("entry {number} is not `name:hash`{}", file_hint(entry)))?;
        let user_name: Username = name
            .parse()
            .map_err(|error| format!("entry {number}: {error}"))?;
        let shown = match name.contains('$') {
            true => format!("entry {number}"),
            false => format!("entry {number} (`{name}`)"),
        };
        let problem = |problem: &dyn ToString| format!("{shown}: {}", problem.to_string());
        let (hash, since) = match hash.rsplit_once(SINCE) {
            Some((hash, secs)) => (hash, parse_since(secs).map_err(|error| problem(&error))?),
            None => (hash, 0),
        };
        let hash = match hash.rsplit_once(':') {
            Some((_, rest)) if rest.parse::<PasswordHash>().is_ok() => {
                Err(problem(&"a user name must not contain a colon"))
            }
            _ => hash.parse().map_err(|error| problem(&error)),
        }?;
        if !names.insert(name) {
            return Err(problem(&"the same name as an earlier entry"));
        }
        users.push(User {
            name: user_name,
            hash,
            since,
        });
    }
    Ok((!users.is_empty()).then(|| Users::new(users)))
}

/// Seconds since the Unix epoch, up to the year 9999: more of them were milliseconds.
fn parse_since(secs: &str) -> Result<u64, &'static str> {
    let is_number = secs.bytes().all(|byte| byte.is_ascii_digit());
    let secs = secs.parse().ok().filter(|_| is_number);
    secs.filter(|secs| *secs <= 253_402_300_799)
        .ok_or("write `since=` and the seconds since 1970")
}

/// What to say of a value that seems to name a file.
fn file_hint(value: &str) -> &'static str {
    match value.starts_with('@') {
        true => "; it looks like the name of a file, which only --variable NAME=@FILE reads",
        false => "",
    }
}

/// Names, separated by white space or commas.
fn parse_admins(text: &str) -> Result<BTreeSet<Username>, String> {
    let is_separator = |c: char| c == ',' || c.is_whitespace();
    let names = text.split(is_separator).filter(|name| !name.is_empty());
    let parse = |(index, name): (usize, &str)| {
        let number = index + 1;
        match name.parse() {
            _ if name.starts_with('@') => Err(format!("entry {number}{}", file_hint(name))),
            Err(error) => Err(format!("entry {number}: {error}")),
            Ok(name) => Ok(name),
        }
    };
    names.enumerate().map(parse).collect()
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count @ 1..=TOKENS_CEILING) => Ok(count),
        _ => Err(format!("write a whole number from 1 to {TOKENS_CEILING}")),
    }
}

/// A duration, or zero: an expired token is gone at once.
fn parse_retention(text: &str) -> Result<Duration, LifetimeError> {
    match text.parse::<Lifetime>() {
        Ok(life) => Ok(Duration::from_secs(life.as_secs())),
        Err(LifetimeError::Zero) => Ok(Duration::ZERO),
        Err(error) => Err(error),
    }
}

fn parse_issuer(
    issuer: Option<String>,
    audience: Option<String>,
) -> Result<Option<Issuer>, ConfigError> {
    // It becomes a claim as it is.
    for (variable, value) in [(ISSUER, &issuer), (AUDIENCE, &audience)] {
        let value = value.as_deref().unwrap_or_default();
        if value.starts_with('@') {
            let problem = format!("it cannot begin with @{}", file_hint(value));
            return Err(invalid(variable, problem));
        } else if value.contains(text::is_unsafe) {
            let problem = "it has a line break, or another character that cannot be seen";
            return Err(invalid(variable, problem));
        }
    }
    match (issuer, audience) {
        (Some(name), audience) => Ok(Some(Issuer { name, audience })),
        (None, Some(_)) => Err(invalid(
            AUDIENCE,
            "it needs the variable `issuer` beside it",
        )),
        (None, None) => Ok(None),
    }
}
