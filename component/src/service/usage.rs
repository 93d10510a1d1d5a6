//! When tokens were last used: noted beside the ledgers, after the answer, and of no consequence if it is lost.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{LiveToken, Service};
use crate::store::{KeyValue, Ports, Store, uses_key};
use crate::token::{Timestamp, TokenId, Username};

/// How exactly the time of a use is kept, in seconds: a token is noted once in it.
const STEP: u64 = 10 * 60;

/// The most tokens that an instance remembers to have noted in a step, and the most uses that wait to be written.
const MOST: usize = 4_096;

/// What an instance has noted of the uses of tokens.
#[derive(Default)]
pub(super) struct Usage {
    noted: RefCell<Noted>,
    /// What is still to be written.
    waiting: RefCell<Vec<(Username, Use)>>,
    /// Whether a request is writing. One at a time: two for one user would undo each other's.
    is_writing: Cell<bool>,
}

#[derive(Default)]
struct Noted {
    step: u64,
    /// Sorted.
    tokens: Vec<TokenId>,
}

/// When a token was last used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Use {
    id: TokenId,
    /// The begin of the step, in seconds since the Unix epoch.
    at: u64,
}

/// When the tokens of a user were last used, and the user last signed in, as far as it was noted.
#[derive(Debug, Default)]
pub struct Uses {
    uses: Vec<Use>,
    last_sign_in: Option<Timestamp>,
}

impl Uses {
    /// When the token `id` was last used, in seconds since the Unix epoch.
    pub fn of(&self, id: TokenId) -> Option<u64> {
        Some(self.uses.iter().find(|noted| noted.id == id)?.at)
    }

    /// When any of them was last used, in seconds since the Unix epoch.
    pub fn latest(&self) -> Option<u64> {
        self.uses.iter().map(|noted| noted.at).max()
    }

    /// When the user last signed in without a password.
    pub fn last_sign_in(&self) -> Option<Timestamp> {
        self.last_sign_in
    }
}

impl Usage {
    /// Whether there is something to write, and nobody does it.
    fn note(&self, live: &LiveToken, now: u64) -> bool {
        let step = now - now % STEP;
        let id = live.status.token.id;
        let mut noted = self.noted.borrow_mut();
        if noted.step != step || noted.tokens.len() >= MOST {
            *noted = Noted {
                step,
                tokens: Vec::new(),
            };
        }
        let mut waiting = self.waiting.borrow_mut();
        if let Err(place) = noted.tokens.binary_search(&id)
            && waiting.len() < MOST
        {
            noted.tokens.insert(place, id);
            waiting.push((live.user.clone(), Use { id, at: step }));
        }
        !waiting.is_empty() && !self.is_writing.get()
    }

    /// A user of whom there is something to write, and all of it.
    fn next(&self) -> Option<(Username, Vec<Use>)> {
        let mut waiting = self.waiting.borrow_mut();
        let user = waiting.first()?.0.clone();
        let (of_user, others) = waiting.drain(..).partition(|(other, _)| *other == user);
        *waiting = others;
        let of_user: Vec<_> = of_user;
        Some((user, of_user.into_iter().map(|(_, used)| used).collect()))
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Usage(..)")
    }
}

/// Ends the writing, also if the host gives up the request that does it.
struct Writing<'a>(&'a Cell<bool>);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl<S: Store> Service<S> {
    /// Notes that the token was used. Returns whether [`Self::write_uses`] should be called when the answer is sent.
    pub fn note_use(&self, live: &LiveToken) -> bool {
        self.usage.note(live, self.now().as_secs())
    }

    /// When the tokens of `user` were last used. Nothing, if the store fails: it is no reason to refuse a list.
    pub async fn uses(&self, user: &Username) -> Uses {
        let last_sign_in = match self.config.vouches() {
            true => self.last_sign_in(user).await.unwrap_or_default(),
            false => None,
        };
        Uses {
            uses: self.value(&uses_key(user)).await.unwrap_or_default(),
            last_sign_in,
        }
    }

    /// Writes what was noted. A write that fails is not repeated: the token is noted again in the next step.
    pub async fn write_uses(&self) {
        if self.usage.is_writing.replace(true) {
            return;
        }
        let _writing = Writing(&self.usage.is_writing);
        while let Some((user, uses)) = self.usage.next() {
            self.write_uses_of(&user, uses).await;
        }
    }

    /// `None` if the store fails.
    async fn write_uses_of(&self, user: &Username, uses: Vec<Use>) -> Option<()> {
        let key = uses_key(user);
        let mut all: Vec<Use> = self.value(&key).await?;
        // Another instance may have noted the same, or a later use. Some platforms make one for each request.
        let is_known = |all: &[Use], new: &Use| {
            let mut known = all.iter();
            known.any(|old| old.id == new.id && old.at >= new.at)
        };
        if uses.iter().all(|new| is_known(&all, new)) {
            return Some(());
        }
        for new in uses {
            match all.iter_mut().find(|old| old.id == new.id) {
                Some(old) => old.at = old.at.max(new.at),
                None => all.push(new),
            }
        }
        if all.len() > self.config.max_tokens_per_user {
            // Some are gone.
            let ledger = self.store.load(user).await.ok()?;
            all.retain(|noted| ledger.find(noted.id).is_some());
        }
        let value = serde_json::to_vec(&all).ok()?;
        let store = self.store.ports().key_values();
        store.set(&key, value).await.ok()
    }

    /// The value of `key`, in JSON: the default if there is none or it is malformed, `None` if the store fails.
    async fn value<T: DeserializeOwned + Default>(&self, key: &str) -> Option<T> {
        let value = self.store.ports().key_values().get(key).await.ok()?;
        let value = value.map(|value| serde_json::from_slice(&value).unwrap_or_default());
        Some(value.unwrap_or_default())
    }
}
