//! Confirmed compare-and-swap: a change that is made once, on stores that do not tell the truth about it.

use std::time::Duration;

use super::gate::{Entry, Gate};
use super::{KeyValue, KeyValueError, Store, StoreError};
use crate::ports::{Clock, Random};
use crate::token::Timestamp;

/// How long a change is tried. Below the request timeout of every host, so that the client gets our answer.
const TRY_FOR: Duration = Duration::from_secs(8);

/// How long a store may fail all the time before the change is given up: a client had better know soon.
const FAIL_FOR: Duration = Duration::from_secs(2);

/// How often a change is tried, should the clock stand still.
const MAX_ATTEMPTS: u32 = 256;

/// What is to be done, given what the document is now.
pub(super) enum Step {
    /// Nothing: it is as it should be.
    Done,
    /// Write this instead.
    Write(Vec<u8>),
}

/// Decides what is to be done with a document. After its `Write` has been written, it must answer `Done`; where the
/// document is what it last wrote, it is not even asked.
pub(super) type Decision<'a> = dyn FnMut(Option<&[u8]>) -> Result<Step, StoreError> + 'a;

impl<K: KeyValue, C: Clock, R: Random> Store<K, C, R> {
    /// Brings the document at `key` to where `decide` says `Done`.
    ///
    /// 1. Compare and swap, with what `decide` makes of the present value.
    /// 2. Read the document again, whatever the swap answered, and ask `decide` whether it is done.
    /// 3. If it is not, someone else was faster: again from the start, after a pause.
    ///
    /// A document that does not exist is created only by the one whom [`Gate`] lets in: a store may take two first
    /// writes for one each.
    pub(super) async fn change_document(
        &self,
        key: &str,
        decide: &mut Decision<'_>,
    ) -> Result<(), StoreError> {
        let begin = self.clock.now();
        let mut gate = Gate::new(key);
        let mut failing = None;
        for attempt in 0..MAX_ATTEMPTS {
            if self.clock.now().since(begin) >= TRY_FOR {
                break;
            }
            let may_create = gate.is_open(self.clock.now());
            match self.attempt(key, may_create, decide).await? {
                Attempt::Done => return Ok(()),
                Attempt::Absent => match gate.enter(&self.key_values, &self.clock).await {
                    // Whoever has just been let in loses no time.
                    Ok(Entry::Granted) => continue,
                    Ok(Entry::Refused) => {}
                    Err(error) => self.still_failing(&mut failing, error)?,
                },
                Attempt::Lost => failing = None,
                Attempt::Failed(error) => self.still_failing(&mut failing, error)?,
            }
            self.back_off(attempt).await;
        }
        Err(failing.map_or(StoreError::Contended, |(_, error)| {
            StoreError::KeyValue(error)
        }))
    }

    /// Notes the error, and since when the store has been failing; gives up once that is too long ago.
    fn still_failing(
        &self,
        failing: &mut Option<(Timestamp, KeyValueError)>,
        error: KeyValueError,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let since = failing.as_ref().map_or(now, |(since, _)| *since);
        if now.since(since) >= FAIL_FOR {
            return Err(StoreError::KeyValue(error));
        }
        *failing = Some((since, error));
        Ok(())
    }

    async fn attempt(
        &self,
        key: &str,
        may_create: bool,
        decide: &mut Decision<'_>,
    ) -> Result<Attempt, StoreError> {
        let mut seen = None;
        let mut before = None;
        let mut written = None;
        let swapped = self
            .key_values
            .compare_and_swap(key, &mut |current| {
                before = current.map(<[u8]>::to_vec);
                let (write, verdict) = match decide(current) {
                    Ok(Step::Write(_)) if current.is_none() && !may_create => {
                        (None, Ok(Attempt::Absent))
                    }
                    Ok(Step::Write(value)) => {
                        written = Some(value.clone());
                        (Some(value), Ok(Attempt::Lost))
                    }
                    Ok(Step::Done) => (None, Ok(Attempt::Done)),
                    Err(error) => (None, Err(error)),
                };
                seen = Some(verdict);
                write
            })
            .await;
        match seen {
            Some(Ok(Attempt::Lost)) => {}
            Some(verdict) => return verdict,
            None => return Ok(swapped.map_or_else(Attempt::Failed, |()| Attempt::Lost)),
        }
        match self.key_values.get(key).await {
            // What most often is there, without reading it closely.
            Ok(current) if current == written => Ok(Attempt::Done),
            Ok(current) => Ok(match decide(current.as_deref())? {
                Step::Done => Attempt::Done,
                Step::Write(_) => match swapped {
                    // Neither we nor anybody else: it is the store that does not write.
                    Ok(()) if current == before => Attempt::Failed(no_effect()),
                    Ok(()) => Attempt::Lost,
                    Err(error) => Attempt::Failed(error),
                },
            }),
            Err(error) => Ok(Attempt::Failed(error)),
        }
    }
}

fn no_effect() -> KeyValueError {
    KeyValueError("a write had no effect".to_owned())
}

/// How one attempt ended.
enum Attempt {
    /// The document is as it should be.
    Done,
    /// There is no document, and it is not for us to create it.
    Absent,
    /// Someone else changed the document first.
    Lost,
    /// The store failed; whether it wrote is for the next attempt to see.
    Failed(KeyValueError),
}
