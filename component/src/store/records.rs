//! A ledger as records: for stores without atomic operations, and those that carry a write to other regions some time
//! later, each key on a way of its own.
//!
//! There, a document that is read, changed and written back would lose tokens and bring revoked ones back. So the store
//! holds facts, which are true in any order:
//!
//! | key | fact |
//! |---|---|
//! | `latchkey-token-<user>-<id>` | the token was issued: its record |
//! | `latchkey-retired-<user>-<id>` | it has a successor, and ends then |
//! | `latchkey-revoked-<user>-<id>` | it was revoked |
//! | `latchkey-user-<user>` | there is this user, who signs in by these means |
//!
//! A token is live where its record is seen, no revocation is, and no end has come. The rules:
//!
//! - *A key of its own for each fact.* Where two regions write the same key, one write is lost.
//! - *Written once.* A write that may have failed is repeated as it is; nothing is decided anew. The end of a retired token is
//!   never put off.
//! - *New facts before ends.* A request that dies between them has lost nothing. The record of a successor says what it
//!   replaces, so that the next change of the same user can write the end.
//! - *Ends are kept* until the token has been expired for longer than replication takes: a record that arrives after the
//!   end was forgotten would bring the token back.
//!
//! What this cannot give, among requests that cross in flight: unique descriptions, exact limits, idempotency keys, and the
//! earlier of two ends of a token that was rotated twice (the next change of the user restores it, if the successor that
//! tells of it has not been revoked). An idempotency key is a part of the record: it is known as long as the token is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::confirmed::FAIL_FOR;
use super::{
    KeyValue, KeyValueError, ListableKeyValue, Ports, READY, Store, StoreError, back_off, decode,
    encode, write_value,
};
use crate::ledger::{End, Ledger, Record, Replaced};
use crate::ports::{Clock, Random};
use crate::token::{Means, Timestamp, Token, TokenId, Username};

/// How long the facts of a token are kept beyond its expiry and retention: longer than replication takes, and than the
/// clocks of regions differ.
const KEPT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Of how many tokens the facts are removed by one change, at most: a change has to stay fast, and it adds those of one.
const REMOVED_AT_ONCE: usize = 4;

/// How often a write is tried, should the clock stand still.
const MAX_ATTEMPTS: u32 = 64;

/// How old the proof that the store takes writes may be. Anybody may ask for it, and no instance remembers.
const WRITE_PROOF: Duration = Duration::from_secs(2);

/// The records in a key-value store.
#[derive(Debug)]
pub struct Records<P> {
    ports: P,
    /// How long an expired token stays listed.
    retention: Duration,
}

/// What the keys of users begin with.
const USER: &str = "latchkey-user-";

fn user_key(user: &Username) -> String {
    format!("{USER}{}", encode(user))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Token,
    Retired,
    Revoked,
}

impl Fact {
    const ALL: [Self; 3] = [Self::Token, Self::Retired, Self::Revoked];

    /// What the keys of these facts about a user's tokens begin with.
    fn prefix(self, user: &Username) -> String {
        let kind = match self {
            Self::Token => "token",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        };
        format!("latchkey-{kind}-{}-", encode(user))
    }

    fn key(self, user: &Username, id: TokenId) -> String {
        format!("{}{id}", self.prefix(user))
    }
}

/// Which facts there are about a token.
#[derive(Clone, Copy, Debug, Default)]
struct Facts([bool; 3]);

impl Facts {
    fn insert(&mut self, fact: Fact) {
        self.0[fact as usize] = true;
    }

    const fn contain(self, fact: Fact) -> bool {
        self.0[fact as usize]
    }

    /// Whether the token's record is worth reading.
    const fn are_of_a_token(self) -> bool {
        self.contain(Fact::Token) && !self.contain(Fact::Revoked)
    }
}

/// What is known of a user's tokens.
struct Known {
    /// Which facts there are.
    facts: BTreeMap<TokenId, Facts>,
    /// The records of those that were not revoked, newest first. `retires_at` is the earliest end that any fact names.
    records: Vec<Record>,
    /// Those whose end stands in the record of their successor only, or is an earlier one there.
    unfinished: Vec<Token>,
}

impl<P> Records<P> {
    /// The records in the store of `ports`. Expired tokens stay listed for `retention`.
    pub const fn new(ports: P, retention: Duration) -> Self {
        Self { ports, retention }
    }
}

impl<P: Ports<KeyValue: ListableKeyValue>> Store for Records<P> {
    type Ports = P;

    fn ports(&self) -> &P {
        &self.ports
    }

    async fn load(&self, user: &Username) -> Result<Ledger, StoreError> {
        Ok(Ledger::from_records(self.read(user).await?.records))
    }

    /// Three reads, whatever else is in the store.
    async fn find(&self, user: &Username, id: TokenId) -> Result<Option<Token>, StoreError> {
        let Some(record) = self.get(Fact::Token, user, id).await? else {
            return Ok(None);
        };
        let mut token = Record::from_document(&record)?.token;
        if self.get(Fact::Revoked, user, id).await?.is_some() {
            return Ok(None);
        }
        if let Some(end) = self.get(Fact::Retired, user, id).await? {
            token.retires_at = End::from_document(&end)?.until;
        }
        Ok(Some(token))
    }

    async fn change<T, E>(
        &self,
        user: &Username,
        mut apply: impl FnMut(&mut Ledger) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let known = self.read(user).await?;
        // First, and also if nothing else comes of this change: a token that the list no longer shows must not live on.
        let now = self.ports.clock().now();
        for token in &known.unfinished {
            if token.expires_at() > now.as_secs() {
                self.retire(user, token).await?;
            }
        }
        let mut before = Ledger::from_records(known.records.iter().cloned());
        before.expire(now, self.retention);
        let mut after = before.clone();
        let result = match apply(&mut after) {
            Ok(result) => result,
            Err(error) => return Ok(Err(error)),
        };
        self.write_difference(user, &before, &after, now).await?;
        self.remove_old(user, &known, now).await;
        Ok(Ok(result))
    }

    async fn change_value<T: DeserializeOwned + Serialize + Default, R>(
        &self,
        key: &str,
        mut apply: impl FnMut(&mut T) -> Option<R>,
    ) -> Result<Option<R>, StoreError> {
        let mut value = self.value(key).await?;
        let result = apply(&mut value);
        if result.is_some() {
            let value = write_value(key, &value)?;
            self.ports.key_values().set(key, value).await?;
        }
        Ok(result)
    }

    async fn note_user(
        &self,
        user: &Username,
        means: &Means,
        keeps: impl Fn(&Means) -> bool,
    ) -> Result<Vec<Username>, StoreError> {
        let note = |noted: &mut Option<Means>| match noted.as_ref() {
            Some(former) if keeps(former) => None,
            _ => {
                *noted = Some(means.clone());
                Some(())
            }
        };
        self.change_value(&user_key(user), note).await?;
        // Each user has a key: nothing grows too large, and to find others all keys would have to be listed.
        Ok(Vec::new())
    }

    async fn forget_users(&self, users: &[Username]) -> Result<(), StoreError> {
        for user in users {
            self.ports.key_values().delete(&user_key(user)).await?;
        }
        Ok(())
    }

    async fn noted_means(&self, user: &Username) -> Result<Option<Means>, StoreError> {
        self.value(&user_key(user)).await
    }

    async fn noted_users(&self) -> Result<BTreeSet<Username>, StoreError> {
        let keys = self.ports.key_values().list_keys().await?;
        let users = keys.iter().filter_map(|key| key.strip_prefix(USER));
        Ok(users.filter_map(decode).collect())
    }

    async fn present_signing_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    /// Two regions would make two.
    async fn signing_key(&self) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::NoSigningKey)
    }

    async fn try_write(&self) -> Result<(), KeyValueError> {
        let now = self.ports.clock().now();
        let written = self.ports.key_values().get(READY).await?;
        let written = written.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        let is_recent =
            |secs| (0..WRITE_PROOF.as_secs()).contains(&now.as_secs().wrapping_sub(secs));
        if written.is_some_and(is_recent) {
            return Ok(());
        }
        let text = now.as_secs().to_string();
        self.ports.key_values().set(READY, text.into_bytes()).await
    }
}

impl<P: Ports<KeyValue: ListableKeyValue>> Records<P> {
    async fn get(
        &self,
        fact: Fact,
        user: &Username,
        id: TokenId,
    ) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.ports.key_values().get(&fact.key(user, id)).await
    }

    /// Writes a fact. Repeats the write as it is while the store fails: it may have been made.
    async fn set(
        &self,
        fact: Fact,
        user: &Username,
        id: TokenId,
        document: Vec<u8>,
    ) -> Result<(), KeyValueError> {
        let key = fact.key(user, id);
        let begin = self.ports.clock().now();
        let mut attempt = 0;
        loop {
            let Err(error) = self.ports.key_values().set(&key, document.clone()).await else {
                return Ok(());
            };
            if attempt >= MAX_ATTEMPTS || self.ports.clock().now().since(begin) >= FAIL_FOR {
                return Err(error);
            }
            back_off(&self.ports, attempt).await;
            attempt += 1;
        }
    }

    async fn retire(&self, user: &Username, token: &Token) -> Result<(), KeyValueError> {
        let end = End {
            until: token.retires_at,
            expires_at: token.expires_at(),
        };
        self.set(Fact::Retired, user, token.id, end.to_document())
            .await
    }

    /// All that the store says of the tokens of `user`.
    async fn read(&self, user: &Username) -> Result<Known, StoreError> {
        let prefixes = Fact::ALL.map(|fact| (fact, fact.prefix(user)));
        let mut facts: BTreeMap<TokenId, Facts> = BTreeMap::new();
        for key in self.ports.key_values().list_keys().await? {
            let fact = prefixes.iter().find_map(|(fact, prefix)| {
                let id = key.strip_prefix(prefix)?;
                Some((*fact, TokenId::try_from(id).ok()?))
            });
            if let Some((fact, id)) = fact {
                facts.entry(id).or_default().insert(fact);
            }
        }
        let mut records: Vec<Record> = Vec::new();
        for (id, facts) in facts.iter().filter(|(_, facts)| facts.are_of_a_token()) {
            // It may be gone since the keys were listed.
            let Some(record) = self.get(Fact::Token, user, *id).await? else {
                continue;
            };
            let mut record = Record::from_document(&record)?;
            if facts.contain(Fact::Retired)
                && let Some(end) = self.get(Fact::Retired, user, *id).await?
            {
                record.token.retires_at = End::from_document(&end)?.until;
            }
            let place =
                records.partition_point(|other| (other.at, other.token.id) > (record.at, *id));
            records.insert(place, record);
        }
        let successors: Vec<Replaced> = records.iter().filter_map(|r| r.replaces).collect();
        let mut unfinished = Vec::new();
        for Record { token, .. } in &mut records {
            let written = token.retires_at;
            let replaced = successors.iter().filter(|old| old.id == token.id);
            token.retires_at = replaced.map(|old| old.until).chain(written).min();
            if token.retires_at != written {
                unfinished.push(token.clone());
            }
        }
        Ok(Known {
            facts,
            records,
            unfinished,
        })
    }

    /// Writes what makes `after` of `before`: new tokens first.
    async fn write_difference(
        &self,
        user: &Username,
        before: &Ledger,
        after: &Ledger,
        now: Timestamp,
    ) -> Result<(), KeyValueError> {
        let is_new = |token: &&Token| before.find(token.id).is_none();
        let revoked = || (before.tokens().iter()).filter(|old| after.find(old.id).is_none());
        let retired = || {
            after.tokens().iter().filter(|token| {
                let old = before.find(token.id);
                old.is_some_and(|old| old.retires_at != token.retires_at)
            })
        };
        // A new token beside an end of another is its successor.
        let replaces = retired().chain(revoked()).next().map(|old| Replaced {
            id: old.id,
            until: old.retires_at.unwrap_or(now.as_secs()),
        });
        for token in after.tokens().iter().filter(is_new) {
            let record = Record {
                repeatable: after.creation(token.id).cloned(),
                replaces,
                ..Record::new(token.clone(), now)
            };
            self.set(Fact::Token, user, token.id, record.to_document())
                .await?;
        }
        for token in retired() {
            self.retire(user, token).await?;
        }
        for token in revoked() {
            let end = End {
                until: None,
                expires_at: token.expires_at(),
            };
            self.set(Fact::Revoked, user, token.id, end.to_document())
                .await?;
        }
        Ok(())
    }

    /// Removes the facts of some tokens that expired long ago. What fails here is done by a later change.
    async fn remove_old(&self, user: &Username, known: &Known, now: Timestamp) {
        let kept_for = self.retention.saturating_add(KEPT_FOR);
        let is_old =
            |expires_at| now.since(Timestamp::new(Duration::from_secs(expires_at))) > kept_for;
        let mut old: Vec<TokenId> = (known.records.iter())
            .filter(|record| is_old(record.token.expires_at()))
            .map(|record| record.token.id)
            .collect();
        // The others have an end that says when they expire. There may be many: some at random are looked at.
        let ended: Vec<TokenId> = (known.facts.iter())
            .filter(|(_, facts)| !facts.are_of_a_token())
            .map(|(id, _)| *id)
            .collect();
        let first = self.ports.random().next_u64() as usize % ended.len().max(1);
        for id in ended
            .iter()
            .cycle()
            .skip(first)
            .take(REMOVED_AT_ONCE.min(ended.len()))
        {
            for fact in [Fact::Revoked, Fact::Retired] {
                if let Ok(Some(end)) = self.get(fact, user, *id).await
                    && End::from_document(&end).is_ok_and(|end| is_old(end.expires_at))
                {
                    old.push(*id);
                    break;
                }
            }
        }
        for id in old.iter().take(REMOVED_AT_ONCE) {
            // The record first: it must not be left without its end.
            for fact in Fact::ALL {
                let key = fact.key(user, *id);
                if known.facts[id].contain(fact)
                    && self.ports.key_values().delete(&key).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
