//! Users of one run, and password hashes: `--user`, the generated `admin`, and `latchkey hash-password`.

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};

use crate::keygen::SystemRandom;
use latchkey_component::auth::{self, Credentials, GeneratedPassword};
use latchkey_component::config::user_entries;
use latchkey_component::secret::Secret;
use latchkey_component::text::{trim, without_byte_order_mark};
use latchkey_component::token::{Username, UsernameError};
use latchkey_host::variables::{Assignment, Variables};

/// The component's variable with its users: htpasswd entries, separated by whitespace.
const USERS: &str = "users";

/// The user that is made when none is configured.
pub const DEFAULT_USER: &str = "admin";

/// The parameters of the hash: of those that OWASP's Password Storage Cheat Sheet gives as equal in strength, the set with
/// the least memory (7 MiB, 5 passes, 1 lane), since every instance that verifies a password needs as much.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
const LANES: u32 = 1;

/// Why users or passwords are refused. No text holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("a user is given as NAME:PASSWORD")]
    Argument,
    #[error(transparent)]
    Name(#[from] UsernameError),
    #[error("a user name in the variable `users` must not contain whitespace")]
    Whitespace,
    #[error(
        "a user name in the variable `users` must not begin with #, which begins a comment there"
    )]
    Comment,
    #[error(
        "a user name in the variable `users` must not begin with a byte order mark, which is no part of it there"
    )]
    ByteOrderMark,
    #[error("the password of `{0}` must not be empty")]
    EmptyPassword(Username),
    #[error("the user `{0}` is given more than once")]
    Repeated(Username),
    #[error("--user is of no use: the manifest gives the component no variable `users`")]
    NoVariable,
    #[error(
        "the file of the variable `users` is empty: it may have been cut off. If nobody is to sign in with a password, write a \
         comment into it, or leave out the variable"
    )]
    EmptyFile,
    #[error("cannot hash a password: {0}")]
    Hash(String),
}

/// A user of one run.
#[derive(Debug)]
pub struct GivenUser {
    credentials: Credentials,
    /// Whether the password was made here, and has to be shown.
    generated: bool,
}

impl GivenUser {
    fn generate(name: Username) -> Self {
        Self {
            credentials: generate(name),
            generated: true,
        }
    }
}

/// Parses `NAME:PASSWORD`; the password may hold colons, and white space.
pub fn parse(argument: &Secret) -> Result<Credentials, UserError> {
    let (name, password) = line(argument.expose())
        .split_once(':')
        .ok_or(UserError::Argument)?;
    credentials(name.parse()?, password)
}

/// Parses `NAME:PASSWORD`, or `NAME` for a generated password.
pub fn parse_given(argument: &Secret) -> Result<GivenUser, UserError> {
    match line(argument.expose()).contains(':') {
        true => Ok(GivenUser {
            credentials: parse(argument)?,
            generated: false,
        }),
        false => Ok(GivenUser::generate(argument.expose().trim().parse()?)),
    }
}

/// The credentials of a user with a new generated password.
pub fn generate(name: Username) -> Credentials {
    let password = GeneratedPassword::new(&SystemRandom).secret().clone();
    Credentials { name, password }
}

/// The line that a file, a pipe or a variable holds: without its end, and without a byte order mark.
pub fn line(text: &str) -> &str {
    without_byte_order_mark(text).trim_end_matches(['\r', '\n'])
}

/// The credentials of a user, whose password must not be empty.
pub fn credentials(name: Username, password: &str) -> Result<Credentials, UserError> {
    if password.is_empty() {
        return Err(UserError::EmptyPassword(name));
    }
    let password = password.into();
    Ok(Credentials { name, password })
}

/// Parses a name that an entry can hold.
pub fn parse_entry_name(name: &str) -> Result<Username, UserError> {
    if name.contains(char::is_whitespace) {
        return Err(UserError::Whitespace);
    } else if name.starts_with('#') {
        return Err(UserError::Comment);
    } else if without_byte_order_mark(name) != name {
        return Err(UserError::ByteOrderMark);
    }
    Ok(name.parse()?)
}

/// The htpasswd entry: `name:$sha256$…` for a generated password, else `name:$argon2id$…` with a new random salt.
pub fn entry(user: &Credentials) -> Result<String, UserError> {
    let name = parse_entry_name(user.name.as_str())?;
    if let Some(password) = GeneratedPassword::parse(&user.password) {
        return Ok(format!("{name}:{}", password.hash()));
    }
    let password = auth::prepare(&user.password);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.expose().as_bytes(), &random::<16>()?)
        .map_err(failed)?;
    Ok(format!("{name}:{hash}"))
}

/// Fails if the variable `users` is read from a file that is empty.
pub fn check_file(given: &[Assignment], variables: &Variables) -> Result<(), UserError> {
    let is_file = given.iter().rev().find_map(|assignment| match assignment {
        Assignment::Value(name, _) if name == USERS => Some(false),
        Assignment::File(name, _) if name == USERS => Some(true),
        Assignment::Value(..) | Assignment::File(..) | Assignment::Map(_) => None,
    });
    let users = variables.get(USERS);
    match users.is_some_and(|users| trim(users.expose()).is_empty()) && is_file == Some(true) {
        true => Err(UserError::EmptyFile),
        false => Ok(()),
    }
}

/// The users of one run.
#[derive(Debug)]
pub struct Added {
    /// Their entries. They are made once: a hash of the same password would be another.
    entries: Secret,
    /// Those whose password was generated, to be shown once.
    pub generated: Vec<Credentials>,
}

impl Added {
    /// Adds the users to `variables` that were resolved anew. The component refuses a name that is there twice.
    pub fn add_to(&self, variables: &mut Variables) {
        if let Some(configured) = variables.get(USERS) {
            let entries = format!("{}{}", configured.expose(), self.entries.expose());
            variables.set(USERS, entries.into());
        }
    }
}

/// The variables by which users sign in without a password.
const OTHER_MEANS: &[&str] = &["proxy_user_header", "trusted_issuers"];

/// Adds the `given` users to the variable `users`. If nobody has named any, nor another way to sign in, adds
/// [`DEFAULT_USER`].
///
/// Who gives the variable wants no such user, even if it is empty: the file may have been truncated, and the password would
/// be in the log.
pub fn add_to(variables: &mut Variables, mut given: Vec<GivenUser>) -> Result<Added, UserError> {
    let mut entries = match variables.get(USERS) {
        Some(configured) => configured.expose().to_owned(),
        None if given.is_empty() => String::new(),
        None => return Err(UserError::NoVariable),
    };
    let configured = entries.len();
    let mut means = [USERS].iter().chain(OTHER_MEANS);
    let is_open = variables.get(USERS).is_some() && !means.any(|name| variables.is_given(name));
    if given.is_empty() && entries.trim().is_empty() && is_open {
        given.push(GivenUser::generate(DEFAULT_USER.parse()?));
    }
    for GivenUser { credentials, .. } in &given {
        let name = credentials.name.as_str();
        let is_same = |entry: &str| {
            entry
                .split_once(':')
                .is_some_and(|(other, _)| other == name)
        };
        if user_entries(&entries).any(is_same) {
            return Err(UserError::Repeated(credentials.name.clone()));
        }
        entries.push('\n');
        entries.push_str(&entry(credentials)?);
    }
    given.retain(|user| user.generated);
    let added = Added {
        entries: entries[configured..].into(),
        generated: given.into_iter().map(|user| user.credentials).collect(),
    };
    added.add_to(variables);
    Ok(added)
}

fn random<const N: usize>() -> Result<[u8; N], UserError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn failed(error: impl ToString) -> UserError {
    UserError::Hash(error.to_string())
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    fn given(argument: &str) -> GivenUser {
        parse_given(&argument.into()).unwrap()
    }

    fn user(argument: &str) -> Credentials {
        parse(&argument.into()).unwrap()
    }

    fn with_users(users: &str) -> Variables {
        let mut variables = Variables::default();
        variables.set(USERS, users.into());
        variables
    }

    fn names(variables: &Variables) -> Vec<&str> {
        let entries = variables.get(USERS).unwrap().expose().split_whitespace();
        entries
            .map(|entry| entry.split_once(':').unwrap().0)
            .collect()
    }

    #[test]
    fn an_entry_verifies_its_password() {
        let ada = user("Jos\u{e9}:a:b c");
        let made = entry(&ada).unwrap();
        let hash = made.strip_prefix("Jos\u{e9}:").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{hash}");
        assert!(Argon2::default().verify_password(b"a:b c", hash).is_ok());
        assert!(Argon2::default().verify_password(b"a:b", hash).is_err());
        assert_ne!(entry(&ada).unwrap(), made);
    }

    #[test]
    fn refuses_what_nobody_can_sign_in_with() {
        let long = "a".repeat(256) + ":hunter2";
        for (argument, error) in [
            ("hunter2", UserError::Argument),
            (":hunter2", UsernameError::Empty.into()),
            ("a\u{7f}:hunter2", UsernameError::Control.into()),
            (&*long, UsernameError::TooLong.into()),
            ("a:", UserError::EmptyPassword("a".parse().unwrap())),
        ] {
            let refused = parse(&argument.into()).unwrap_err();
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
            assert_eq!(refused, error, "{argument}");
        }
    }

    #[test]
    fn refuses_names_that_no_entry_can_hold() {
        for name in ["a b", "a\u{a0}b", "a\tb"] {
            assert_eq!(parse_entry_name(name), Err(UserError::Whitespace));
        }
        let marked = parse_entry_name("\u{feff}a");
        assert_eq!(marked, Err(UserError::ByteOrderMark));
        let colon = parse_entry_name("a:b");
        assert_eq!(colon, Err(UsernameError::Colon.into()));
        assert!(parse_entry_name(&"a".repeat(255)).is_ok());
        let long = parse_entry_name(&"a".repeat(256));
        assert_eq!(long, Err(UsernameError::TooLong.into()));

        // Elsewhere a name may hold a space.
        let spaced = user("a b:hunter2");
        assert_eq!(entry(&spaced), Err(UserError::Whitespace));
        let added = add_to(&mut with_users(""), vec![given("a b:hunter2")]);
        assert_eq!(added.unwrap_err(), UserError::Whitespace);
    }

    /// Adds the users of these arguments. Returns the names of those whose password was generated.
    fn add(variables: &mut Variables, arguments: &[&str]) -> Result<Vec<String>, UserError> {
        let given = arguments.iter().copied().map(given).collect();
        let generated = add_to(variables, given)?.generated;
        Ok(generated.iter().map(|user| user.name.to_string()).collect())
    }

    #[test]
    fn adds_users() {
        let mut variables = with_users(" ann:$2y$x \n");
        let generated = add(&mut variables, &["bob:1", "cy", " dan\n"]);
        assert_eq!(generated, Ok(vec!["cy".to_owned(), "dan".to_owned()]));
        assert_eq!(names(&variables), ["ann", "bob", "cy", "dan"]);

        let mut variables = with_users("ann:$2y$x");
        assert_eq!(add(&mut variables, &[]), Ok(Vec::new()));
        assert_eq!(names(&variables), ["ann"]);
    }

    #[test]
    fn makes_an_administrator_where_there_is_nobody() {
        let mut variables = with_users(" ");
        assert_eq!(add(&mut variables, &[]), Ok(vec!["admin".to_owned()]));
        assert_eq!(names(&variables), ["admin"]);
        assert_eq!(add(&mut Variables::default(), &[]), Ok(Vec::new()));
    }

    #[test]
    fn a_generated_password_has_a_fast_hash_wherever_it_is_from() {
        let generated = generate("ci".parse().unwrap());
        let made = entry(&generated).unwrap();
        assert!(made.starts_with("ci:$sha256$"), "{made}");
        let argument = format!("ci:{}", generated.password.expose());
        assert_eq!(entry(&user(&argument)).unwrap(), made);
        assert_ne!(generate("ci".parse().unwrap()).password, generated.password);
    }

    #[test]
    fn one_name_one_user() {
        let repeated = Err(UserError::Repeated("bob".parse().unwrap()));
        assert_eq!(add(&mut with_users(""), &["bob:1", "bob:2"]), repeated);
        assert_eq!(add(&mut with_users("bob:$2y$x"), &["bob"]), repeated);
        let nowhere = add(&mut Variables::default(), &["bob:1"]);
        assert_eq!(nowhere, Err(UserError::NoVariable));
    }
}
