//! Why the client fails, in words and as an exit code.

use std::io;

/// A failure, by its exit code, with the words for people. All foreign text in them is [visible](crate::terminal::visible).
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub enum ClientError {
    /// The server refused, or something on this machine failed.
    Failed(String),
    /// The command line, or a variable that belongs to it, is wrong.
    Usage(String),
    /// There are no credentials, or the server does not accept them.
    NotSignedIn(String),
    /// No token fits, or more than one does.
    NoSuchToken(String),
    /// There are tokens that end soon.
    Expiring(String),
    /// The server cannot be reached, is not available, or is no Latchkey server.
    NoServer(String),
}

impl ClientError {
    /// The exit code; `latchkey token --help` explains them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotSignedIn(_) => 3,
            Self::NoSuchToken(_) => 4,
            Self::NoServer(_) => 5,
            Self::Expiring(_) => 6,
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("cannot write to standard output: {error}"))
    }
}
