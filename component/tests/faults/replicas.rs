//! A key-value store with a replica in each region: writes arrive elsewhere some time later, each key on a way of its own,
//! and the last writer of a key wins, by clocks that differ.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::ports::Clock;
use latchkey_component::store::{KeyValue, KeyValueError, ListableKeyValue};
use latchkey_component::token::Timestamp;

use crate::simulation::Simulation;

pub const REGIONS: usize = 3;

/// The longest that the news of a write takes.
pub const LONGEST_WAY: Duration = Duration::from_secs(6 * 60 * 60);

/// By how much the clock of a region may be fast.
pub const SKEW: Duration = Duration::from_secs(20 * 60);

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Percentage of operations that fail without effect.
    pub fails_before: u64,
    /// Percentage of operations that fail although they took effect.
    pub fails_after: u64,
}

/// A write: the later one wins. Without a value it is a deletion.
#[derive(Clone, Debug)]
struct Write {
    at: (Duration, u64),
    value: Option<Vec<u8>>,
}

struct News {
    arrives: Duration,
    region: usize,
    key: String,
    write: Write,
}

/// All replicas, and what is on its way to them.
pub struct Replicas {
    simulation: Rc<Simulation>,
    skew: [Duration; REGIONS],
    replicas: RefCell<[HashMap<String, Write>; REGIONS]>,
    news: RefCell<Vec<News>>,
    writes: Cell<u64>,
}

impl Replicas {
    pub fn new(simulation: Rc<Simulation>) -> Rc<Self> {
        let skew = || Duration::from_secs(simulation.below(SKEW.as_secs()));
        Rc::new(Self {
            skew: [skew(), skew(), skew()],
            replicas: RefCell::default(),
            news: RefCell::default(),
            writes: Cell::new(0),
            simulation,
        })
    }

    pub fn now(&self, region: usize) -> Duration {
        self.simulation.now() + self.skew[region]
    }

    /// Brings what has arrived by now.
    fn arrive(&self) {
        let now = self.simulation.now();
        let mut replicas = self.replicas.borrow_mut();
        self.news.borrow_mut().retain(|news| {
            let is_here = news.arrives <= now;
            if is_here {
                put(&mut replicas[news.region], &news.key, news.write.clone());
            }
            !is_here
        });
    }

    fn write(&self, region: usize, key: &str, value: Option<Vec<u8>>) {
        self.writes.set(self.writes.get() + 1);
        let at = (self.now(region), self.writes.get());
        let write = Write { at, value };
        put(&mut self.replicas.borrow_mut()[region], key, write.clone());
        for other in (0..REGIONS).filter(|other| *other != region) {
            let way = match self.simulation.below(10) {
                0..4 => self.simulation.below(1_000),
                4..8 => self.simulation.below(60_000),
                _ => self.simulation.below(LONGEST_WAY.as_millis() as u64),
            };
            self.news.borrow_mut().push(News {
                arrives: self.simulation.now() + Duration::from_millis(way),
                region: other,
                key: key.to_owned(),
                write: write.clone(),
            });
        }
    }

    pub fn keys(&self, region: usize) -> Vec<String> {
        self.arrive();
        let replicas = self.replicas.borrow();
        let present = replicas[region]
            .iter()
            .filter(|(_, write)| write.value.is_some());
        let mut keys: Vec<_> = present.map(|(key, _)| key.clone()).collect();
        keys.sort();
        keys
    }
}

fn put(replica: &mut HashMap<String, Write>, key: &str, write: Write) {
    match replica.get_mut(key) {
        Some(present) if present.at >= write.at => {}
        Some(present) => *present = write,
        None => drop(replica.insert(key.to_owned(), write)),
    }
}

/// The store as an instance in one region has it.
pub struct Replica {
    pub replicas: Rc<Replicas>,
    pub region: usize,
    pub faults: Faults,
}

impl Replica {
    async fn before(&self) -> Result<(), KeyValueError> {
        self.replicas.simulation.delay().await;
        self.replicas.arrive();
        self.fail(self.faults.fails_before)
    }

    async fn after(&self) -> Result<(), KeyValueError> {
        let failed = self.fail(self.faults.fails_after);
        self.replicas.simulation.delay().await;
        failed
    }

    fn fail(&self, percent: u64) -> Result<(), KeyValueError> {
        match self.replicas.simulation.chance(percent) {
            true => Err(KeyValueError("the store failed".to_owned())),
            false => Ok(()),
        }
    }
}

impl KeyValue for Replica {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.before().await?;
        let value = self.replicas.replicas.borrow()[self.region]
            .get(key)
            .and_then(|write| write.value.clone());
        self.after().await?;
        Ok(value)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.before().await?;
        self.replicas.write(self.region, key, Some(value));
        self.after().await
    }
}

impl ListableKeyValue for Replica {
    async fn list_keys(&self) -> Result<Vec<String>, KeyValueError> {
        self.before().await?;
        let keys = self.replicas.keys(self.region);
        self.after().await?;
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.before().await?;
        self.replicas.write(self.region, key, None);
        self.after().await
    }
}

/// The clock of a region.
pub struct RegionClock {
    pub replicas: Rc<Replicas>,
    pub region: usize,
}

impl Clock for RegionClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.replicas.now(self.region))
    }

    async fn sleep(&self, pause: Duration) {
        self.replicas.simulation.sleep(pause).await;
    }
}
