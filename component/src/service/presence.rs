//! Users who signed in without a password: nothing configured says that they are users still. So their last sign-in is noted,
//! and their tokens are good for [`max_absence`](crate::config::Config::max_absence) after it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Service;
use crate::store::{KeyValue as _, Ports as _, Store, StoreError, signed_in_key};
use crate::token::{Means, Timestamp, Token, Username};

/// How exactly a sign-in is noted: one within this time after the last that was noted is not. With a short absence, it is a
/// thirtieth of that.
const STEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How far the clocks of hosts may be apart. A note of a later time is none: it would keep a user for ever.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60 * 60);

/// The most users whose last sign-in an instance remembers.
const MOST: usize = 1_024;

/// The sign-ins that were read from the store. They only move on: as long as one is good, it need not be read again.
#[derive(Default)]
pub(super) struct Presence(RefCell<BTreeMap<Username, Timestamp>>);

impl Presence {
    fn remember(&self, user: &Username, at: Timestamp) {
        let mut known = self.0.borrow_mut();
        if known.len() >= MOST {
            known.clear();
        }
        let latest = known.entry(user.clone()).or_insert(at);
        *latest = at.max(*latest);
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presence(..)")
    }
}

/// That something vouches for a user, in seconds since the Unix epoch.
pub(super) struct Vouched {
    /// Since the last sign-in without a password, if that is what does.
    pub(super) since: Option<u64>,
    pub(super) until: u64,
}

impl<S: Store> Service<S> {
    /// Whether `at` was less than `span` ago.
    fn is_within(&self, at: Timestamp, span: Duration) -> bool {
        let now = self.now();
        now.since(at) < span && at.since(now) <= CLOCKS_DIFFER
    }

    fn max_absence(&self) -> Duration {
        Duration::from_secs(self.config.max_absence.as_secs())
    }

    /// Notes that `user` signs in without a password. The note is read each time, not remembered: if it was lost, this is what
    /// makes another.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: then the user is not signed in, since tokens depend on it.
    pub(super) async fn note_sign_in(&self, user: &Username) -> Result<(), StoreError> {
        let step = STEP.min(self.max_absence() / 30);
        if let Some(at) = self.last_sign_in(user).await?
            && self.is_within(at, step)
        {
            return Ok(());
        }
        let now = self.now();
        let text = now.as_secs().to_string();
        let key_values = self.store.ports().key_values();
        key_values
            .set(&signed_in_key(user), text.into_bytes())
            .await?;
        self.presence.remember(user, now);
        Ok(())
    }

    /// When `user` last signed in without a password, if ever.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn last_sign_in(&self, user: &Username) -> Result<Option<Timestamp>, StoreError> {
        let key_values = self.store.ports().key_values();
        let note = key_values.get(&signed_in_key(user)).await?;
        // A note that cannot be read is none: the next sign-in mends it.
        let note = note.and_then(|note| std::str::from_utf8(&note).ok()?.parse().ok());
        let at = note.map(|secs| Timestamp::new(Duration::from_secs(secs)));
        if let Some(at) = at {
            self.presence.remember(user, at);
        }
        Ok(at)
    }

    /// What vouches for the user of `token`: `None` if nothing does.
    pub(super) async fn vouched(
        &self,
        user: &Username,
        token: &Token,
    ) -> Result<Option<Vouched>, StoreError> {
        let is_configured = match &token.provenance.means {
            Means::Password => {
                let user = self.config.users.named(user.as_str());
                let always = |_| Vouched {
                    since: None,
                    until: u64::MAX,
                };
                return Ok(user.map(always));
            }
            Means::Proxy => self.config.proxy.is_some(),
            Means::Issuer(name) => self.config.trusted_issuers.include(name),
        };
        if !is_configured {
            return Ok(None);
        }
        let absence = self.max_absence();
        let is_good = |at: &Timestamp| self.is_within(*at, absence);
        let remembered = self.presence.0.borrow().get(user).copied();
        // Its user had signed in when it was made, unless an administrator made it.
        let issued = Timestamp::new(Duration::from_secs(token.issued_at));
        let issued = token.provenance.by.is_none().then_some(issued);
        let noted = match remembered.filter(is_good) {
            Some(at) => Some(at),
            None => self.last_sign_in(user).await?.filter(is_good),
        };
        let at = noted.max(issued.filter(is_good));
        Ok(at.map(|at| Vouched {
            since: Some(at.as_secs()),
            until: at.plus(absence).as_secs(),
        }))
    }
}

#[cfg(test)]
mod tests;
