//! Confirmed compare-and-swap: makes a change exactly once, on stores whose replies cannot be trusted.

use std::time::Duration;

use super::gate::{Entry, Gate};
use super::{AtomicKeyValue, Documents, KeyValue, KeyValueError, Ports, StoreError, back_off};
use crate::ports::Clock;
use crate::token::Timestamp;

/// How long a change is tried: long enough for another to take the place of a creator that died (see [`Gate`]), and below
/// the request timeout of every host, so that the client gets our answer.
const TRY_FOR: Duration = Duration::from_secs(12);

/// How long a store may fail without a break before the change is given up: a client had better know soon.
pub(super) const FAIL_FOR: Duration = Duration::from_secs(2);

/// How often a change is tried, should the clock stand still.
const MAX_ATTEMPTS: u32 = 256;

/// What is to be done, given what the document is now.
pub(super) enum Step {
    /// Nothing: it is as it should be.
    Done,
    /// Write this instead.
    Write(Vec<u8>),
}

/// The document before a swap, if there was one.
pub(super) type Found = Option<Vec<u8>>;

/// Decides what is to be done with a document. After its `Write` has been written, it must return `Done`. It is not called
/// for a document that is what it last returned.
pub(super) type Decision<'a> = dyn FnMut(Option<&[u8]>) -> Result<Step, StoreError> + 'a;

impl<P: Ports<KeyValue: AtomicKeyValue>> Documents<P> {
    /// Brings the document at `key` to where `decide` says `Done`.
    ///
    /// 1. Compare and swap, with what `decide` makes of the present value.
    /// 2. Read the document again, even if the swap failed, and ask `decide` whether it is done.
    /// 3. If not, another writer was faster: start again after a pause.
    ///
    /// Only the request that [`Gate`] admits creates a document: a store may accept two first writes.
    ///
    /// Returns what the first swap found, if there was one. A swap may have been made without `decide` knowing: others may have
    /// written so often since that the document has forgotten the write.
    pub(super) async fn change_document(
        &self,
        key: &str,
        decide: &mut Decision<'_>,
    ) -> Result<Option<Found>, StoreError> {
        let begin = self.ports.clock().now();
        // Only a document that does not exist has one.
        let mut gate = None;
        let mut failing = None;
        let mut first_found = None;
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 && self.ports.clock().now().since(begin) >= TRY_FOR {
                break;
            }
            let failed = match self.write(key, gate.as_ref(), decide).await? {
                Written::Nothing => return Ok(first_found),
                Written::NotCreated => match gate
                    .get_or_insert_with(|| Gate::new(key, self.ports.random()))
                    .enter(self.ports.key_values(), self.ports.clock())
                    .await
                {
                    // The right to create is short: no pause.
                    Ok(Entry::Granted) => continue,
                    Ok(Entry::Refused) => None,
                    Err(error) => Some(error),
                },
                Written::Failed(error) => Some(error),
                Written::Swapped(swap) => {
                    let confirmed = self.confirm(key, &swap, decide).await?;
                    first_found.get_or_insert(swap.found);
                    match confirmed {
                        Confirmed::Done => return Ok(first_found),
                        Confirmed::Lost => None,
                        Confirmed::Failed(error) => Some(error),
                    }
                }
            };
            failing = match failed {
                None => None,
                Some(error) => Some(self.still_failing(failing, error)?),
            };
            back_off(&self.ports, attempt).await;
        }
        Err(failing.map_or(StoreError::Contended, |(_, error)| {
            StoreError::KeyValue(error)
        }))
    }

    /// The error, and since when the store has been failing; gives up once that is too long ago.
    fn still_failing(
        &self,
        failing: Option<(Timestamp, KeyValueError)>,
        error: KeyValueError,
    ) -> Result<(Timestamp, KeyValueError), StoreError> {
        let now = self.ports.clock().now();
        let since = failing.map_or(now, |(since, _)| since);
        match now.since(since) < FAIL_FOR {
            true => Ok((since, error)),
            false => Err(StoreError::KeyValue(error)),
        }
    }

    /// Compares and swaps once, if `decide` wants a write and this request may make it.
    async fn write(
        &self,
        key: &str,
        gate: Option<&Gate>,
        decide: &mut Decision<'_>,
    ) -> Result<Written, StoreError> {
        let is_open = || gate.is_some_and(|gate| gate.is_open(self.ports.clock().now()));
        let mut found = None;
        let mut decided = None;
        let answer = self
            .ports
            .key_values()
            .compare_and_swap(key, &mut |current| {
                found = current.map(<[u8]>::to_vec);
                let step = decide(current);
                let write = match &step {
                    // As late as possible: the store may have taken longer than the right to create lasts.
                    Ok(Step::Write(_)) if current.is_none() && !is_open() => None,
                    Ok(Step::Write(value)) => Some(value.clone()),
                    Ok(Step::Done) | Err(_) => None,
                };
                decided = Some((step, write.is_some()));
                write
            })
            .await;
        let Some((step, swapped)) = decided else {
            let nothing = || KeyValueError("the store did not read before a swap".to_owned());
            return Ok(Written::Failed(answer.err().unwrap_or_else(nothing)));
        };
        Ok(match step? {
            Step::Done => Written::Nothing,
            Step::Write(_) if !swapped => Written::NotCreated,
            Step::Write(value) => Written::Swapped(Swap {
                found,
                value,
                answer,
            }),
        })
    }

    /// Reads the outcome of a swap.
    async fn confirm(
        &self,
        key: &str,
        swap: &Swap,
        decide: &mut Decision<'_>,
    ) -> Result<Confirmed, StoreError> {
        let current = match self.ports.key_values().get(key).await {
            Ok(current) => current,
            Err(error) => return Ok(Confirmed::Failed(error)),
        };
        // The most frequent case, without parsing.
        if current
            .as_deref()
            .is_some_and(|now| is_same(now, &swap.value))
        {
            return Ok(Confirmed::Done);
        }
        Ok(match decide(current.as_deref())? {
            Step::Done => Confirmed::Done,
            Step::Write(_) => match &swap.answer {
                // No writer was faster: the store does not write.
                Ok(()) if current == swap.found => {
                    Confirmed::Failed(KeyValueError("a write had no effect".to_owned()))
                }
                Ok(()) => Confirmed::Lost,
                Err(error) => Confirmed::Failed(error.clone()),
            },
        })
    }
}

/// Whether these are the same bytes. WebAssembly compares slices byte by byte otherwise.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut pairs = a.iter().zip(b);
    a.len() == b.len()
        && a_rest == b_rest
        && pairs.all(|(a, b)| u128::from_ne_bytes(*a) == u128::from_ne_bytes(*b))
}

/// The outcome of [`Store::write`].
enum Written {
    /// Nothing was to be written: the document is as it should be.
    Nothing,
    /// Nothing was written: there is no document, and this request may not create it.
    NotCreated,
    /// A swap was made; its outcome has to be read.
    Swapped(Swap),
    /// The store failed before a swap was made.
    Failed(KeyValueError),
}

struct Swap {
    found: Found,
    value: Vec<u8>,
    answer: Result<(), KeyValueError>,
}

/// The outcome of a swap.
enum Confirmed {
    /// The document is as it should be.
    Done,
    /// Someone else changed it first.
    Lost,
    /// The store failed: the next attempt finds out whether it has written.
    Failed(KeyValueError),
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn bytes_are_compared_to_the_last() {
        let bytes: Vec<u8> = (0..40).collect();
        for length in 0..bytes.len() {
            assert!(is_same(&bytes[..length], &bytes[..length]), "{length}");
            assert!(!is_same(&bytes[..length], &bytes[..length + 1]), "{length}");
            for changed in 0..length {
                let mut other = bytes[..length].to_vec();
                other[changed] ^= 1;
                assert!(!is_same(&bytes[..length], &other), "{length}, {changed}");
            }
        }
    }
}
