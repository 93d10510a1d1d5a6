//! Users of one run, and password hashes: `--user`, the generated `admin`, and `latchkey hash-password`.

use std::collections::BTreeSet;

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use latchkey_host::secret::Secret;
use latchkey_host::variables::Variables;

/// The component's variable with its users: htpasswd entries, separated by whitespace.
pub const USERS: &str = "users";

/// The user that there is when none is configured.
pub const DEFAULT_USER: &str = "admin";

/// The parameters of the hash: of those that OWASP's Password Storage Cheat Sheet gives as equal in strength, the set with
/// the least memory (7 MiB, 5 passes, 1 lane), since every instance that verifies a password needs as much.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
const LANES: u32 = 1;

/// Why users or passwords are refused. No text holds a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No colon in the argument of `--user`.
    #[error("a user is given as NAME:PASSWORD")]
    Argument,
    /// An empty name.
    #[error("the name of a user must not be empty")]
    EmptyName,
    /// A name that an htpasswd entry cannot hold.
    #[error("the name of a user must not hold whitespace, control characters or a colon")]
    Name,
    /// An empty password.
    #[error("the password of `{0}` must not be empty")]
    EmptyPassword(String),
    /// One name twice.
    #[error("the user `{0}` is given more than once")]
    Repeated(String),
    /// `--user` for a component that has no users.
    #[error("--user is of no use: the manifest gives the component no variable `users`")]
    NoVariable,
    /// The hash or the randomness for it failed.
    #[error("cannot hash a password: {0}")]
    Hash(String),
}

/// A name and a password, both checked for form.
#[derive(Clone, Debug)]
pub struct Credentials {
    name: String,
    password: Secret,
}

impl Credentials {
    /// Checks both.
    pub fn new(name: &str, password: Secret) -> Result<Self, UserError> {
        check_name(name)?;
        if password.expose().is_empty() {
            return Err(UserError::EmptyPassword(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            password,
        })
    }

    /// Parses `NAME:PASSWORD`; the password may hold colons.
    pub fn parse(argument: &Secret) -> Result<Self, UserError> {
        let (name, password) = argument
            .expose()
            .split_once(':')
            .ok_or(UserError::Argument)?;
        Self::new(name, password.into())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// The htpasswd entry `name:$argon2id$…`, with a new random salt.
    pub fn entry(&self) -> Result<String, UserError> {
        let failed = |error: &dyn std::fmt::Display| UserError::Hash(error.to_string());
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| failed(&error))?;
        let params =
            Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| failed(&error))?;
        let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(self.password.expose().as_bytes(), &salt)
            .map_err(|error| failed(&error))?;
        Ok(format!("{}:{hash}", self.name))
    }
}

/// Whether `name` can be the name of a user.
pub fn check_name(name: &str) -> Result<(), UserError> {
    if name.is_empty() {
        Err(UserError::EmptyName)
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control() || c == ':') {
        Err(UserError::Name)
    } else {
        Ok(())
    }
}

/// Adds the `given` users to the variable `users`. If that leaves none, adds [`DEFAULT_USER`] with a random password,
/// which it returns so that it can be shown once.
pub fn add_to(
    variables: &mut Variables,
    given: &[Credentials],
) -> Result<Option<Secret>, UserError> {
    let Some(configured) = variables.get(USERS) else {
        return if given.is_empty() {
            Ok(None)
        } else {
            Err(UserError::NoVariable)
        };
    };
    let mut entries = configured.expose().to_owned();
    let mut names: BTreeSet<_> = entries
        .split_whitespace()
        .filter_map(|entry| Some(entry.split_once(':')?.0.to_owned()))
        .collect();

    let generated = if given.is_empty() && entries.trim().is_empty() {
        Some(Credentials::new(DEFAULT_USER, random_password()?)?)
    } else {
        None
    };
    for credentials in given.iter().chain(&generated) {
        if !names.insert(credentials.name.clone()) {
            return Err(UserError::Repeated(credentials.name.clone()));
        }
        entries.push('\n');
        entries.push_str(&credentials.entry()?);
    }
    variables.set(USERS, entries.into());
    Ok(generated.map(|credentials| credentials.password))
}

/// 144 random bits, in characters that need no quoting in a shell or a URL.
fn random_password() -> Result<Secret, UserError> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|error| UserError::Hash(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier;

    use super::*;

    fn credentials(argument: &str) -> Credentials {
        Credentials::parse(&argument.into()).unwrap()
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
        let entry = credentials("Jos\u{e9}:a:b c").entry().unwrap();
        let hash = entry.strip_prefix("Jos\u{e9}:").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{hash}");
        assert!(Argon2::default().verify_password(b"a:b c", hash).is_ok());
        assert!(Argon2::default().verify_password(b"a:b", hash).is_err());
        assert_ne!(credentials("Jos\u{e9}:a:b c").entry().unwrap(), entry);
    }

    #[test]
    fn refuses_what_no_entry_can_hold() {
        for (argument, error) in [
            ("hunter2", UserError::Argument),
            (":hunter2", UserError::EmptyName),
            ("a b:hunter2", UserError::Name),
            ("a\u{a0}b:hunter2", UserError::Name),
            ("a\u{7f}:hunter2", UserError::Name),
            ("a:", UserError::EmptyPassword("a".into())),
        ] {
            let refused = Credentials::parse(&argument.into()).unwrap_err();
            assert_eq!(refused, error, "{argument}");
            assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        }
        assert_eq!(check_name("a:b"), Err(UserError::Name));
    }

    #[test]
    fn adds_users() {
        let mut variables = with_users(" ann:$2y$x \n");
        let given = [credentials("bob:1"), credentials("cy:2")];
        assert_eq!(add_to(&mut variables, &given), Ok(None));
        assert_eq!(names(&variables), ["ann", "bob", "cy"]);

        let mut variables = with_users("ann:$2y$x");
        assert_eq!(add_to(&mut variables, &[]), Ok(None));
        assert_eq!(names(&variables), ["ann"]);
    }

    #[test]
    fn makes_an_administrator_where_there_is_nobody() {
        let mut variables = with_users(" ");
        let password = add_to(&mut variables, &[]).unwrap().unwrap();
        assert_eq!(password.expose().len(), 24);
        assert_eq!(names(&variables), ["admin"]);
        let mut again = with_users("");
        assert_ne!(add_to(&mut again, &[]), Ok(Some(password)));

        assert_eq!(add_to(&mut Variables::default(), &[]), Ok(None));
    }

    #[test]
    fn one_name_one_user() {
        let twice = [credentials("bob:1"), credentials("bob:2")];
        let repeated = Err(UserError::Repeated("bob".into()));
        assert_eq!(add_to(&mut with_users(""), &twice), repeated);
        assert_eq!(add_to(&mut with_users("bob:$2y$x"), &twice[..1]), repeated);
        let nowhere = add_to(&mut Variables::default(), &twice[..1]);
        assert_eq!(nowhere, Err(UserError::NoVariable));
    }
}
