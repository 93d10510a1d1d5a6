//! Who has signed in, by what means, and what may be made on the strength of it.

use crate::lifetime::Lifetime;
use crate::token::{Provenance, Scope, Username};

/// A user who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The user.
    pub user: Username,
    /// What the sign-in is good for.
    pub authority: Authority,
}

impl From<Username> for SignedIn {
    /// With a configured password.
    fn from(user: Username) -> Self {
        Self {
            user,
            authority: Authority::default(),
        }
    }
}

/// On whose authority tokens are made. The default is that of a user with a configured password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// What the records of the tokens say of it.
    pub provenance: Provenance,
    /// What the tokens may be at most.
    pub bounds: Bounds,
}

/// What a token may be at most, besides what is configured for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// How long it may live.
    pub max_token_life: Option<Lifetime>,
    /// The scope tokens that it may have. It must have some.
    pub scope: Option<Scope>,
}

impl Bounds {
    /// Whether a token may have `scope`. One without can do all that its user can.
    pub fn allow(&self, scope: Option<&Scope>) -> bool {
        match (&self.scope, scope) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(bound), Some(scope)) => bound.covers(scope),
        }
    }
}
