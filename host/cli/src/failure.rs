//! Why the program ends, and with which exit code.

use crate::client::error::ClientError;

pub enum Failure {
    /// An option is wrong: 2.
    Usage(anyhow::Error),
    /// The client has exit codes of its own.
    Client(ClientError),
    /// Anything else: 1.
    Run(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

pub fn usage<E: Into<anyhow::Error>>(error: E) -> Failure {
    Failure::Usage(error.into())
}
