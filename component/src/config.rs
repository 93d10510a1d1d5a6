//! The configuration: variables in, a valid [`Config`] or the reason why there is none out.

mod values;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use http::HeaderName;

use crate::auth::{
    LoginProxy, MIN_PROXY_SECRET_BYTES, PROXY_SECRET_HEADER, PasswordHash, TrustedIssuers, User,
    Users,
};
use crate::jwt::KeySet;
use crate::lifetime::{self, Lifetime};
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
    PROXY_USER_HEADER,
    PROXY_SECRET,
    TRUSTED_ISSUERS,
    MAX_ABSENCE,
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
const PROXY_USER_HEADER: &str = "proxy_user_header";
const PROXY_SECRET: &str = "proxy_secret";
const TRUSTED_ISSUERS: &str = "trusted_issuers";
const MAX_ABSENCE: &str = "max_absence";

/// The highest `max_tokens_per_user`. With the longest descriptions, a ledger of so many is 1.2 MB, which Azure Cosmos DB
/// takes (2 MB); DynamoDB (400 KB) takes one of 300. With the longest limits it is three times as large: a store that does
/// not take it refuses the creation.
const TOKENS_CEILING: usize = 1_000;

/// A validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may sign in with a password. There are some, or another means.
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
    /// Who is signed in by a proxy, if there is a login proxy.
    pub proxy: Option<LoginProxy>,
    /// Whose ID tokens sign in.
    pub trusted_issuers: TrustedIssuers,
    /// How long after their last sign-in the tokens of those are good who did not sign in with a password.
    pub max_absence: Lifetime,
}

/// Why there is no [`Config`]. The messages name the variable and the entry, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error(
        "no users are configured: set the variable `users` to entries `name:hash`, as `latchkey user add NAME --file FILE` \
         writes them"
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
        let proxy = parse_proxy(get(PROXY_USER_HEADER), get(PROXY_SECRET))?;
        let issuer = parse_issuer(get(ISSUER), get(AUDIENCE))?;
        let trusted_issuers = get(TRUSTED_ISSUERS)
            .map_or_else(
                || Ok(TrustedIssuers::default()),
                |text| TrustedIssuers::parse(&text),
            )
            .map_err(|problem| invalid(TRUSTED_ISSUERS, problem))?;
        // A token cannot make tokens.
        if issuer
            .as_ref()
            .is_some_and(|issuer| trusted_issuers.include(&issuer.name))
        {
            return Err(invalid(TRUSTED_ISSUERS, "one of them is our own `issuer`"));
        }
        let users = get(USERS)
            .map_or(Ok(Vec::new()), |users| parse_users(&users))
            .map_err(|problem| invalid(USERS, problem))?;
        if users.is_empty() && proxy.is_none() && trusted_issuers.is_empty() {
            return Err(ConfigError::NoUsers);
        }
        Ok(Self {
            users: Users::new(users),
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
                // Zero: an expired token is gone at once.
                .map_or(Ok(Duration::from_secs(30 * DAY)), |life| {
                    lifetime::or_zero(&life)
                })
                .map_err(|problem| invalid(EXPIRED_RETENTION, problem))?,
            issuer,
            client_address_header: get(CLIENT_ADDRESS_HEADER)
                .map(|name| name.trim().parse())
                .transpose()
                .map_err(|_| invalid(CLIENT_ADDRESS_HEADER, NO_HEADER))?,
            admins: parse_admins(&get(ADMINS).unwrap_or_default())
                .map_err(|problem| invalid(ADMINS, problem))?,
            proxy,
            trusted_issuers,
            max_absence: get(MAX_ABSENCE)
                .map_or_else(|| Lifetime::from_secs(30 * DAY), |life| life.parse())
                .map_err(|problem| invalid(MAX_ABSENCE, problem))?,
        })
    }
}

impl Config {
    /// Whether anything but a password may vouch for a user.
    pub fn vouches(&self) -> bool {
        self.proxy.is_some() || !self.trusted_issuers.is_empty()
    }

    /// Itself, unless its keys are to be made by the store: for a store that cannot.
    pub fn require_signing_keys(self) -> Result<Self, ConfigError> {
        match self.signing_keys {
            Some(_) => Ok(self),
            None => Err(ConfigError::NoSigningKeys),
        }
    }
}

const DAY: u64 = 24 * 60 * 60;

const NO_HEADER: &str = "it is not the name of a header";

/// A variable that has a value of no use, and why; the problem must not repeat a secret.
pub fn invalid(variable: &'static str, problem: impl ToString) -> ConfigError {
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

/// Whether `text` can be the variable `users`.
///
/// # Errors
///
/// What is wrong with an entry.
pub fn check_users(text: &str) -> Result<(), String> {
    parse_users(text).map(drop)
}

/// A problem names the entry by its number, and by its name unless that may be a password or a hash.
fn parse_users(text: &str) -> Result<Vec<User>, String> {
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
    Ok(users)
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

/// Headers that mean something else.
const TAKEN_HEADERS: [&str; 5] = [
    "authorization",
    "cookie",
    "host",
    "x-api-key",
    PROXY_SECRET_HEADER,
];

fn parse_proxy(
    header: Option<String>,
    secret: Option<String>,
) -> Result<Option<LoginProxy>, ConfigError> {
    let (header, secret) = match (header, secret) {
        (Some(header), Some(secret)) => (header, secret),
        (None, None) => return Ok(None),
        (Some(_), None) => {
            let problem = "it needs the variable `proxy_secret` beside it";
            return Err(invalid(PROXY_USER_HEADER, problem));
        }
        (None, Some(_)) => {
            let problem = "it needs the variable `proxy_user_header` beside it";
            return Err(invalid(PROXY_SECRET, problem));
        }
    };
    let user_header: HeaderName = header
        .parse()
        .map_err(|_| invalid(PROXY_USER_HEADER, NO_HEADER))?;
    if TAKEN_HEADERS.contains(&user_header.as_str()) {
        let problem = "this header has another meaning";
        return Err(invalid(PROXY_USER_HEADER, problem));
    }
    let problem = if secret.starts_with('@') {
        format!("it cannot begin with @{}", file_hint(&secret))
    } else if secret.len() < MIN_PROXY_SECRET_BYTES {
        format!("it must have at least {MIN_PROXY_SECRET_BYTES} bytes")
    } else if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        "no header can hold it: write ASCII characters without spaces".to_owned()
    } else if secret.bytes().all(|byte| secret.as_bytes()[0] == byte) {
        "it is one character, repeated".to_owned()
    } else {
        let secret = secret.into();
        return Ok(Some(LoginProxy {
            user_header,
            secret,
        }));
    };
    Err(invalid(PROXY_SECRET, problem))
}

fn parse_count(text: &str) -> Result<usize, String> {
    match text.trim().parse() {
        Ok(count @ 1..=TOKENS_CEILING) => Ok(count),
        _ => Err(format!("write a whole number from 1 to {TOKENS_CEILING}")),
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
