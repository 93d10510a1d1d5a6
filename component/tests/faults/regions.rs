//! Clients in three regions that create, rotate and revoke tokens of one user, observers that verify them all the time, and
//! what must hold.

mod clients;
mod invariants;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::auth::Authority;
use latchkey_component::config::Config;
use latchkey_component::ledger::LedgerError;
use latchkey_component::service::Service;
use latchkey_component::store::Records;
use latchkey_component::token::{Limits, TokenId, Username};

use crate::replicas::{Faults, LONGEST_WAY, REGIONS, RegionClock, Replica, Replicas, SKEW};
use crate::simulation::{SimulatedPorts, Simulation};

const USERS: &str = "ada:$2b$04$abcdefghijklmnopqrstuuJd6JxKs0FZ4jPVuKqPNsjwJ8BhHmXAe";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Lives of tokens, in seconds: some end while the clients are at work, some last.
const SHORT: u64 = 2 * 60 * 60;
const LONG: u64 = 90 * 24 * 60 * 60;

/// The longest overlaps, in seconds: some end while the clients are at work, some last.
const SHORT_OVERLAP: u64 = 60 * 60;
const LONG_OVERLAP: u64 = 20 * 24 * 60 * 60;

#[derive(Clone, Copy, Debug, Default)]
pub struct Scenario {
    pub faults: Faults,
    /// Whether instances are killed.
    pub kills: bool,
    /// Seconds that expired tokens stay listed.
    pub retention: u64,
}

type Instance = Service<Records<(Replica, RegionClock, SimulatedPorts)>>;

/// What is known of a token that was acknowledged.
#[derive(Debug)]
struct Issue {
    signed: String,
    description: String,
    expires_at: u64,
    /// When its revocation or its rotation without overlap was begun first.
    ending: Option<Duration>,
    /// Whether a revocation was begun.
    revoking: bool,
    /// Whether a rotation with an overlap was begun.
    retiring: bool,
    /// When, and in which regions, it was acknowledged that it has been revoked.
    revoked: Option<Duration>,
    revoked_in: HashSet<usize>,
    /// When it ends by what the answers to rotations said, and the successor whose rotation said it.
    until: Option<(Duration, TokenId)>,
    /// How many rotations of it were begun.
    rotations: usize,
    /// When it was first seen dead in a region where it had been seen live.
    died_in: HashMap<usize, Duration>,
    /// When it was first seen live, by region.
    seen_in: HashMap<usize, Duration>,
}

#[derive(Debug, Default)]
struct Known {
    issued: HashMap<TokenId, Issue>,
    /// Creations and rotations under a description that were begun, and those that were refused.
    begun: HashMap<String, usize>,
    refused: HashMap<String, usize>,
    violation: Option<String>,
}

struct World {
    simulation: Rc<Simulation>,
    replicas: Rc<Replicas>,
    known: RefCell<Known>,
    scenario: Scenario,
}

fn ada() -> Username {
    "ada".parse().unwrap()
}

impl Scenario {
    /// Runs it. The error says what was lost, doubled or resurrected.
    pub fn run(&self, seed: u64) -> Result<(), String> {
        let simulation = Simulation::new(seed);
        let world = Rc::new(World {
            replicas: Replicas::new(simulation.clone()),
            simulation: simulation.clone(),
            known: RefCell::default(),
            scenario: *self,
        });
        let mut tasks: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for client in 0..2 * REGIONS {
            tasks.push(Box::pin(world.clone().work(client)));
        }
        simulation.run(tasks, self.kills);
        // The store is well again, all news arrive, and overlaps end. Then the user changes something, in one region: what
        // a killed request or two crossing rotations left unfinished is finished. That news arrives, too.
        let settle = {
            let world = world.clone();
            async move {
                let pause = LONGEST_WAY + SKEW + Duration::from_secs(SHORT_OVERLAP);
                world.simulation.sleep(pause).await;
                let instance = world.instance(0, Faults::default());
                let never: Result<(), _> =
                    instance.revoke(&ada(), TokenId::from_random([7; 16])).await;
                assert_eq!(never, Err(LedgerError::NoSuchToken.into()));
                world.simulation.sleep(LONGEST_WAY).await;
                world.check().await;
                // All that has ended is removed some day: by changes in all regions.
                for _ in 0..26 {
                    world.simulation.sleep(Duration::from_secs(LONG / 10)).await;
                    for region in 0..REGIONS {
                        let instance = world.instance(region, Faults::default());
                        let name = "x".parse().unwrap();
                        let life = "1s".parse().unwrap();
                        drop(
                            instance
                                .issue(
                                    &ada(),
                                    &Authority::default(),
                                    name,
                                    life,
                                    Limits::default(),
                                    None,
                                )
                                .await,
                        );
                        world.observe_all(region).await;
                    }
                }
                for region in 0..REGIONS {
                    let left = world.replicas.keys(region).len();
                    if left > 4 * REGIONS {
                        world.violated(format!("{left} keys are left in region {region}"));
                    }
                }
            }
        };
        simulation.run(vec![Box::pin(settle)], false);
        let violation = world.known.borrow_mut().violation.take();
        violation.map_or(Ok(()), Err)
    }
}

impl World {
    fn instance(self: &Rc<Self>, region: usize, faults: Faults) -> Instance {
        let retention = Duration::from_secs(self.scenario.retention);
        let config = Config::from_variables(|name| match name {
            "users" => Some(USERS.to_owned()),
            "signing_keys" => Some(KEY.to_owned()),
            "expired_retention" => Some(self.scenario.retention.to_string()),
            _ => None,
        });
        let replicas = self.replicas.clone();
        let store = Replica {
            replicas: replicas.clone(),
            region,
            faults,
        };
        let clock = RegionClock { replicas, region };
        let ports = (store, clock, SimulatedPorts(self.simulation.clone()));
        Service::new(config.unwrap(), Records::new(ports, retention))
    }

    fn violated(&self, what: String) {
        self.known.borrow_mut().violation.get_or_insert(what);
    }
}

/// A token is revoked, and the region whose clock is the fastest removes what it no longer needs, as soon as it may.
/// Nowhere may the token live again, in whatever order the deletions arrive.
pub fn remove_by_a_fast_clock(seed: u64) -> Result<(), String> {
    let simulation = Simulation::new(seed);
    let world = Rc::new(World {
        replicas: Replicas::new(simulation.clone()),
        simulation: simulation.clone(),
        known: RefCell::default(),
        scenario: Scenario::default(),
    });
    let skew = |region: &usize| world.replicas.now(*region);
    let slow = (0..REGIONS).min_by_key(skew).unwrap();
    let fast = (0..REGIONS).max_by_key(skew).unwrap();
    let life = 3 * LONGEST_WAY.as_secs();
    let work = {
        let world = world.clone();
        async move {
            let [in_slow, in_fast] =
                [slow, fast].map(|region| world.instance(region, Faults::default()));
            let (description, lifetime) = ("t".parse().unwrap(), life.to_string().parse().unwrap());
            let issued = in_slow
                .issue(
                    &ada(),
                    &Authority::default(),
                    description,
                    lifetime,
                    Limits::default(),
                    None,
                )
                .await
                .unwrap();
            world.acknowledged(&issued);
            world.observe_all(slow).await;
            world.revoke(&in_slow, slow, issued.token.id).await;
            let expired = Duration::from_secs(issued.token.expires_at() + 1);
            world
                .simulation
                .sleep(expired.saturating_sub(world.replicas.now(fast)))
                .await;
            let life = "1s".parse().unwrap();
            in_fast
                .issue(
                    &ada(),
                    &Authority::default(),
                    "x".parse().unwrap(),
                    life,
                    Limits::default(),
                    None,
                )
                .await
                .unwrap();
            while world.replicas.now(slow) < expired {
                world.observe_all(slow).await;
                world.simulation.sleep(Duration::from_secs(5)).await;
            }
        }
    };
    simulation.run(vec![Box::pin(work)], false);
    let violation = world.known.borrow_mut().violation.take();
    violation.map_or(Ok(()), Err)
}
