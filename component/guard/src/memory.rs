//! Good answers, remembered for a while.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use http::HeaderMap;

use latchkey_component::auth::DigestKey;
use latchkey_component::ports::Random;
use latchkey_component::token::Timestamp;

use crate::answer::Identity;

/// How many are remembered: in 2 MB, if all have the longest names and scopes.
const MOST: usize = 1_024;

/// Stands for the headers that carry a token, and tells nothing of them without the instance's key. The demand is no part of
/// it: an instance has only one.
pub(crate) type Digest = [u8; 32];

/// The good answers that an instance remembers. Refusals are not remembered: nobody can fill it without good tokens.
pub(crate) struct Memory {
    key: DigestKey,
    /// The oldest first.
    answers: RefCell<VecDeque<Remembered>>,
}

struct Remembered {
    digest: Digest,
    identity: Identity,
    from: Timestamp,
    until: Timestamp,
}

impl Remembered {
    /// A clock that was set back ends it, too.
    fn is_good(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Memory {
    pub(crate) fn new(random: &impl Random) -> Self {
        Self {
            key: DigestKey::random(random),
            answers: RefCell::default(),
        }
    }

    /// The digest of all carriers.
    pub(crate) fn digest(&self, carriers: &HeaderMap) -> Digest {
        let parts = carriers.iter();
        let parts = parts.flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        self.key.digest(&parts.collect::<Vec<_>>())
    }

    pub(crate) fn get(&self, digest: &Digest, now: Timestamp) -> Option<Identity> {
        let answers = self.answers.borrow();
        // The newest is at the end.
        let remembered = answers.iter().rev().find(|one| one.digest == *digest)?;
        remembered.is_good(now).then(|| remembered.identity.clone())
    }

    /// Remembers a good answer to a question of the time `asked`, never beyond the end of the token.
    pub(crate) fn insert(
        &self,
        digest: Digest,
        identity: &Identity,
        asked: Timestamp,
        life: Duration,
    ) {
        let Some(expires) = identity.expires else {
            return;
        };
        let until = asked.plus(life.min(asked.until_secs(expires)));
        let mut answers = self.answers.borrow_mut();
        answers.retain(|one| one.digest != digest && one.is_good(asked));
        if answers.len() >= MOST {
            answers.pop_front();
        }
        answers.push_back(Remembered {
            digest,
            identity: identity.clone(),
            from: asked,
            until,
        });
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    struct Fixed;

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::new(Duration::from_secs(secs))
    }

    fn identity(expires: Option<u64>) -> Identity {
        Identity {
            user: "ada".to_owned(),
            token_id: "b56929f3-54f1-4dc2-9984-9bba615e26e6".to_owned(),
            scope: None,
            expires,
        }
    }

    #[test]
    fn neither_longer_than_configured_nor_than_the_token_lives() {
        let memory = Memory::new(&Fixed);
        for (expires, life, last) in [
            (Some(1_000), 10, Some(109)),
            (Some(105), 10, Some(104)),
            (Some(105), u64::MAX, Some(104)),
            (Some(100), 10, None),
            (Some(1_000), 0, None),
            (None, 10, None),
        ] {
            let digest = [last.unwrap_or_default() as u8 ^ life as u8; 32];
            memory.insert(
                digest,
                &identity(expires),
                at(100),
                Duration::from_secs(life),
            );
            let good: Vec<_> = (99..200)
                .filter(|secs| memory.get(&digest, at(*secs)).is_some())
                .collect();
            let expected: Vec<_> = last.map_or(Vec::new(), |last| (100..=last).collect());
            assert_eq!(good, expected, "{expires:?} {life}");
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_what_has_ended() {
        let memory = Memory::new(&Fixed);
        let insert = |number: usize, now| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            memory.insert(
                digest,
                &identity(Some(1_000)),
                at(now),
                Duration::from_secs(10),
            );
            digest
        };
        for number in 0..MOST + 10 {
            insert(number, 100);
        }
        assert_eq!(memory.answers.borrow().len(), MOST);
        let newest = insert(MOST + 10, 200);
        assert_eq!(memory.answers.borrow().len(), 1);
        assert!(memory.get(&newest, at(200)).is_some());
    }

    #[test]
    fn other_carriers_have_another_digest() {
        let memory = Memory::new(&Fixed);
        let mut digests = Vec::new();
        for values in [&["a"][..], &["b"], &["a", "b"], &["ab"], &["b", "a"], &[]] {
            for name in ["authorization", "x-api-key"] {
                let mut carriers = HeaderMap::new();
                for value in values {
                    carriers.append(name, HeaderValue::from_str(value).unwrap());
                }
                digests.push(memory.digest(&carriers));
            }
        }
        // No header at all is the same under any name.
        digests.pop();
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
