//! Who may create a document that does not exist.
//!
//! A compare-and-swap on an absent key is an unconditional write on some stores (Spin's SQLite): of two first writers,
//! both are told that they succeeded, and one is lost. A counter is atomic everywhere. So a request that finds no document
//! adds to a counter beside it, and the first may create. The others wait for the document to appear.
//!
//! *A lost reply.* Each request adds a random number of its own. If the sum is a multiple of that number, nobody else has
//! added before: the request is first, even if it had to try several times because it never saw the answer.
//!
//! *A lost creator.* The first may die before the document is written, or may be a request that never saw that it was
//! first. So the right to create ends [`OPEN_FOR`] after the request began to add. The others have added later. Once they
//! have waited [`OVERDUE_AFTER`] by their own clock, that right has ended, and so has every swap that was begun under it.
//! They note that the generation is over, and add to the counter of the next one.

use std::time::Duration;

use super::{AtomicKeyValue, KeyValue, KeyValueError};
use crate::ports::{Clock, Random};
use crate::token::Timestamp;

/// How long the first may create: every swap begins within this time from when it began to add.
const OPEN_FOR: Duration = Duration::from_secs(2);

/// How long the others wait: [`OPEN_FOR`], and longer than any store lets a swap hang (SQLite: 5 s for a lock).
const OVERDUE_AFTER: Duration = Duration::from_secs(8);

/// Random numbers are below this: large enough to be unlike each other, small enough for millions of sums.
const MAX_ADDEND: u64 = 1 << 40;

/// Whether `key` is that of a counter, which some stores keep in another form than other values.
pub fn is_counter(key: &str) -> bool {
    let counter = key.strip_prefix("latchkey-gate-");
    counter
        .and_then(|counter| counter.rsplit_once('-'))
        .is_some_and(|(document, generation)| {
            // Without its own, the key of a user named 7 would be that of a counter.
            let user = document.strip_prefix("ledger-");
            let is_document =
                document == "signing-key" || user.is_some_and(|user| !user.contains('-'));
            is_document && generation.parse::<u32>().is_ok()
        })
}

/// The state of one request that asks for the right to create the document at a key.
pub(super) struct Gate {
    key: String,
    /// What this request adds to counters; not 0.
    addend: i64,
    /// Additions to the counter of this generation, including those whose reply was lost.
    additions: i64,
    generation: u32,
    state: State,
}

enum State {
    /// Has not added yet, or does not know the sum.
    Outside,
    /// Was first, and began to add at this time.
    Open(Timestamp),
    /// Was not, or not soon enough, at this time.
    Waiting(Timestamp),
}

/// Whether the request may create the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Granted,
    Refused,
}

impl Gate {
    pub(super) fn new(document: &str, random: &impl Random) -> Self {
        Self {
            key: document.replacen("latchkey-", "latchkey-gate-", 1),
            addend: 1 + (random.next_u64() % MAX_ADDEND) as i64,
            additions: 0,
            generation: 0,
            state: State::Outside,
        }
    }

    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Open(since) if now.since(since) < OPEN_FOR)
    }

    /// Asks for the right to create. Call it again as long as there is no document.
    pub(super) async fn enter(
        &mut self,
        key_values: &impl AtomicKeyValue,
        clock: &impl Clock,
    ) -> Result<Entry, KeyValueError> {
        match self.state {
            State::Outside => self.add(key_values, clock).await,
            // Too late: a swap of ours may still be on its way.
            State::Open(_) => {
                self.state = State::Waiting(clock.now());
                Ok(Entry::Refused)
            }
            State::Waiting(since) if clock.now().since(since) < OVERDUE_AFTER => Ok(Entry::Refused),
            State::Waiting(_) => {
                self.begin(self.generation.saturating_add(1));
                // A slower request may overwrite this with an earlier generation: then all wait once more.
                let note = self.generation.to_string().into_bytes();
                key_values.set(&self.key, note).await?;
                self.add(key_values, clock).await
            }
        }
    }

    fn begin(&mut self, generation: u32) {
        self.generation = generation;
        self.additions = 0;
        self.state = State::Outside;
    }

    async fn add(
        &mut self,
        key_values: &impl AtomicKeyValue,
        clock: &impl Clock,
    ) -> Result<Entry, KeyValueError> {
        let noted = self.noted_generation(key_values).await?;
        if noted > self.generation {
            self.begin(noted);
        }
        // The right begins before the addition: a slow answer shortens it.
        let before = clock.now();
        self.additions += 1;
        let counter = format!("{}-{}", self.key, self.generation);
        let sum = key_values.increment(&counter, self.addend).await?;
        let ours = (1..=self.additions).any(|times| times.checked_mul(self.addend) == Some(sum));
        if ours {
            self.state = State::Open(before);
            Ok(Entry::Granted)
        } else {
            self.state = State::Waiting(clock.now());
            Ok(Entry::Refused)
        }
    }

    /// The generation that the note names: all before it are over. Without a note it is the first.
    async fn noted_generation(&self, key_values: &impl KeyValue) -> Result<u32, KeyValueError> {
        let Some(note) = key_values.get(&self.key).await? else {
            return Ok(0);
        };
        let malformed = || KeyValueError(format!("the note at {} is malformed", self.key));
        let note = std::str::from_utf8(&note).map_err(|_| malformed())?;
        note.parse().map_err(|_| malformed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters() {
        for (key, expected) in [
            ("latchkey-gate-signing-key-0", true),
            ("latchkey-gate-ledger-ada-12", true),
            ("latchkey-gate-ledger-7-0", true),
            ("latchkey-gate-ledger-7", false),
            ("latchkey-gate-signing-key", false),
            ("latchkey-ledger-7", false),
            ("latchkey-failures-7", false),
            ("latchkey-gate-ledger-ada-x", false),
        ] {
            assert_eq!(is_counter(key), expected, "{key}");
        }
    }
}
