//! A login proxy, which has signed in whoever its requests come from.

use std::fmt;

use http::HeaderName;
use subtle::ConstantTimeEq;

use super::{Authority, SignedIn};
use crate::secret::Secret;
use crate::token::{Means, Provenance, Username};

/// The header in which it sends its secret.
pub const PROXY_SECRET_HEADER: &str = "x-latchkey-proxy-secret";

/// The fewest bytes of its secret.
pub const MIN_PROXY_SECRET_BYTES: usize = 32;

/// How the proxy tells who is asking, and that it is the proxy who tells it.
#[derive(Clone)]
pub struct LoginProxy {
    /// The header with the name of the user.
    pub user_header: HeaderName,
    /// What it sends in another header.
    pub secret: Secret,
}

impl LoginProxy {
    /// Whether a request with `secret` comes from the proxy.
    pub fn is_of(&self, secret: &[u8]) -> bool {
        self.secret.expose().as_bytes().ct_eq(secret).into()
    }
}

impl fmt::Debug for LoginProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginProxy({})", self.user_header)
    }
}

/// `user`, for whom the proxy vouches.
pub(crate) fn vouched(user: Username) -> SignedIn {
    let provenance = Provenance {
        means: Means::Proxy,
        by: None,
    };
    SignedIn {
        user,
        authority: Authority {
            provenance,
            ..Authority::default()
        },
    }
}
