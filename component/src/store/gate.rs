//! Who may create a document that does not exist.
//!
//! A compare-and-swap on an absent key is an unconditional write on some stores (Spin's SQLite): of two first writers,
//! both are told that they succeeded, and one is lost. A counter is atomic everywhere. So whoever finds no document takes
//! a number from a counter beside it, and the one who drew 1 may create. The others wait for the document to appear.
//!
//! Should the one who drew 1 die before the document is written, the others note when they began to miss it. Once that
//! was long ago, numbers are drawn from the next counter, and again the first may create. "Long ago" is many times as
//! long as the right to create lasts, so the two never meet.

use std::time::Duration;

use super::{KeyValue, KeyValueError};
use crate::ports::Clock;
use crate::token::Timestamp;

/// How long the one who drew 1 may create: every swap begins within this time of the drawing.
const OPEN_FOR: Duration = Duration::from_secs(5);

/// How long the others wait before they note that the document is missing. Long for a creation, so that a note is rare.
const PATIENCE: Duration = Duration::from_secs(1);

/// How old a note must be before another may create: [`OPEN_FOR`], a swap that hangs, clocks that disagree, and more.
const PRESUMED_DEAD_AFTER: Duration = Duration::from_secs(30);

/// One request's way to the right to create the document at a key.
pub(super) struct Gate {
    key: String,
    state: State,
}

enum State {
    /// No number drawn yet.
    Outside,
    /// Drew 1 at this time.
    Open(Timestamp),
    /// Drew another number of this generation, or was told of it; at this time.
    Waiting { generation: u32, since: Timestamp },
}

/// Whether the request may create the document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Granted,
    Refused,
}

/// The note: since when the document of this generation is missed. Stored as two decimal numbers.
struct Missing {
    generation: u32,
    since: u64,
}

impl Gate {
    pub(super) fn new(document: &str) -> Self {
        Self {
            key: document.replacen("latchkey-", "latchkey-gate-", 1),
            state: State::Outside,
        }
    }

    /// Whether the request may create the document now.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Open(since) if now.since(since) < OPEN_FOR)
    }

    /// Asks for the right to create; to be asked again as long as there is no document.
    pub(super) async fn enter(
        &mut self,
        key_values: &impl KeyValue,
        clock: &impl Clock,
    ) -> Result<Entry, KeyValueError> {
        match self.state {
            State::Outside => self.draw(key_values, clock).await,
            // Only reached after OPEN_FOR: nobody may say for how long a write of ours is yet to come.
            State::Open(_) => Ok(Entry::Refused),
            State::Waiting { generation, since } => {
                if clock.now().since(since) >= PATIENCE {
                    self.note(generation, key_values, clock).await?;
                }
                Ok(Entry::Refused)
            }
        }
    }

    async fn draw(
        &mut self,
        key_values: &impl KeyValue,
        clock: &impl Clock,
    ) -> Result<Entry, KeyValueError> {
        let generation = match self.missing(key_values).await? {
            None => 0,
            Some(missing) => {
                let noted = Timestamp::new(Duration::from_secs(missing.since));
                if clock.now().since(noted) < PRESUMED_DEAD_AFTER {
                    self.state = State::Waiting {
                        generation: missing.generation,
                        since: clock.now(),
                    };
                    return Ok(Entry::Refused);
                }
                missing.generation.saturating_add(1)
            }
        };
        // The right begins before the drawing: a slow answer shortens it.
        let before = clock.now();
        let number = key_values
            .increment(&format!("{}-{generation}", self.key), 1)
            .await?;
        if number == 1 {
            self.state = State::Open(before);
            Ok(Entry::Granted)
        } else {
            self.state = State::Waiting {
                generation,
                since: clock.now(),
            };
            Ok(Entry::Refused)
        }
    }

    /// Notes that the document is missed, unless that is noted of this generation or a later one.
    ///
    /// Two may note at once, and a slow one may overwrite a later generation by an earlier: both only make everyone wait
    /// longer.
    async fn note(
        &self,
        generation: u32,
        key_values: &impl KeyValue,
        clock: &impl Clock,
    ) -> Result<(), KeyValueError> {
        if self
            .missing(key_values)
            .await?
            .is_none_or(|noted| noted.generation < generation)
        {
            let note = format!("{generation} {}", clock.now().as_secs());
            key_values.set(&self.key, note.into_bytes()).await?;
        }
        Ok(())
    }

    async fn missing(&self, key_values: &impl KeyValue) -> Result<Option<Missing>, KeyValueError> {
        let Some(note) = key_values.get(&self.key).await? else {
            return Ok(None);
        };
        let parse = |note| {
            let (generation, since) = std::str::from_utf8(note).ok()?.split_once(' ')?;
            Some(Missing {
                generation: generation.parse().ok()?,
                since: since.parse().ok()?,
            })
        };
        match parse(&note) {
            Some(missing) => Ok(Some(missing)),
            None => Err(KeyValueError(format!(
                "the note at {} is malformed",
                self.key
            ))),
        }
    }
}
