//! Who signs in.

use base64::prelude::{BASE64_STANDARD, Engine};

/// How many users there are. Creations go round all of them, so that no two at a time are of the same user, and so that
/// ledgers stay short.
const USERS: usize = 500;

const PASSWORD: &str = "password";

/// Of that password, with little work: signing in is not what is measured.
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// A user and the password.
#[derive(Clone)]
pub struct User {
    name: String,
    password: String,
}

impl User {
    /// The value of the header `Authorization` (RFC 7617).
    pub fn authorization(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(self.credentials()))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `name:password`.
    pub fn credentials(&self) -> String {
        format!("{}:{}", self.name, self.password)
    }
}

/// The users of two servers that are compared.
#[derive(Clone)]
pub enum Users {
    /// Those of this benchmark, whom the server has to know.
    Ours(Vec<User>),
    /// One whom the peer knows.
    Given(User),
}

impl Users {
    /// Those of this benchmark.
    pub fn ours() -> Self {
        let password = PASSWORD.to_owned();
        let user = |name| User {
            name,
            password: password.clone(),
        };
        Self::Ours((0..USERS).map(user_name).map(user).collect())
    }

    /// The one of `name:password`.
    pub fn given(credentials: &str) -> Self {
        let (name, password) = credentials
            .split_once(':')
            .expect("LATCHKEY_USER is name:password");
        Self::Given(User {
            name: name.to_owned(),
            password: password.to_owned(),
        })
    }

    /// All of them, at least one.
    pub fn all(&self) -> &[User] {
        match self {
            Self::Ours(users) => users,
            Self::Given(user) => std::slice::from_ref(user),
        }
    }

    /// The one whose tokens are listed and shown.
    pub fn first(&self) -> &User {
        &self.all()[0]
    }
}

/// The value of the variable `users` that makes [`Users::ours`] known.
pub fn variable() -> String {
    let entries: Vec<_> = (0..USERS)
        .map(|number| format!("{}:{HASH}", user_name(number)))
        .collect();
    entries.join("\n")
}

fn user_name(number: usize) -> String {
    format!("bench{number}")
}
