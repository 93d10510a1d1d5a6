//! The values of the variables as they were read, and what a host says about them.

use sha2::{Digest, Sha256};

use super::{Config, ConfigError, VARIABLES};
use crate::secret::Secret;

/// A variable that no manifest declares, and that only the native host sets: it is another one whenever the values of others
/// may be. Then a request reads them, and nobody has to wait for the next regular look.
pub const REVISION: &str = "configuration_revision";

/// The same: whether the host has refused newer values than those that it gives.
pub const REFUSED: &str = "configuration_refused";

/// The values of the variables.
#[derive(Debug, Default)]
pub struct Values(Vec<(&'static str, Secret)>);

impl Values {
    /// Reads all variables; `get` returns `None` for one that is not set.
    ///
    /// # Errors
    ///
    /// That of `get`.
    pub async fn read(
        get: impl AsyncFn(&'static str) -> Result<Option<String>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut values = Self::default();
        // The revision first: should the values change meanwhile, it is an old one, and they are read again.
        for variable in [REVISION, REFUSED].iter().chain(VARIABLES) {
            if let Some(value) = get(variable).await? {
                values.0.push((variable, value.into()));
            }
        }
        Ok(values)
    }

    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(set, _)| *set == name);
        value.map(|(_, value)| value.expose())
    }

    /// What they configure.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if they cannot work.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Config::from_variables(|name| self.get(name).map(str::to_owned))
    }

    /// Stands for all values but the revision.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (name, value) in self.0.iter().filter(|(name, _)| *name != REVISION) {
            for part in [name, value.expose()] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }
}
