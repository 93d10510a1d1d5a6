//! Failures in a row by user. Each one beyond a few makes the next attempt wait longer.
//!
//! Names that no user has are counted in the same table, so that a refusal does not tell whether a user exists.

use std::time::Duration;

use super::digest::NameDigest;
use crate::token::Timestamp;

/// Failures in a row after which attempts are refused for a while. People mistype.
const FREE_FAILURES: u32 = 5;

/// For how long they are refused at first. Doubles with every further failure.
const FIRST_DELAY_SECS: u64 = 2;

/// For how long they are refused at most: fewer than 40 tries an hour.
const MAX_DELAY: Duration = Duration::from_secs(5 * 60);

/// Failures are forgotten when there has been none for this long. Longer than [`MAX_DELAY`], so that they still count
/// when the longest delay has ended.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// The most names that are counted, 128 KiB of them. To make room, the failures that ended longest ago are forgotten. To
/// get there before [`FORGET_AFTER`] takes this many failures under other names, at the pace of the [queue](super::queue).
pub(super) const MAX_NAMES: usize = 4_096;

#[derive(Default)]
pub(super) struct Throttle {
    /// Ordered by last failure: the first is the one to forget. A search of all takes microseconds, a verification
    /// milliseconds.
    failures: Vec<Failures>,
}

struct Failures {
    name: NameDigest,
    in_a_row: u32,
    last: Timestamp,
}

impl Throttle {
    /// For how much longer attempts to sign in as `name` are refused, if they are refused.
    pub(super) fn delay(&mut self, name: NameDigest, now: Timestamp) -> Option<Duration> {
        let index = self.find(name, now)?;
        let Failures { in_a_row, last, .. } = &self.failures[index];
        delay_after(*in_a_row)
            .checked_sub(now.since(*last))
            .filter(|left| !left.is_zero())
    }

    pub(super) fn failed(&mut self, name: NameDigest, now: Timestamp) {
        let earlier = match self.find(name, now) {
            Some(index) => self.failures.remove(index).in_a_row,
            None => 0,
        };
        if self.failures.len() == MAX_NAMES {
            self.failures.remove(0);
        }
        self.failures.push(Failures {
            name,
            in_a_row: earlier.saturating_add(1),
            last: now,
        });
    }

    /// Forgets the failures: the user has signed in.
    pub(super) fn succeeded(&mut self, name: NameDigest, now: Timestamp) {
        if let Some(index) = self.find(name, now) {
            self.failures.remove(index);
        }
    }

    /// The index of the failures of `name`. Forgets them if their time is over.
    fn find(&mut self, name: NameDigest, now: Timestamp) -> Option<usize> {
        let index = self.failures.iter().position(|known| known.name == name)?;
        let last = &mut self.failures[index].last;
        // A clock that was set back must not make the delay longer than it is.
        *last = now.min(*last);
        if now.since(*last) < FORGET_AFTER {
            Some(index)
        } else {
            self.failures.remove(index);
            None
        }
    }
}

/// For how long attempts are refused after so many failures in a row.
fn delay_after(in_a_row: u32) -> Duration {
    match in_a_row.checked_sub(FREE_FAILURES) {
        None => Duration::ZERO,
        // Far more doublings than it takes to reach the longest delay, and far fewer than would overflow.
        Some(doublings) => {
            Duration::from_secs(FIRST_DELAY_SECS << doublings.min(16)).min(MAX_DELAY)
        }
    }
}

#[cfg(test)]
mod tests;
