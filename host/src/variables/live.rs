//! The variables as they are now. They may be replaced while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use latchkey_component::config::{REFUSED, REVISION};
use wasmtime::component::{Accessor, HasData};

use super::{Variables, check_name};
use crate::bindings::fermyon::spin::variables as wit_2;
use crate::bindings::spin::variables::variables as wit;

/// The variables that all instances see. They have two more than the application: their revision, by which an instance knows
/// at once that they have changed, and whether newer ones were refused.
pub(crate) struct LiveVariables {
    current: ArcSwap<Variables>,
    revision: AtomicU64,
}

impl LiveVariables {
    pub(crate) fn new(variables: Variables) -> Self {
        let live = Self {
            current: ArcSwap::default(),
            revision: AtomicU64::new(0),
        };
        live.replace(variables);
        live
    }

    /// These variables from now on.
    pub(crate) fn replace(&self, variables: Variables) {
        self.publish(variables, false);
    }

    /// The variables stay, and newer ones are no good.
    pub(crate) fn refuse_newer(&self) {
        self.publish(Variables::clone(&self.current.load()), true);
    }

    fn publish(&self, mut variables: Variables, refused: bool) {
        let revision = self.revision.fetch_add(1, Ordering::Relaxed);
        variables.set(REVISION, revision.to_string().into());
        variables.values.remove(REFUSED);
        if refused {
            variables.set(REFUSED, "true".into());
        }
        self.current.store(Arc::new(variables));
    }

    /// The value of [`REVISION`].
    pub(crate) fn revision(&self) -> Option<u64> {
        let current = self.current.load();
        current.get(REVISION)?.expose().parse().ok()
    }

    fn value(&self, name: &str) -> Result<String, Absent> {
        check_name(name).map_err(Absent::InvalidName)?;
        let current = self.current.load();
        let value = current.get(name).ok_or(Absent::Undefined)?;
        Ok(value.expose().to_owned())
    }
}

/// Why there is no value.
enum Absent {
    InvalidName(&'static str),
    Undefined,
}

/// Tells wasmtime which part of an instance's data `spin:variables` needs.
pub(crate) struct VariablesData;

impl HasData for VariablesData {
    type Data<'a> = &'a Arc<LiveVariables>;
}

impl wit::Host for &Arc<LiveVariables> {}

impl<T: Send> wit::HostWithStore<T> for VariablesData {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<String, wit::Error>> {
        let value = accessor.with(|mut access| access.get().value(&name));
        Ok(value.map_err(|absent| match absent {
            Absent::InvalidName(why) => wit::Error::InvalidName(why.into()),
            Absent::Undefined => wit::Error::Undefined(format!("no variable `{name}`")),
        }))
    }
}

/// The same, for components of WASI 0.2.
impl wit_2::Host for &Arc<LiveVariables> {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, wit_2::Error>> {
        Ok(self.value(&name).map_err(|absent| match absent {
            Absent::InvalidName(why) => wit_2::Error::InvalidName(why.into()),
            Absent::Undefined => wit_2::Error::Undefined(format!("no variable `{name}`")),
        }))
    }
}
