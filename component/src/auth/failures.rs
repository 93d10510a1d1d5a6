//! Failed sign-ins, counted in the store: a guesser has the same few tries on all hosts, and after a restart.
//!
//! One document counts for all names that share a [slot](super::digest). In it, failures are counted twice: by name and
//! client, where a few make the next attempt wait, and for all names and clients together, where many do. So guessing at a
//! user from one network keeps nobody elsewhere out, and guessing from many networks is bounded too. Names that no user
//! has are counted like others: a refusal does not tell whether a user exists.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digest::{ClientDigest, Slot};
use crate::ports::{Clock, Random};
use crate::store::{Ports as _, Store, StoreError};
use crate::token::Timestamp;

/// For how long attempts are refused at first. Doubles with every further failure.
const FIRST_DELAY_SECS: u64 = 2;

/// For how long they are refused at most.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);

/// Doublings after which the delay does not grow: its failures are not counted either.
const MAX_DOUBLINGS: u64 = 16;

/// The most clients that a document counts. To make room, the one whose failures are forgotten first is forgotten now.
const MAX_CLIENTS: usize = 16;

/// How much the clocks of hosts may differ before a failure counts twice.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

/// The most writes that are told apart: more than there are hosts that write at the same moment.
const MAX_WRITES: usize = 16;

/// How many failures are free, and how fast they are forgotten.
struct Limit {
    /// Failures after which attempts are refused for a while.
    free: u64,
    /// One failure is forgotten in this time.
    forget_one: Duration,
}

/// People mistype. With the delays, fewer than 40 tries in the first hour and 28 in each after it.
const OF_CLIENT: Limit = Limit {
    free: 5,
    forget_one: Duration::from_secs(130),
};

/// As many as NIST SP 800-63B-4, section 3.2.2, allows in a row, and then as many an hour. A flood of wrong passwords under
/// random names spreads over all slots and is forgotten faster than it fills one.
const OF_SLOT: Limit = Limit {
    free: 100,
    forget_one: Duration::from_secs(36),
};

/// Counts a failure of `client` in `slot`. Returns the delay if attempts were refused already, by failures that others
/// have counted meanwhile.
pub(super) async fn count<S: Store>(
    store: &S,
    slot: Slot,
    client: ClientDigest,
) -> Result<Option<Duration>, StoreError> {
    let write = store.ports().random().next_u64();
    let count = |failures: &mut Failures| {
        if failures.writes.contains(&write) {
            return None;
        }
        let now = store.ports().clock().now();
        let delay = failures.delay(client, now);
        failures.count(client, now);
        failures.record(write);
        Some(delay)
    };
    Ok(store.change_value(&key(slot), count).await?.flatten())
}

/// The failures in `slot`.
pub(super) async fn load<S: Store>(store: &S, slot: Slot) -> Result<Failures, StoreError> {
    store.value(&key(slot)).await
}

/// Forgets the failures of `client`, who has signed in. They still count for all clients together: each time that a user
/// signs in would grant new tries to a guesser in the same network.
pub(super) async fn forget<S: Store>(store: &S, slot: Slot, client: ClientDigest) {
    let forget = |failures: &mut Failures| {
        let theirs = failures.are_of(client);
        failures.clients.retain(|(known, _)| *known != client);
        theirs.then_some(())
    };
    // That fails only for the user, who is refused sooner than need be.
    let _ = store.change_value(&key(slot), forget).await;
}

fn key(Slot(slot): Slot) -> String {
    format!("latchkey-failures-{slot}")
}

/// The failures of the names in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Failures {
    all: Count,
    clients: Vec<(ClientDigest, Count)>,
    /// The ids of the last writes: each failure is counted once, also if its write has to be confirmed.
    writes: Vec<u64>,
}

/// Failures, as a level that falls all the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    /// When all are forgotten, in milliseconds since the epoch.
    none_at: u64,
    /// Until when attempts are refused, in milliseconds since the epoch.
    refused_until: u64,
}

impl Failures {
    /// For how much longer attempts of `client` are refused, if they are refused.
    pub(super) fn delay(&self, client: ClientDigest, now: Timestamp) -> Option<Duration> {
        let client = self.clients.iter().find(|(known, _)| *known == client);
        let counts = [Some(&self.all), client.map(|(_, count)| count)];
        counts
            .into_iter()
            .flatten()
            .filter_map(|count| count.delay(now))
            .max()
    }

    /// Whether `client` has any.
    pub(super) fn are_of(&self, client: ClientDigest) -> bool {
        self.clients.iter().any(|(known, _)| *known == client)
    }

    fn record(&mut self, write: u64) {
        if self.writes.len() >= MAX_WRITES {
            self.writes.remove(0);
        }
        self.writes.push(write);
    }

    /// Counts a failure of `client`.
    fn count(&mut self, client: ClientDigest, now: Timestamp) {
        self.all.add(&OF_SLOT, now);
        self.clients
            .retain(|(_, count)| count.none_at > millis(now));
        if let Some((_, count)) = self.clients.iter_mut().find(|(known, _)| *known == client) {
            return count.add(&OF_CLIENT, now);
        }
        if self.clients.len() >= MAX_CLIENTS {
            let first = (0..self.clients.len()).min_by_key(|index| self.clients[*index].1.none_at);
            first.map(|index| self.clients.swap_remove(index));
        }
        let mut count = Count::default();
        count.add(&OF_CLIENT, now);
        self.clients.push((client, count));
    }
}

impl Count {
    fn delay(&self, now: Timestamp) -> Option<Duration> {
        let left = self.refused_until.saturating_sub(millis(now));
        // A clock that was set back must not make the delay longer than any is.
        let left = Duration::from_millis(left).min(MAX_DELAY);
        (!left.is_zero()).then_some(left)
    }

    fn add(&mut self, limit: &Limit, now: Timestamp) {
        let now = millis(now);
        let one = limit.forget_one.as_millis() as u64;
        let most = now + one * (limit.free + MAX_DOUBLINGS);
        self.none_at = (self.none_at.max(now) + one).min(most);
        let left = (self.none_at - now).saturating_sub(CLOCKS_DIFFER.as_millis() as u64);
        let level = left.div_ceil(one);
        self.refused_until = now + delay_after(level, limit).as_millis() as u64;
    }
}

fn millis(time: Timestamp) -> u64 {
    time.as_micros() / 1_000
}

/// For how long attempts are refused after so many failures.
fn delay_after(failures: u64, limit: &Limit) -> Duration {
    match failures.checked_sub(limit.free) {
        None => Duration::ZERO,
        Some(doublings) => {
            Duration::from_secs(FIRST_DELAY_SECS << doublings.min(MAX_DOUBLINGS)).min(MAX_DELAY)
        }
    }
}
