//! Which caller an instance knows.
//!
//! Verifying a password costs an instance tens of milliseconds in which it serves nobody else, and a wrong one is counted
//! there. So strangers are all sent to one instance, the reception: it alone spends its time on wrong passwords, and its
//! count of them is the count of the whole server. Whoever has signed in there is then introduced to other instances, where
//! the password is verified once more and remembered, and where no wrong one ever arrives.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, StatusCode, header};

use super::basic;
use super::target::Target;

/// The place of an instance among all: the first is the reception.
pub(super) type Slot = usize;

/// Where strangers go.
pub(super) const RECEPTION: Slot = 0;

/// Callers that are known at a time; beyond it, the one that has been known longest is a stranger again.
const MAX_KNOWN: usize = 16 << 10;

/// Requests that a caller sends before it is moved on from the reception even though nobody is in its way there.
const REGULAR: u32 = 8;

/// Who sends a request, as far as the server can tell without knowing any user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// One without a password to verify.
    Anyone,
    /// One that sends the credentials of this digest. Under a key that is drawn at the start: nobody can choose credentials
    /// that are mistaken for another's.
    Signed(u64),
}

/// What an answer says of the credentials that came with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// They were looked at, and are good.
    SignedIn,
    /// They are wrong, or were not looked at because too many were.
    Refused,
    /// Nothing: there are answers for which nobody has to sign in.
    None,
}

impl Evidence {
    /// What an answer to a request for `target` says. Where nobody is told anything without credentials, to be told what
    /// else is wrong is proof of them.
    pub(super) fn of(target: Target, status: Option<StatusCode>) -> Self {
        match status {
            Some(status) if target.signs_in => match status.as_u16() {
                401 | 429 => Self::Refused,
                200..500 => Self::SignedIn,
                _ => Self::None,
            },
            _ => Self::None,
        }
    }
}

/// How an instance stands to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It serves this caller.
    Serves,
    /// It may get to know it with its next request.
    MayMeet,
    /// It is not for this caller.
    Not,
}

/// The callers that have signed in, and the instances that know each.
#[derive(Default)]
pub(super) struct Callers {
    hasher: RandomState,
    known: HashMap<u64, Known>,
    /// In the order in which they became known.
    order: VecDeque<u64>,
}

struct Known {
    /// A bit for each slot.
    by: u64,
    /// How often it has been served at the reception.
    received: u32,
    /// The instance that is getting to know it: one at a time, since it is slow.
    meets: Option<Slot>,
}

impl Callers {
    /// Tells who sends a request with these headers.
    pub(super) fn identify(hasher: &RandomState, headers: &HeaderMap) -> Caller {
        match headers.get(header::AUTHORIZATION).and_then(basic::encoded) {
            // As they are meant: were each way to write the same credentials another caller, whoever has good ones could
            // have all others forgotten.
            Some(encoded) => match basic::decode(encoded) {
                Some(credentials) => Caller::Signed(hasher.hash_one(credentials)),
                None => Caller::Signed(hasher.hash_one(encoded)),
            },
            None => Caller::Anyone,
        }
    }

    pub(super) fn hasher(&self) -> RandomState {
        self.hasher.clone()
    }

    pub(super) fn standing(&self, slot: Slot, caller: Caller) -> Standing {
        let Caller::Signed(digest) = caller else {
            return match slot {
                RECEPTION => Standing::Not,
                _ => Standing::Serves,
            };
        };
        match self.known.get(&digest) {
            None if slot == RECEPTION => Standing::Serves,
            None => Standing::Not,
            // Known elsewhere: the reception has strangers to see to.
            Some(known) if slot == RECEPTION && known.by != bit(RECEPTION) => Standing::Not,
            Some(known) if known.by & bit(slot) != 0 => Standing::Serves,
            Some(known) if slot != RECEPTION && known.meets.is_none() => Standing::MayMeet,
            Some(_) => Standing::Not,
        }
    }

    /// Whether a caller has come back often enough to be worth another verification of its password.
    pub(super) fn should_meet(&self, caller: Caller) -> bool {
        let Caller::Signed(digest) = caller else {
            return false;
        };
        let known = self.known.get(&digest);
        known.is_some_and(|known| known.by == bit(RECEPTION) && known.received >= REGULAR)
    }

    /// An instance that [`Standing::MayMeet`] a caller takes its request.
    pub(super) fn meet(&mut self, slot: Slot, caller: Caller) {
        if let Caller::Signed(digest) = caller
            && let Some(known) = self.known.get_mut(&digest)
        {
            known.meets = Some(slot);
        }
    }

    /// An instance has answered a caller.
    pub(super) fn answered(&mut self, slot: Slot, caller: Caller, evidence: Evidence) {
        let Caller::Signed(digest) = caller else {
            return;
        };
        match evidence {
            Evidence::SignedIn => self.knows(slot, digest),
            // A stranger, perhaps again.
            Evidence::Refused => {
                if self.known.remove(&digest).is_some() {
                    self.order.retain(|known| *known != digest);
                }
            }
            Evidence::None => {
                if let Some(known) = self.known.get_mut(&digest)
                    && known.meets == Some(slot)
                {
                    known.meets = None;
                }
            }
        }
    }

    fn knows(&mut self, slot: Slot, digest: u64) {
        if let Some(known) = self.known.get_mut(&digest) {
            known.by |= bit(slot);
            known.received += u32::from(slot == RECEPTION);
            if known.meets == Some(slot) {
                known.meets = None;
            }
            return;
        }
        // Nobody becomes known but at the reception: not one whose password another instance has just refused.
        if slot != RECEPTION {
            return;
        }
        self.order.push_back(digest);
        self.known.insert(
            digest,
            Known {
                by: bit(slot),
                received: 1,
                meets: None,
            },
        );
        while self.order.len() > MAX_KNOWN {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// An instance is gone, with all that it knew.
    pub(super) fn forget(&mut self, slot: Slot) {
        self.known.retain(|_, known| {
            known.by &= !bit(slot);
            if known.meets == Some(slot) {
                known.meets = None;
            }
            known.by != 0
        });
        self.order.retain(|digest| self.known.contains_key(digest));
    }
}

fn bit(slot: Slot) -> u64 {
    1 << slot
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLER: Caller = Caller::Signed(7);
    const OK: Evidence = Evidence::SignedIn;

    #[test]
    fn strangers_are_for_the_reception() {
        let callers = Callers::default();
        assert_eq!(callers.standing(RECEPTION, CALLER), Standing::Serves);
        assert_eq!(callers.standing(1, CALLER), Standing::Not);
        assert_eq!(callers.standing(RECEPTION, Caller::Anyone), Standing::Not);
        assert_eq!(callers.standing(1, Caller::Anyone), Standing::Serves);
    }

    #[test]
    fn the_reception_introduces() {
        let mut callers = Callers::default();
        callers.answered(RECEPTION, CALLER, OK);
        assert_eq!(callers.standing(RECEPTION, CALLER), Standing::Serves);
        assert_eq!(callers.standing(1, CALLER), Standing::MayMeet);
        callers.meet(1, CALLER);
        // One at a time, and the reception helps out meanwhile.
        assert_eq!(callers.standing(2, CALLER), Standing::Not);
        assert_eq!(callers.standing(RECEPTION, CALLER), Standing::Serves);
        callers.answered(1, CALLER, OK);
        assert_eq!(callers.standing(1, CALLER), Standing::Serves);
        assert_eq!(callers.standing(2, CALLER), Standing::MayMeet);
        assert_eq!(callers.standing(RECEPTION, CALLER), Standing::Not);
        callers.forget(1);
        assert_eq!(callers.standing(1, CALLER), Standing::MayMeet);
        assert_eq!(callers.standing(RECEPTION, CALLER), Standing::Serves);
        callers.forget(RECEPTION);
        assert_eq!(callers.standing(1, CALLER), Standing::Not);
    }

    #[test]
    fn whoever_comes_back_is_moved_on() {
        let mut callers = Callers::default();
        for _ in 0..REGULAR {
            assert!(!callers.should_meet(CALLER));
            callers.answered(RECEPTION, CALLER, OK);
        }
        assert!(callers.should_meet(CALLER));
        callers.meet(1, CALLER);
        callers.answered(1, CALLER, OK);
        assert!(!callers.should_meet(CALLER));
    }

    #[test]
    fn a_failure_is_no_refusal() {
        let mut callers = Callers::default();
        callers.answered(RECEPTION, CALLER, OK);
        callers.meet(1, CALLER);
        callers.answered(1, CALLER, Evidence::None);
        assert_eq!(callers.standing(1, CALLER), Standing::MayMeet);
        callers.answered(1, CALLER, Evidence::Refused);
        assert_eq!(callers.standing(1, CALLER), Standing::Not);
    }

    #[test]
    fn wrong_passwords_are_not_kept() {
        let mut callers = Callers::default();
        for digest in 0..100 {
            let caller = Caller::Signed(digest);
            callers.answered(RECEPTION, caller, Evidence::Refused);
        }
        assert!(callers.known.is_empty() && callers.order.is_empty());
    }

    #[test]
    fn the_number_of_known_callers_is_bounded() {
        let mut callers = Callers::default();
        for digest in 0..2 * MAX_KNOWN as u64 {
            callers.answered(RECEPTION, Caller::Signed(digest), OK);
        }
        assert_eq!(callers.known.len(), MAX_KNOWN);
        assert_eq!(callers.order.len(), MAX_KNOWN);
        assert_eq!(callers.standing(1, Caller::Signed(0)), Standing::Not);
    }

    #[test]
    fn only_answers_to_those_who_signed_in_prove_it() {
        for (method, path, status, expected) in [
            ("GET", "/api/v1alpha/token", 200, Evidence::SignedIn),
            ("DELETE", "/v1alpha/token/x", 200, Evidence::SignedIn),
            ("POST", "/v1alpha/introspect", 200, Evidence::SignedIn),
            ("OPTIONS", "/api/v1alpha/token", 204, Evidence::None),
            ("GET", "/api/healthz/liveness", 200, Evidence::None),
            ("GET", "/api/v1alpha/token/x", 404, Evidence::SignedIn),
            ("POST", "/api/v1alpha/token", 415, Evidence::SignedIn),
            ("GET", "/api/v1alpha/token/x/y", 404, Evidence::None),
            ("PUT", "/api/v1alpha/token", 405, Evidence::None),
            ("GET", "/api/v1alpha/token", 503, Evidence::None),
            ("GET", "/api/v1alpha/verify", 401, Evidence::None),
            ("GET", "/api/v1alpha/token", 401, Evidence::Refused),
            ("GET", "/api/v1alpha/token", 429, Evidence::Refused),
        ] {
            let status = StatusCode::from_u16(status).ok();
            let method = method.parse().expect("a method");
            let target = Target::of(&method, &path.parse().expect("a path"));
            assert_eq!(Evidence::of(target, status), expected, "{path}");
        }
    }

    #[test]
    fn schemes() {
        let hasher = RandomState::new();
        let identify = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            Callers::identify(&hasher, &headers)
        };
        assert_eq!(identify("Bearer abc"), Caller::Anyone);
        assert_eq!(identify("Bas"), Caller::Anyone);
        assert_ne!(identify("bAsIc abc"), Caller::Anyone);
        assert_ne!(identify("Basic a"), identify("Basic b"));
        assert_eq!(identify("Basic a"), identify("Basic a"));
        for same in ["basic YTpi", "Basic   YTpi", "BASIC YTpi  "] {
            assert_eq!(identify(same), identify("Basic YTpi"), "{same}");
        }
        assert_eq!(identify("Basic YTpiYw=="), identify("Basic YTpiYw"));
        assert_ne!(identify("Basic YTpi"), identify("Basic YTpj"));
    }
}
