//! Clients in three regions that create, rotate and revoke tokens of one user, observers that verify them all the time, and
//! what must hold.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::auth::Authority;
use latchkey_component::config::Config;
use latchkey_component::ledger::LedgerError;
use latchkey_component::service::{Issued, Rotation, Service, ServiceError};
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

    /// One client, in a region of its own choice each time; an instance for each request.
    async fn work(self: Rc<Self>, client: usize) {
        for operation in 0..6 {
            let region = match self.simulation.chance(70) {
                true => client % REGIONS,
                false => self.simulation.below(REGIONS as u64) as usize,
            };
            let instance = self.instance(region, self.scenario.faults);
            let mut ids: Vec<TokenId> = self.known.borrow().issued.keys().copied().collect();
            ids.sort();
            let any = |ids: &[TokenId]| ids[self.simulation.below(ids.len() as u64) as usize];
            match self.simulation.below(10) {
                0..4 => {
                    let description = format!("client {client}, operation {operation}");
                    self.create(&instance, description).await;
                }
                4..7 if !ids.is_empty() => self.rotate(&instance, region, any(&ids)).await,
                7..9 if !ids.is_empty() => self.revoke(&instance, region, any(&ids)).await,
                _ => {}
            }
            self.observe_all(region).await;
            let pause = match self.simulation.below(4) {
                0 => self.simulation.below(1_000),
                1 => self.simulation.below(600_000),
                _ => self.simulation.below(3_600_000),
            };
            self.simulation.sleep(Duration::from_millis(pause)).await;
        }
    }

    fn acknowledged(&self, issued: &Issued) {
        let issue = Issue {
            signed: issued.signed.expose().to_owned(),
            description: issued.token.description.as_str().to_owned(),
            expires_at: issued.token.expires_at(),
            ending: None,
            revoking: false,
            retiring: false,
            revoked: None,
            revoked_in: HashSet::new(),
            until: None,
            rotations: 0,
            died_in: HashMap::new(),
            seen_in: HashMap::new(),
        };
        let before = self
            .known
            .borrow_mut()
            .issued
            .insert(issued.token.id, issue);
        if before.is_some() {
            self.violated(format!("{} was created twice", issued.token.id));
        }
    }

    fn begin(&self, description: &str) {
        let mut known = self.known.borrow_mut();
        *known.begun.entry(description.to_owned()).or_default() += 1;
    }

    fn refused(&self, description: String) {
        *self
            .known
            .borrow_mut()
            .refused
            .entry(description)
            .or_default() += 1;
    }

    async fn create(&self, instance: &Instance, description: String) {
        self.begin(&description);
        let life = match self.simulation.chance(30) {
            true => SHORT,
            false => LONG,
        };
        let (parsed, life) = (
            description.parse().unwrap(),
            life.to_string().parse().unwrap(),
        );
        match instance
            .issue(
                &ada(),
                &Authority::default(),
                parsed,
                life,
                Limits::default(),
                None,
            )
            .await
        {
            Ok(issued) => self.acknowledged(&issued),
            Err(ServiceError::Ledger(_)) => self.refused(description),
            Err(ServiceError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn rotate(&self, instance: &Instance, region: usize, id: TokenId) {
        let overlap = match self.simulation.below(4) {
            0 | 1 => None,
            2 => Some(1 + self.simulation.below(SHORT_OVERLAP)),
            _ => Some(1 + self.simulation.below(LONG_OVERLAP)),
        };
        let description = {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.rotations += 1;
            match overlap {
                Some(_) => issue.retiring = true,
                None => drop(issue.ending.get_or_insert(self.simulation.now())),
            }
            issue.description.clone()
        };
        self.begin(&description);
        let rotation = Rotation {
            lifetime: Some(LONG.to_string().parse().unwrap()),
            overlap: overlap.map(|secs| secs.to_string().parse().unwrap()),
        };
        match instance
            .rotate(&ada(), &Authority::default(), id, rotation)
            .await
        {
            Ok(issued) => {
                let end = Duration::from_secs(issued.token.issued_at + overlap.unwrap_or(0));
                self.acknowledged(&issued);
                let mut known = self.known.borrow_mut();
                let old = known.issued.get_mut(&id).unwrap();
                let end = (end, issued.token.id);
                old.until = Some(old.until.map_or(end, |until| until.min(end)));
                if overlap.is_none() {
                    old.revoked.get_or_insert(self.simulation.now());
                    old.revoked_in.insert(region);
                }
            }
            Err(ServiceError::Ledger(_)) => self.refused(description),
            Err(ServiceError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn revoke(&self, instance: &Instance, region: usize, id: TokenId) {
        {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.ending.get_or_insert(self.simulation.now());
            issue.revoking = true;
        }
        if instance.revoke(&ada(), id).await.is_ok() {
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            issue.revoked.get_or_insert(self.simulation.now());
            issue.revoked_in.insert(region);
        }
    }

    /// Verifies all tokens in a region: what has died there never lives again.
    async fn observe_all(self: &Rc<Self>, region: usize) -> HashSet<TokenId> {
        let mut all_live = HashSet::new();
        let mut ids: Vec<TokenId> = self.known.borrow().issued.keys().copied().collect();
        ids.sort();
        let instance = self.instance(region, Faults::default());
        for id in ids {
            let (signed, was_revoked_here, revoked) = {
                let known = self.known.borrow();
                let issue = &known.issued[&id];
                let here = issue.revoked_in.contains(&region);
                (issue.signed.clone(), here, issue.revoked)
            };
            let asked = self.simulation.now();
            let live = instance.verify(&signed).await.unwrap().is_some();
            let mut known = self.known.borrow_mut();
            let issue = known.issued.get_mut(&id).unwrap();
            let news = revoked.is_some_and(|at| at + LONGEST_WAY < asked);
            // An earlier question may be answered later.
            let was_before =
                |seen: &HashMap<usize, Duration>| seen.get(&region).is_some_and(|at| *at < asked);
            let now = self.simulation.now();
            let violation = match live {
                true if was_revoked_here => Some("was revoked in this region and lives"),
                true if news => Some("was revoked long ago and lives"),
                // Of rotations that cross, the later write may put off the end until the next change.
                true if was_before(&issue.died_in) && issue.rotations < 2 => {
                    Some("has died and lives again")
                }
                true => {
                    issue.seen_in.entry(region).or_insert(now);
                    all_live.insert(id);
                    None
                }
                false => {
                    if was_before(&issue.seen_in) {
                        issue.died_in.entry(region).or_insert(now);
                    }
                    None
                }
            };
            if let Some(violation) = violation {
                let what = format!("{:?} {violation}: region {region}", issue.description);
                known.violation.get_or_insert(what);
            }
        }
        all_live
    }

    /// What must hold in every region once all news has arrived.
    async fn check(self: &Rc<Self>) {
        for region in 0..REGIONS {
            let live = self.observe_all(region).await;
            let instance = self.instance(region, Faults::default());
            let list = match instance.list(&ada()).await {
                Ok(list) => list.tokens,
                Err(ServiceError::NoTokens) => Vec::new(),
                Err(error) => panic!("{error}"),
            };
            let listed: Vec<_> = (list.iter())
                .map(|status| (status.token.id, status.token.description.as_str()))
                .collect();
            let violations = self.violations(self.replicas.now(region), &live, &listed);
            for violation in violations {
                self.violated(format!("region {region}: {violation}"));
            }
        }
    }

    fn violations(
        &self,
        now: Duration,
        live: &HashSet<TokenId>,
        listed: &[(TokenId, &str)],
    ) -> Vec<String> {
        let known = self.known.borrow();
        let ids: HashSet<TokenId> = listed.iter().map(|(id, _)| *id).collect();
        let mut violations = Vec::new();
        if ids.len() != listed.len() {
            violations.push("an id is listed twice".to_owned());
        }
        for (id, issue) in &known.issued {
            let (lives, is_listed) = (live.contains(id), ids.contains(id));
            let has_expired = issue.expires_at <= now.as_secs();
            let is_forgotten = issue.expires_at + self.scenario.retention < now.as_secs();
            let was_left_alone = issue.ending.is_none() && !issue.retiring;
            let is_over = issue.until.is_some_and(|(until, successor)| {
                // Of two crossing rotations, the earlier end is known from the record of its successor.
                let is_known = issue.rotations < 2 || known.issued[&successor].ending.is_none();
                until <= now && is_known
            });
            for (is_violated, what) in [
                (was_left_alone && !has_expired && !lives, "is dead"),
                (was_left_alone && !is_forgotten && !is_listed, "is lost"),
                (
                    issue.revoked.is_some() && is_listed,
                    "was revoked and is listed",
                ),
                (issue.revoked.is_some() && lives, "was revoked and lives"),
                (is_over && (lives || is_listed), "outlives its rotation"),
            ] {
                if is_violated {
                    violations.push(format!("{id} {:?} {what}", issue.description));
                }
            }
        }
        for (description, begun) in &known.begun {
            let of_it: Vec<_> = (known.issued.values())
                .filter(|issue| issue.description == *description)
                .collect();
            let here = listed.iter().filter(|(_, of)| of == description);
            let unknown = here
                .clone()
                .filter(|(id, _)| !known.issued.contains_key(id));
            let (here, unknown) = (here.count(), unknown.count());
            // Each rotation of the same token, but one, may have crossed another.
            let crossing: usize = of_it
                .iter()
                .map(|issue| issue.rotations.saturating_sub(1))
                .sum();
            let overlapping = of_it.iter().filter(|issue| {
                let is_over = issue.until.is_some_and(|(until, _)| until <= now);
                issue.retiring && !is_over
            });
            let allowed = 1 + crossing + overlapping.count();
            let refused = known.refused.get(description).copied().unwrap_or_default();
            let lasts = of_it.iter().any(|issue| issue.expires_at > now.as_secs());
            let was_revoked = of_it.iter().any(|issue| issue.revoking);
            for (is_violated, what) in [
                (here > allowed, "is doubled"),
                (
                    of_it.len() + refused + unknown > *begun,
                    "was refused and is listed",
                ),
                (
                    lasts && !was_revoked && here == 0,
                    "was only rotated, and is gone",
                ),
            ] {
                if is_violated {
                    violations.push(format!("{description:?} {what}"));
                }
            }
        }
        violations
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
