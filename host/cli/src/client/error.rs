//! Why the client fails, in words and as an exit code.

use std::io;

use super::address::AddressError;
use super::credentials::CredentialsError;
use super::lookup::LookupError;

/// What went wrong. All foreign text in it can be shown.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address of the server.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `revoke --all` where nobody can be asked.
    #[error("there is no terminal to ask on: give --yes to revoke all tokens")]
    Unasked,
    /// The answer was no.
    #[error("nothing was revoked")]
    Declined,
    /// Nobody to sign in as.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The server does not take the credentials.
    #[error("not signed in as {user}: {message}")]
    NotSignedIn {
        /// As whom.
        user: String,
        /// What the server says.
        message: String,
    },
    /// The list has no such token.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The server has no such token.
    #[error("{0}")]
    NoSuchToken(String),
    /// The server says no.
    #[error("{0}")]
    Refused(String),
    /// There is no connection, or no answer.
    #[error("the server at {address} cannot be reached: {problem}")]
    Unreachable {
        /// Its address.
        address: String,
        /// Why not.
        problem: String,
    },
    /// Its store, or what is in front of it, does not work.
    #[error("the server at {address} is not available: {problem}")]
    Unavailable {
        /// Its address.
        address: String,
        /// What it says.
        problem: String,
    },
    /// Something else answered.
    #[error("there is no Latchkey server at {address}: {problem}")]
    NotLatchkey {
        /// Where.
        address: String,
        /// What there is instead.
        problem: String,
    },
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The token was made, and cannot be shown again.
    #[error("the token {id} was created, but cannot be printed: {problem}; revoke it")]
    Unprinted {
        /// Its id.
        id: String,
        /// Why not.
        problem: io::Error,
    },
}

impl ClientError {
    /// The exit code; `latchkey token --help` explains them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Declined | Self::Refused(_) | Self::Output(_) | Self::Unprinted { .. } => 1,
            Self::Address(_)
            | Self::Unasked
            | Self::Credentials(CredentialsError::Variable(_) | CredentialsError::Option(_)) => 2,
            Self::Credentials(
                CredentialsError::Prompt { .. }
                | CredentialsError::File { .. }
                | CredentialsError::Nobody { .. },
            )
            | Self::NotSignedIn { .. } => 3,
            Self::Lookup(_) | Self::NoSuchToken(_) => 4,
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::NotLatchkey { .. } => 5,
        }
    }
}
