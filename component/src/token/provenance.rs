//! Who made a token, and what vouches for its user.

use serde::{Deserialize, Serialize};

use super::Username;

/// How a user signed in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// With the password of a configured user.
    #[default]
    Password,
    /// At the login proxy.
    Proxy,
    /// With an ID token of the trusted issuer of this name.
    Issuer(String),
}

impl Means {
    /// Its name: a stable word that programs can match on.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Proxy => "proxy",
            Self::Issuer(_) => "issuer",
        }
    }

    /// The same, for those who signed in without a password.
    pub fn unless_password(&self) -> Option<&'static str> {
        (*self != Self::Password).then(|| self.name())
    }

    /// The name of the trusted issuer.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Issuer(name) => Some(name),
            Self::Password | Self::Proxy => None,
        }
    }
}

/// Who made a token, and what vouches for its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// How its user had signed in. A token is good only while that is still possible.
    pub means: Means,
    /// The administrator who made it; if `None`, the user.
    pub by: Option<Username>,
}

impl Provenance {
    /// Whether its user made it, after signing in with a password.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}
