//! A key-value store that fails on purpose.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use latchkey_component::store::{AtomicKeyValue, Change, KeyValue, KeyValueError};

use crate::simulation::Simulation;

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// A swap on an absent key writes unconditionally.
    pub upserts_absent: bool,
    /// Percentage of operations that fail without effect.
    pub fails_before: u64,
    /// Percentage of operations that fail although they took effect.
    pub fails_after: u64,
    /// How many swaps an instance may make in its life.
    pub handles: Option<u32>,
    /// How many increments of an instance take effect and fail, from its first on.
    pub lost_increments: u32,
}

/// The data, which all instances share.
#[derive(Debug, Default)]
pub struct Data {
    pub documents: RefCell<HashMap<String, Vec<u8>>>,
    counters: RefCell<HashMap<String, i64>>,
}

/// The store as one instance has it.
#[derive(Debug)]
pub struct FaultyStore {
    data: Rc<Data>,
    simulation: Rc<Simulation>,
    faults: Faults,
    swaps: Cell<u32>,
    increments: Cell<u32>,
}

impl FaultyStore {
    pub fn new(data: Rc<Data>, simulation: Rc<Simulation>, faults: Faults) -> Self {
        Self {
            data,
            simulation,
            faults,
            swaps: Cell::new(0),
            increments: Cell::new(0),
        }
    }

    async fn before(&self) -> Result<(), KeyValueError> {
        self.simulation.delay().await;
        self.fail(self.faults.fails_before)
    }

    async fn after(&self) -> Result<(), KeyValueError> {
        let failed = self.fail(self.faults.fails_after);
        self.simulation.delay().await;
        failed
    }

    fn fail(&self, percent: u64) -> Result<(), KeyValueError> {
        if self.simulation.chance(percent) {
            Err(KeyValueError("the store failed".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl KeyValue for FaultyStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.before().await?;
        let value = self.data.documents.borrow().get(key).cloned();
        self.after().await?;
        Ok(value)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.before().await?;
        self.data
            .documents
            .borrow_mut()
            .insert(key.to_owned(), value);
        self.after().await
    }
}

impl AtomicKeyValue for FaultyStore {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        self.before().await?;
        let seen = self.data.documents.borrow().get(key).cloned();
        self.simulation.delay().await;
        let Some(value) = change(seen.as_deref()) else {
            return Ok(());
        };
        if self
            .faults
            .handles
            .is_some_and(|handles| self.swaps.get() >= handles)
        {
            return Err(KeyValueError(
                "too many compare_and_swaps opened".to_owned(),
            ));
        }
        self.swaps.set(self.swaps.get() + 1);
        self.before().await?;
        {
            let mut documents = self.data.documents.borrow_mut();
            let unchanged = documents.get(key) == seen.as_ref();
            if unchanged || (seen.is_none() && self.faults.upserts_absent) {
                documents.insert(key.to_owned(), value);
            }
        }
        self.after().await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        self.before().await?;
        let sum = {
            let mut counters = self.data.counters.borrow_mut();
            let counter = counters.entry(key.to_owned()).or_default();
            *counter += delta;
            *counter
        };
        self.after().await?;
        self.increments.set(self.increments.get() + 1);
        match self.increments.get() > self.faults.lost_increments {
            true => Ok(sum),
            false => Err(KeyValueError("the reply was lost".to_owned())),
        }
    }
}
