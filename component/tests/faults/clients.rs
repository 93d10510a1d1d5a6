//! Clients that create, rotate and delete tokens of one user, and what must hold of what they were told.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use latchkey_component::auth::Authority;
use latchkey_component::config::Config;
use latchkey_component::ledger::{Ledger, LedgerError};
use latchkey_component::service::{Rotation, Service, ServiceError};
use latchkey_component::store::Documents;
use latchkey_component::token::{Limits, TokenId, Username};

use crate::simulation::{Log, SimulatedPorts, Simulation};
use crate::store::{Data, Faults, FaultyStore};

/// A bcrypt hash of cost 4; nobody signs in here.
const USERS: &str = "ada:$2b$04$abcdefghijklmnopqrstuuJd6JxKs0FZ4jPVuKqPNsjwJ8BhHmXAe";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Clients, each an instance of its own, on one store.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub faults: Faults,
    /// Whether instances are killed.
    pub kills: bool,
    pub clients: u64,
    pub operations: u64,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            faults: crate::CORRECT,
            kills: false,
            clients: 6,
            operations: 5,
        }
    }
}

/// What a client did and was told. An operation that was begun and never answered has no entry but `Begun`.
#[derive(Clone, Debug)]
enum Event {
    /// A creation under this description was begun.
    Begun(String),
    Created(String, TokenId),
    /// Refused: the description is taken, or the limit reached.
    Refused(String),
    /// A deletion was begun.
    Deleting(TokenId),
    Deleted(TokenId),
    /// It was not there.
    Missed(TokenId),
}

type Instance = Service<Documents<(FaultyStore, SimulatedPorts, SimulatedPorts)>>;

fn instance(data: &Rc<Data>, simulation: &Rc<Simulation>, faults: Faults) -> Instance {
    let config = Config::from_variables(|name| match name {
        "users" => Some(USERS.to_owned()),
        "signing_keys" => Some(KEY.to_owned()),
        _ => None,
    })
    .unwrap();
    let store = FaultyStore::new(data.clone(), simulation.clone(), faults);
    let ports = SimulatedPorts(simulation.clone());
    Service::new(config, Documents::new((store, ports.clone(), ports)))
}

fn ada() -> Username {
    "ada".parse().unwrap()
}

impl Scenario {
    /// Runs it. The error says what was lost, doubled or resurrected.
    pub fn run(&self, seed: u64) -> Result<(), String> {
        let simulation = Simulation::new(seed);
        let data = Rc::new(Data::default());
        let log: Log<Event> = Rc::new(RefCell::new(Vec::new()));
        let tasks = (0..self.clients)
            .map(|client| {
                let instance = instance(&data, &simulation, self.faults);
                let work = work(
                    client,
                    self.operations,
                    instance,
                    simulation.clone(),
                    log.clone(),
                );
                Box::pin(work) as _
            })
            .collect();
        simulation.run(tasks, self.kills);
        let documents = data.documents.borrow();
        let ledger = match documents.get("latchkey-ledger-ada") {
            Some(document) => Ledger::from_document(document).map_err(|error| error.to_string())?,
            None => Ledger::default(),
        };
        check(&log.borrow(), &ledger)
    }
}

/// One client: creates, under descriptions of its own and one that all want, and rotates and deletes what anyone created.
async fn work(
    client: u64,
    operations: u64,
    instance: Instance,
    simulation: Rc<Simulation>,
    log: Log<Event>,
) {
    for operation in 0..operations {
        let alive: Vec<TokenId> = log
            .borrow()
            .iter()
            .filter_map(|event| match event {
                Event::Created(_, id) => Some(*id),
                _ => None,
            })
            .collect();
        if alive.is_empty() || simulation.chance(60) {
            let description = if simulation.chance(20) {
                "wanted by all".to_owned()
            } else {
                format!("client {client}, operation {operation}")
            };
            create(&instance, description, &log).await;
        } else {
            let id = alive[simulation.below(alive.len() as u64) as usize];
            if simulation.chance(30) {
                rotate(&instance, id, &log).await;
            } else {
                delete(&instance, id, &log).await;
            }
        }
    }
}

/// A deletion and a creation in one: both are done, or neither.
async fn rotate(instance: &Instance, id: TokenId, log: &Log<Event>) {
    let description = log
        .borrow()
        .iter()
        .find_map(|event| match event {
            Event::Created(description, created) if *created == id => Some(description.clone()),
            _ => None,
        })
        .unwrap();
    log.borrow_mut().push(Event::Begun(description.clone()));
    log.borrow_mut().push(Event::Deleting(id));
    match instance
        .rotate(&ada(), &Authority::default(), id, Rotation::default())
        .await
    {
        Ok(issued) => {
            log.borrow_mut().push(Event::Deleted(id));
            log.borrow_mut()
                .push(Event::Created(description, issued.token.id));
        }
        Err(ServiceError::Ledger(LedgerError::NoSuchToken)) => {
            log.borrow_mut().push(Event::Missed(id));
            log.borrow_mut().push(Event::Refused(description));
        }
        Err(ServiceError::Store(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn create(instance: &Instance, description: String, log: &Log<Event>) {
    log.borrow_mut().push(Event::Begun(description.clone()));
    let (parsed, life) = (description.parse().unwrap(), "1h".parse().unwrap());
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
        Ok(issued) => log
            .borrow_mut()
            .push(Event::Created(description, issued.token.id)),
        Err(ServiceError::Ledger(LedgerError::DescriptionTaken | LedgerError::LimitReached(_))) => {
            log.borrow_mut().push(Event::Refused(description));
        }
        Err(ServiceError::Store(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

async fn delete(instance: &Instance, id: TokenId, log: &Log<Event>) {
    log.borrow_mut().push(Event::Deleting(id));
    match instance.revoke(&ada(), id).await {
        Ok(()) => log.borrow_mut().push(Event::Deleted(id)),
        Err(ServiceError::Ledger(LedgerError::NoSuchToken)) => {
            log.borrow_mut().push(Event::Missed(id))
        }
        Err(ServiceError::Store(_)) => {}
        Err(error) => panic!("{error}"),
    }
}

fn check(log: &[Event], ledger: &Ledger) -> Result<(), String> {
    let mut deleting = HashSet::new();
    let mut deleted = HashSet::new();
    let mut created = HashMap::new();
    let mut begun: HashMap<&str, usize> = HashMap::new();
    let mut refused: HashMap<&str, usize> = HashMap::new();
    let mut missed = Vec::new();
    for event in log {
        match event {
            Event::Begun(description) => *begun.entry(description).or_default() += 1,
            Event::Refused(description) => *refused.entry(description).or_default() += 1,
            Event::Created(description, id) => {
                if created.insert(*id, description.as_str()).is_some() {
                    return Err(format!("{id} was created twice"));
                }
            }
            Event::Deleting(id) => drop(deleting.insert(*id)),
            Event::Missed(id) => missed.push(*id),
            Event::Deleted(id) => {
                if !deleted.insert(*id) {
                    return Err(format!("{id} was deleted twice"));
                }
            }
        }
    }
    let mut listed = HashSet::new();
    let mut descriptions = HashSet::new();
    for token in ledger.tokens() {
        let description = token.description.as_str();
        if !listed.insert(token.id) || !descriptions.insert(description) {
            return Err(format!("{description:?} is listed twice"));
        }
        if deleted.contains(&token.id) {
            return Err(format!("{description:?} was deleted and is listed"));
        }
        // A listed token that was not acknowledged must come from a creation without an answer.
        let answered = created
            .values()
            .filter(|other| **other == description)
            .count()
            + refused.get(description).copied().unwrap_or_default();
        let begun = begun.get(description).copied().unwrap_or_default();
        if !created.contains_key(&token.id) && begun <= answered {
            return Err(format!("{description:?} was refused and is listed"));
        }
    }
    for (id, description) in &created {
        if !listed.contains(id) && !deleting.contains(id) {
            return Err(format!("{description:?} was acknowledged and is lost"));
        }
    }
    for id in missed {
        // It had been acknowledged, so someone must have deleted it.
        if listed.contains(&id) {
            return Err(format!("{id} was said not to exist and is listed"));
        }
    }
    Ok(())
}

/// Kills the first client when it has added to the counter, and lets others try until each has its token: within seconds,
/// each in its first request unless the store is slow.
pub fn replace_a_killed_creator(faults: Faults, seed: u64) {
    let simulation = Simulation::new(seed);
    let data = Rc::new(Data::default());
    // The client has added to the counter, and is dead.
    let drawn = {
        let (simulation, data) = (simulation.clone(), data.clone());
        async move {
            use latchkey_component::store::AtomicKeyValue;
            let store = FaultyStore::new(data, simulation, faults);
            let number = store
                .increment("latchkey-gate-ledger-ada-0", 1)
                .await
                .unwrap();
            assert_eq!(number, 1);
        }
    };
    simulation.run(vec![Box::pin(drawn)], false);
    let took = create_all(&simulation, &data, faults, 4, seed);
    assert!(
        took < Duration::from_secs(40),
        "LATCHKEY_SEED={seed}: {took:?}"
    );
}

/// Lets clients create the first tokens of a user, and returns how long it takes until each has its own.
pub fn first_creations(faults: Faults, clients: usize, seed: u64) -> Duration {
    let simulation = Simulation::new(seed);
    create_all(&simulation, &Rc::default(), faults, clients, seed)
}

fn create_all(
    simulation: &Rc<Simulation>,
    data: &Rc<Data>,
    faults: Faults,
    clients: usize,
    seed: u64,
) -> Duration {
    let log: Log<Event> = Rc::new(RefCell::new(Vec::new()));
    let begin = simulation.now();
    let tasks = (0..clients)
        .map(|client| {
            let instance = instance(data, simulation, faults);
            let (simulation, log) = (simulation.clone(), log.clone());
            let work = async move {
                for _ in 0..30 {
                    let description = format!("client {client}");
                    create(&instance, description.clone(), &log).await;
                    let done = |event: &Event| {
                        matches!(event, Event::Created(created, _) if *created == description)
                    };
                    if log.borrow().iter().any(done) {
                        return;
                    }
                    let pause = Duration::from_millis(simulation.below(2_000));
                    simulation.sleep(pause).await;
                }
                panic!("LATCHKEY_SEED={seed}: client {client} never gets its token");
            };
            Box::pin(work) as _
        })
        .collect();
    simulation.run(tasks, false);
    let ledger = Ledger::from_document(&data.documents.borrow()["latchkey-ledger-ada"]).unwrap();
    check(&log.borrow(), &ledger).unwrap();
    assert_eq!(ledger.tokens().len(), clients);
    simulation.now() - begin
}

/// Clients that repeat one creation, all with the same idempotency key, until they are answered: one token.
pub fn repeat_one_creation(faults: Faults, seed: u64) {
    let simulation = Simulation::new(seed);
    let data = Rc::new(Data::default());
    let ids = Rc::new(RefCell::new(Vec::new()));
    let tasks = (0..5)
        .map(|_| {
            let (data, simulation, ids) = (data.clone(), simulation.clone(), ids.clone());
            let work = async move {
                for _ in 0..100 {
                    let instance = instance(&data, &simulation, faults);
                    let (description, life) = ("t".parse().unwrap(), "1h".parse().unwrap());
                    let key = Some("the same".parse().unwrap());
                    match instance
                        .issue(
                            &ada(),
                            &Authority::default(),
                            description,
                            life,
                            Limits::default(),
                            key,
                        )
                        .await
                    {
                        Ok(issued) => return ids.borrow_mut().push(issued.signed),
                        Err(ServiceError::Store(_)) => {
                            simulation
                                .sleep(Duration::from_secs(simulation.below(20)))
                                .await;
                        }
                        Err(error) => panic!("LATCHKEY_SEED={seed}: {error}"),
                    }
                }
                panic!("LATCHKEY_SEED={seed}: no answer");
            };
            Box::pin(work) as _
        })
        .collect();
    simulation.run(tasks, false);
    let ids = ids.borrow();
    assert!(ids.iter().all(|id| *id == ids[0]), "LATCHKEY_SEED={seed}");
    let ledger = Ledger::from_document(&data.documents.borrow()["latchkey-ledger-ada"]).unwrap();
    assert_eq!(ledger.tokens().len(), 1, "LATCHKEY_SEED={seed}");
}
