//! How many requests may hold ledgers at a time: an instance has little memory, and one that runs out of it fails all its
//! requests.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::ports::Clock;
use crate::token::Username;

/// The memory for the ledgers of all requests, in bytes: less than half of what Akamai Functions and the native host give
/// an instance (128 MiB), since a password hash may take the other half.
const LEDGERS: usize = 48 << 20;

/// The memory of one listed token at most, in bytes, with the longest description and the longest limits: its record is in
/// the document that was read, in the ledger, in the document that is written or the answer, and in the document that is
/// read to confirm.
const TOKEN: usize = 4 * 3_584;

/// The most requests that hold ledgers. Hosts let an instance have no more.
const MOST: usize = 64;

/// How often the first that waits looks whether it is admitted. Those behind it look less often.
const POLL_PERIOD: Duration = Duration::from_millis(1);

/// Admits requests to the ledgers.
pub(super) struct Admission {
    limit: usize,
    line: Rc<RefCell<Line>>,
}

/// Those that are admitted, and those that wait, in the order of their arrival.
#[derive(Default)]
struct Line {
    requests: Vec<Request>,
    last: u64,
}

struct Request {
    number: u64,
    /// Whose ledger it changes, if it changes one.
    changes: Option<Username>,
    admitted: bool,
}

/// The right of one request to hold a ledger, and an answer that is as large. Dropping it lets the next one in.
pub struct Permit {
    line: Rc<RefCell<Line>>,
    number: u64,
}

impl Admission {
    /// For ledgers of up to so many tokens.
    pub(super) fn new(tokens: usize) -> Self {
        Self {
            limit: (LEDGERS / (TOKEN * tokens)).clamp(2, MOST),
            line: Rc::default(),
        }
    }

    /// For ledgers of up to so many tokens, and for the requests of this one, too.
    pub(super) fn with_limit_for(&self, tokens: usize) -> Self {
        Self {
            line: self.line.clone(),
            ..Self::new(tokens)
        }
    }

    /// Waits until the request may hold a ledger. `changes` names the user whose ledger it changes, if it changes one: a
    /// user's changes are made one after the other, since they would only be in each other's way.
    pub(super) async fn admit(&self, changes: Option<&Username>, clock: &impl Clock) -> Permit {
        let permit = self.join(changes.cloned());
        loop {
            let place = self.line.borrow_mut().admit(permit.number, self.limit);
            match place {
                None => return permit,
                Some(place) => clock.sleep(POLL_PERIOD * place).await,
            }
        }
    }

    fn join(&self, changes: Option<Username>) -> Permit {
        let mut line = self.line.borrow_mut();
        line.last += 1;
        let number = line.last;
        line.requests.push(Request {
            number,
            changes,
            admitted: false,
        });
        Permit {
            line: self.line.clone(),
            number,
        }
    }
}

impl Line {
    /// `None` if the request is admitted, else its place among those that wait, from 1.
    fn admit(&mut self, number: u64, limit: usize) -> Option<u32> {
        let index = self
            .requests
            .iter()
            .position(|request| request.number == number)?;
        if self.follows_own(index) {
            return Some(index as u32 + 1);
        }
        let waiting = (0..index).filter(|other| {
            let admitted = self.requests[*other].admitted;
            !admitted && !self.follows_own(*other)
        });
        let waiting = waiting.count();
        let admitted = self
            .requests
            .iter()
            .filter(|request| request.admitted)
            .count();
        if admitted + waiting >= limit {
            return Some(waiting as u32 + 1);
        }
        self.requests[index].admitted = true;
        None
    }

    /// Whether the request changes a ledger that an earlier one changes.
    fn follows_own(&self, index: usize) -> bool {
        let (earlier, rest) = self.requests.split_at(index);
        let user = rest[0].changes.as_ref();
        user.is_some() && earlier.iter().any(|other| other.changes.as_ref() == user)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let requests = &mut self.line.borrow_mut().requests;
        requests.retain(|request| request.number != self.number);
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Admission({})", self.limit)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each of these is admitted, if they come in this order.
    fn admitted(admission: &Admission, permits: &[&Permit]) -> Vec<bool> {
        let mut line = admission.line.borrow_mut();
        let admit = |permit: &&Permit| line.admit(permit.number, admission.limit).is_none();
        permits.iter().map(admit).collect()
    }

    #[test]
    fn the_limit_is_what_fits_into_the_memory() {
        for (tokens, limit) in [(1, 64), (50, 64), (100, 35), (500, 7), (1_000, 3)] {
            assert_eq!(Admission::new(tokens).limit, limit, "{tokens}");
        }
    }

    #[test]
    fn changes_of_one_user_wait_for_each_other_and_for_nobody_else() {
        let admission = Admission::new(1);
        let join = |name: &str| admission.join(Some(name.parse().unwrap()));
        let (one, two, other, reads) =
            (join("ada"), join("ada"), join("bob"), admission.join(None));
        let all = [&one, &two, &other, &reads];
        assert_eq!(admitted(&admission, &all), [true, false, true, true]);
        drop(one);
        assert_eq!(admitted(&admission, &[&two]), [true]);
    }

    #[test]
    fn beyond_the_limit_requests_wait_in_the_order_of_their_arrival() {
        let admission = Admission::new(1_000);
        let mut permits: Vec<_> = (0..12).map(|_| admission.join(None)).collect();
        let all: Vec<_> = permits.iter().collect();
        let expected: Vec<_> = (0..12).map(|number| number < 3).collect();
        assert_eq!(admitted(&admission, &all), expected);
        permits.remove(1);
        let [_, _, first, second, third, ..] = &permits[..] else {
            panic!("11 permits")
        };
        assert_eq!(
            admitted(&admission, &[third, second, first]),
            [false, false, true]
        );
        assert_eq!(admission.line.borrow().requests.len(), 11);
    }
}
