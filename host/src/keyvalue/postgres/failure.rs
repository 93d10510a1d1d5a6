//! Why a statement failed, and what that says about whether it was executed.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::BackendError;

/// Why a statement failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No server could be asked.
    NotSent(BackendError),
    /// The server refused it, and has changed nothing.
    Refused(SqlState),
    /// There was no answer, or not all of it: it may have been executed, or may yet be.
    Unknown(BackendError),
}

impl Failure {
    /// Whether another server may have taken the place of the one that was asked.
    pub(super) fn may_mean_another_server(&self) -> bool {
        match self {
            // Readers may go on, where the server is only short of connections.
            Self::NotSent(_) => false,
            Self::Unknown(_) => true,
            Self::Refused(code) => *code == SqlState::READ_ONLY_SQL_TRANSACTION,
        }
    }
}

impl From<Failure> for BackendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotSent(error) | Failure::Unknown(error) => error,
            Failure::Refused(code) => Self::Failed(refusal(&code)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.code() {
            // The server ends the connection, and nobody knows where in a statement.
            Some(code) if !ends_connection(code) => Self::Refused(code.clone()),
            _ => Self::Unknown(BackendError::Failed(describe(&error))),
        }
    }
}

fn ends_connection(code: &SqlState) -> bool {
    // 57P01 to 57P05: a shutdown, a crash, a timeout of the session.
    code.code().starts_with("57P") || code.code().starts_with("08")
}

/// What went wrong. Nothing of what the server says but its code: it may repeat a value.
pub(super) fn describe(error: &Error) -> String {
    if let Some(code) = error.code() {
        return refusal(code);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return format!("no secure connection to PostgreSQL: {error}");
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            match (error.get_ref(), error.kind()) {
                // Looked into at once: `source` skips it.
                (Some(inner), _) if inner.is::<rustls::Error>() => {
                    return format!("no secure connection to PostgreSQL: {inner}");
                }
                (_, std::io::ErrorKind::TimedOut) => {
                    return "PostgreSQL does not answer in time".to_owned();
                }
                (_, kind) => return format!("the connection to PostgreSQL failed: {kind}"),
            }
        }
        cause = error.source();
    }
    if error.is_closed() {
        return "the connection to PostgreSQL broke".to_owned();
    }
    // Its own words, such as that the server does not support TLS. They hold no value.
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn refusal(code: &SqlState) -> String {
    let meaning = match code.code() {
        "25006" => ": it takes no writes",
        "28000" | "28P01" => ": it does not let this user in",
        "3D000" => ": there is no such database",
        "42501" => ": this user may not do that",
        "42P01" => ": there is no table `latchkey`",
        "53100" => ": its disk is full",
        "53300" => ": it has too many connections",
        "57P01" | "57P02" | "57P03" => ": it starts or ends",
        _ => "",
    };
    format!("PostgreSQL says {}{meaning}", code.code())
}
