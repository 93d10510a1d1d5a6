//! Clients that create and delete tokens, and remember what they were told, to hold it against the list afterwards.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{mem, sync::Arc};

use serde_json::{Value, json};

use crate::client::basic;
use crate::server::{PASSWORD, TOKENS};

/// What the clients of one user were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Id and description of every 201.
    pub created: Vec<(String, String)>,
    /// Ids of every 200 to a deletion.
    pub deleted: HashSet<String>,
    /// Ids whose deletion was not answered, or with 503: deleted or not.
    pub maybe_deleted: HashSet<String>,
    /// Descriptions whose creation was not answered, or with 503: there or not.
    pub maybe_created: HashSet<String>,
    /// How many answers were 503.
    pub unavailable: usize,
}

/// The list of a user: descriptions by id.
pub type Listed = BTreeMap<String, String>;

impl Told {
    /// Adds what other clients of the user were told.
    pub fn add(&mut self, other: Self) {
        self.created.extend(other.created);
        self.deleted.extend(other.deleted);
        self.maybe_deleted.extend(other.maybe_deleted);
        self.maybe_created.extend(other.maybe_created);
        self.unavailable += other.unavailable;
    }

    /// Fails where something acknowledged is missing, twice there, or back again, or something refused is there.
    #[track_caller]
    pub fn check(&self, listed: &Listed) {
        let ids: HashSet<_> = self.created.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), self.created.len(), "an id was given out twice");
        for (id, description) in &self.created {
            if !self.deleted.contains(id) && !self.maybe_deleted.contains(id) {
                assert!(listed.contains_key(id), "lost: {description} ({id})");
            }
        }
        let mut descriptions = HashSet::new();
        for (id, description) in listed {
            assert!(
                !self.deleted.contains(id),
                "back again: {description} ({id})"
            );
            assert!(
                descriptions.insert(description),
                "twice there: {description}"
            );
            assert!(
                ids.contains(id) || self.maybe_created.contains(description),
                "nobody asked for: {description} ({id})"
            );
        }
    }
}

/// Clients at work, each in a thread of its own.
pub struct Load {
    clients: Vec<JoinHandle<Told>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    unavailable: Arc<AtomicUsize>,
}

impl Load {
    /// `clients` of the user `name` at each of the servers. They end when told, or, unless they are `patient`, when a
    /// server is gone. `run` keeps descriptions apart from those of other loads.
    pub fn start(urls: &[&str], name: &str, clients: usize, run: usize, patient: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let unavailable = Arc::new(AtomicUsize::new(0));
        let start = |number: usize| {
            let mut client = Client {
                url: format!("{}{TOKENS}", urls[number % urls.len()]),
                authorization: basic(name, PASSWORD),
                agent: agent(),
                told: Told::default(),
                mine: Vec::new(),
            };
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            let unavailable = unavailable.clone();
            thread::spawn(move || {
                for step in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // Two creations, then a deletion: the list grows, and never beyond what is looked at.
                    let answer = if step % 3 < 2 {
                        client.create(format!("run {run}, client {number}, step {step}"))
                    } else {
                        client.delete()
                    };
                    match answer {
                        Answer::Acknowledged => drop(acknowledged.fetch_add(1, Ordering::Relaxed)),
                        Answer::Unavailable => {
                            client.told.unavailable += 1;
                            unavailable.fetch_add(1, Ordering::Relaxed);
                        }
                        Answer::None if patient => thread::sleep(Duration::from_millis(20)),
                        Answer::None => break,
                    }
                }
                client.told
            })
        };
        let clients = (0..clients * urls.len()).map(start).collect();
        Self {
            clients,
            stop,
            acknowledged,
            unavailable,
        }
    }

    /// Waits until so many changes have been acknowledged, of all since the beginning.
    #[track_caller]
    pub fn wait_for(&self, acknowledged: usize) {
        self.wait(&self.acknowledged, acknowledged, "acknowledged changes");
    }

    /// Waits until so many requests have been answered with 503.
    #[track_caller]
    pub fn wait_for_unavailable(&self, unavailable: usize) {
        self.wait(&self.unavailable, unavailable, "answers 503");
    }

    /// How many changes have been acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn wait(&self, count: &AtomicUsize, enough: usize, what: &str) {
        for _ in 0..36_000 {
            if count.load(Ordering::Relaxed) >= enough {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{} of {enough} {what}", count.load(Ordering::Relaxed));
    }

    /// Tells the clients to end, and what they were told.
    pub fn stop(mut self) -> Told {
        self.stop.store(true, Ordering::Relaxed);
        let mut told = Told::default();
        for client in mem::take(&mut self.clients) {
            told.add(client.join().expect("a client"));
        }
        told
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

enum Answer {
    Acknowledged,
    Unavailable,
    None,
}

struct Client {
    url: String,
    authorization: String,
    agent: ureq::Agent,
    told: Told,
    /// Ids that this client created and has not deleted.
    mine: Vec<String>,
}

/// Without a pool: a server that is killed leaves no connection behind that looks alive.
fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_idle_connections(0)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

impl Client {
    fn create(&mut self, description: String) -> Answer {
        let body = json!({ "jwt_token_description": description, "jwt_token_life": "1 day" });
        let sent = self
            .agent
            .post(&self.url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body.to_string());
        match outcome(sent) {
            Some((201, body)) => {
                let id = body["jwt_token_id"].as_str().expect("an id").to_owned();
                self.told.created.push((id.clone(), description));
                self.mine.push(id);
                Answer::Acknowledged
            }
            Some((503, _)) => {
                self.told.maybe_created.insert(description);
                Answer::Unavailable
            }
            None => {
                self.told.maybe_created.insert(description);
                Answer::None
            }
            Some((status, body)) => panic!("{status} {body}"),
        }
    }

    fn delete(&mut self) -> Answer {
        let Some(id) = self.mine.pop() else {
            return Answer::None;
        };
        let sent = self
            .agent
            .delete(&format!("{}/{id}", self.url))
            .header("authorization", &self.authorization)
            .call();
        match outcome(sent) {
            Some((200, _)) => {
                self.told.deleted.insert(id);
                Answer::Acknowledged
            }
            Some((503, _)) => {
                self.told.maybe_deleted.insert(id);
                Answer::Unavailable
            }
            None => {
                self.told.maybe_deleted.insert(id);
                Answer::None
            }
            Some((status, body)) => panic!("{status} {body}"),
        }
    }
}

/// Status and body of an answer that came whole.
fn outcome(sent: Result<http::Response<ureq::Body>, ureq::Error>) -> Option<(u16, Value)> {
    let mut response = sent.ok()?;
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().ok()?;
    if status == 503 {
        assert!(
            response.headers().contains_key("retry-after"),
            "503 without Retry-After"
        );
    }
    Some((status, serde_json::from_str(&body).ok()?))
}

/// The list of the user, read until the server answers.
#[track_caller]
pub fn list(url: &str, name: &str) -> Listed {
    let agent = agent();
    for _ in 0..600 {
        let sent = agent
            .get(&format!("{url}{TOKENS}"))
            .header("authorization", &basic(name, PASSWORD))
            .call();
        match outcome(sent) {
            Some((200, body)) => {
                let tokens = body["jwt_tokens"].as_object().expect("tokens");
                let entry = |(id, token): (&String, &Value)| {
                    let description = token["jwt_token_description"].as_str();
                    (id.clone(), description.expect("a description").to_owned())
                };
                return tokens.iter().map(entry).collect();
            }
            Some((404, _)) => return Listed::new(),
            _ => thread::sleep(Duration::from_millis(100)),
        }
    }
    panic!("no list from {url}");
}
