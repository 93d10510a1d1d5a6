//! Stored password hashes: argon2id (RFC 9106) and bcrypt for passwords that somebody chose, SHA-256 for generated ones.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc;
use argon2::{Argon2, Params};

use super::generated::{GeneratedHash, GeneratedPassword};
use crate::secret::Secret;

/// The most memory that one argon2id verification may take, in KiB: half of what the native host gives an instance, which
/// needs the rest for requests, and for what allocations of this size leave unused.
const MAX_ARGON2_KIB: u32 = 64 * 1024;

/// The most work of one argon2id verification, in KiB times passes: some two seconds in Wasm.
const MAX_ARGON2_WORK: u64 = 1024 * 1024;

/// The highest bcrypt cost: some four seconds in Wasm. A higher one would outlast requests.
const MAX_BCRYPT_COST: u32 = 16;

/// The most bytes of a password that bcrypt tells apart.
const MAX_BCRYPT_BYTES: usize = 72;

/// The hash of a password, from the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Argon2id(String),
    Bcrypt(String),
    Generated(GeneratedHash),
}

impl PasswordHash {
    /// Whether it is the hash of a password that somebody chose.
    pub(super) fn is_chosen(&self) -> bool {
        !matches!(self.0, Kind::Generated(_))
    }

    /// Whether it is the hash of this generated password.
    pub(super) fn is_of(&self, password: &GeneratedPassword) -> bool {
        matches!(&self.0, Kind::Generated(hash) if hash.verify(password))
    }

    /// Whether one of `passwords` is the one that was hashed; with all the work even if the first is.
    pub(super) fn verify_any(&self, passwords: &[Secret]) -> bool {
        let verified = passwords.iter().map(|password| self.verify(password));
        verified.fold(false, |any, one| any | one)
    }

    /// Whether `password`, which somebody chose, is the one that was hashed. Takes tens of milliseconds, on purpose.
    pub fn verify(&self, password: &Secret) -> bool {
        #[cfg(test)]
        VERIFICATIONS.set(VERIFICATIONS.get() + 1);
        match &self.0 {
            Kind::Argon2id(hash) => phc::PasswordHash::new(hash).is_ok_and(|hash| {
                Argon2::default()
                    .verify_password(password.expose().as_bytes(), &hash)
                    .is_ok()
            }),
            Kind::Bcrypt(hash) => {
                let password = password.expose().as_bytes();
                // Bcrypt itself takes a password for the same whatever follows byte 72, or repeats it behind a NUL.
                let distinct = password.len() <= MAX_BCRYPT_BYTES && !password.contains(&0);
                bcrypt::verify(password, hash).unwrap_or(false) && distinct
            }
            Kind::Generated(_) => false,
        }
    }

    /// The text of the hash: for digests, not for display.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kind::Argon2id(hash) | Kind::Bcrypt(hash) => hash.as_bytes(),
            Kind::Generated(hash) => hash.as_bytes(),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Argon2id(_) => "PasswordHash($argon2id$..)",
            Kind::Bcrypt(_) => "PasswordHash($2..)",
            Kind::Generated(_) => "PasswordHash($sha256$..)",
        })
    }
}

/// Why a string is no [`PasswordHash`]. The messages never repeat it: it may be a password in plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PasswordHashError {
    #[error("is not a password hash; write `$argon2id$...` or `$2b$...`, never a plain password")]
    Unknown,
    #[error(
        "is a hash of a kind that is not accepted; hash the password with argon2id or with bcrypt as `$2b$` or `$2y$`"
    )]
    OtherKind,
    #[error(
        "is a bcrypt hash of the kind `$2a$`, which some programs computed wrongly; if yours did not, and the password \
         is ASCII, write `$2b$` for `$2a$`, or hash the password again"
    )]
    Bcrypt2a,
    #[error("is a malformed argon2id hash")]
    MalformedArgon2,
    #[error("asks for more memory or passes than one sign-in may take ({} MiB)", MAX_ARGON2_KIB / 1024)]
    Argon2TooCostly,
    #[error("is a malformed bcrypt hash")]
    MalformedBcrypt,
    #[error("has a bcrypt cost above {MAX_BCRYPT_COST}")]
    BcryptTooCostly,
    #[error("is a malformed hash of a generated password")]
    MalformedGenerated,
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(hash: &str) -> Result<Self, PasswordHashError> {
        if hash.starts_with("$argon2id$") {
            check_argon2id(hash)?;
            Ok(Self(Kind::Argon2id(hash.to_owned())))
        } else if hash.starts_with("$2b$") || hash.starts_with("$2y$") {
            let parts: bcrypt::HashParts = hash
                .parse()
                .map_err(|_| PasswordHashError::MalformedBcrypt)?;
            match parts.get_cost() {
                4..=MAX_BCRYPT_COST => Ok(Self(Kind::Bcrypt(hash.to_owned()))),
                0..4 => Err(PasswordHashError::MalformedBcrypt),
                _ => Err(PasswordHashError::BcryptTooCostly),
            }
        } else if let Some(digest) = hash.strip_prefix(GeneratedHash::PREFIX) {
            let hash = GeneratedHash::parse(digest);
            let hash = hash.ok_or(PasswordHashError::MalformedGenerated)?;
            Ok(Self(Kind::Generated(hash)))
        } else if hash.starts_with("$2a$") {
            Err(PasswordHashError::Bcrypt2a)
        } else if hash.starts_with(['$', '{']) {
            // As in /etc/shadow and htpasswd, and as LDAP writes them.
            Err(PasswordHashError::OtherKind)
        } else {
            Err(PasswordHashError::Unknown)
        }
    }
}

fn check_argon2id(hash: &str) -> Result<(), PasswordHashError> {
    let parsed = phc::PasswordHash::new(hash).map_err(|_| PasswordHashError::MalformedArgon2)?;
    let params = Params::try_from(&parsed).map_err(|_| PasswordHashError::MalformedArgon2)?;
    let complete = parsed.salt.is_some() && parsed.hash.is_some();
    let work = u64::from(params.m_cost()) * u64::from(params.t_cost());
    if !complete {
        Err(PasswordHashError::MalformedArgon2)
    } else if params.m_cost() > MAX_ARGON2_KIB || work > MAX_ARGON2_WORK {
        Err(PasswordHashError::Argon2TooCostly)
    } else {
        Ok(())
    }
}

#[cfg(test)]
thread_local! {
    /// How many passwords were verified by a slow hash.
    pub(crate) static VERIFICATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
