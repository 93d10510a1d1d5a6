//! All users, for those who are responsible for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Service, ServiceError};
use crate::auth::{Authority, Bounds, SignedIn};
use crate::ledger::Ledger;
use crate::store::{Store, StoreError};
use crate::token::{Means, Provenance, Timestamp, Username};

/// The most users that an instance remembers to have noted.
const MOST: usize = 4_096;

/// How many users are told of at a time: for each of them the store is read up to four times.
const PAGE: usize = 50;

/// How long a user without tokens stays noted after the last sign-in.
const KEPT: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How long an instance takes for granted that a user is noted: another may have forgotten that user.
const NOTED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// The users that are known to be noted in the store, and since when.
#[derive(Default)]
pub(super) struct Noted(RefCell<BTreeMap<Username, (Means, Timestamp)>>);

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted(..)")
    }
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSummary {
    /// The user.
    pub user: Username,
    /// Whether the user has a configured password.
    pub is_configured: bool,
    /// Whether the user is an administrator.
    pub is_admin: bool,
    /// How many tokens are listed.
    pub tokens: usize,
    /// When one of them was last used, in seconds since the Unix epoch, as far as was noted.
    pub last_used: Option<u64>,
    /// When the user last signed in without a password, in seconds since the Unix epoch, if ever.
    pub last_sign_in: Option<u64>,
}

/// Some users, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// In the order of their names.
    pub users: Vec<UserSummary>,
    /// Whether others come after them.
    pub has_more: bool,
}

impl<S: Store> Service<S> {
    /// Whether the user is an administrator. Not by a sign-in that grants less than a user may: it must not do more for
    /// others.
    pub fn is_admin(&self, signed_in: &SignedIn) -> bool {
        self.config.admins.contains(&signed_in.user)
            && signed_in.authority.bounds == Bounds::default()
    }

    /// Notes that there is this user. Cheap, unless it is news. Users with a password are in the configuration: those matter
    /// when they are taken out, and only to administrators. Of those that were noted before, some that nobody needs are
    /// forgotten.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn note_user(&self, user: &Username, means: &Means) -> Result<(), StoreError> {
        let is_needed = *means != Means::Password || !self.config.admins.is_empty();
        let keeps = |former: &Means| self.keeps(former, means);
        let now = self.now();
        let is_known = self.noted.0.borrow().get(user).is_some_and(|(former, at)| {
            let is_recent = *at <= now && now.since(*at) < NOTED_FOR;
            is_recent && keeps(former)
        });
        if !is_needed || is_known {
            return Ok(());
        }
        let others = self.store.note_user(user, means, keeps).await?;
        let mut unneeded = Vec::new();
        for other in others {
            // One who cannot be read stays.
            if let Ok(tokens) = self.listed(&other, |ledger| ledger.tokens().len()).await
                && let Ok(false) = self.needs_note(&other, tokens).await
            {
                unneeded.push(other);
            }
        }
        self.forget(&unneeded).await;
        let mut noted = self.noted.0.borrow_mut();
        if noted.len() >= MOST {
            noted.clear();
        }
        noted.insert(user.clone(), (means.clone(), now));
        Ok(())
    }

    /// Whether a user who is noted must stay so.
    async fn needs_note(&self, user: &Username, tokens: usize) -> Result<bool, StoreError> {
        if tokens > 0 || self.config.users.named(user.as_str()).is_some() {
            return Ok(true);
        }
        let last_sign_in = self.last_sign_in(user).await?;
        Ok(last_sign_in.is_some_and(|at| self.now().since(at) < KEPT))
    }

    /// If that fails, another request will do it.
    async fn forget(&self, users: &[Username]) {
        if !users.is_empty() {
            let _ = self.store.forget_users(users).await;
        }
    }

    /// What `read` says of the tokens of `user` that are listed.
    async fn listed<T>(
        &self,
        user: &Username,
        read: impl FnOnce(Ledger) -> T,
    ) -> Result<T, StoreError> {
        let _permit = self.admit(None).await;
        let mut ledger = self.store.load(user).await?;
        self.tidy(&mut ledger, user, self.now());
        Ok(read(ledger))
    }

    /// Whether `former` means need no replacement: who signs in by two in turn is not written each time.
    fn keeps(&self, former: &Means, means: &Means) -> bool {
        former == means
            || match former {
                Means::Password => false,
                Means::Proxy => self.config.proxy.is_some(),
                Means::Issuer(name) => self.config.trusted_issuers.include(name),
            }
    }

    /// The user of this name, with the authority that `admin` has over the user's tokens.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NoSuchUser`], [`ServiceError::Store`].
    pub async fn on_behalf_of(
        &self,
        user: Username,
        admin: &Username,
    ) -> Result<SignedIn, ServiceError> {
        let means = match self.config.users.named(user.as_str()) {
            Some(_) => Means::Password,
            None => {
                let means = match self.store.noted_means(&user).await? {
                    Some(means) => Some(means),
                    // There may have been no room for the note.
                    None => self.newest_means(&user).await?,
                };
                means.ok_or(ServiceError::NoSuchUser)?
            }
        };
        let provenance = Provenance {
            means,
            by: Some(admin.clone()),
        };
        let bounds = Bounds::default();
        Ok(SignedIn {
            user,
            authority: Authority { provenance, bounds },
        })
    }

    /// How the user signed in whose newest token this is, if any is listed.
    async fn newest_means(&self, user: &Username) -> Result<Option<Means>, StoreError> {
        let newest = |ledger: Ledger| ledger.into_tokens().next();
        let newest = self.listed(user, newest).await?;
        Ok(newest.map(|token| token.provenance.means))
    }

    /// The users whose names come after `after`: those that are configured, and those that are noted. Forgets those of them
    /// that nobody needs any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn users(&self, after: Option<&str>) -> Result<Directory, StoreError> {
        let mut names = self.store.noted_users().await?;
        names.extend(self.config.users.names().cloned());
        let is_after = |user: &Username| after.is_none_or(|after| user.as_str() > after);
        let mut names = names.into_iter().filter(is_after);
        let page: Vec<_> = names.by_ref().take(PAGE).collect();
        let mut users = Vec::with_capacity(page.len());
        let mut unneeded = Vec::new();
        for user in page {
            let tokens = self.listed(&user, |ledger| ledger.tokens().len()).await?;
            let uses = self.uses(&user).await;
            if !self.needs_note(&user, tokens).await? {
                unneeded.push(user.clone());
            }
            users.push(UserSummary {
                is_configured: self.config.users.named(user.as_str()).is_some(),
                is_admin: self.config.admins.contains(&user),
                tokens,
                last_used: uses.latest(),
                last_sign_in: uses.last_sign_in().map(Timestamp::as_secs),
                user,
            });
        }
        self.forget(&unneeded).await;
        Ok(Directory {
            users,
            has_more: names.next().is_some(),
        })
    }
}

#[cfg(test)]
#[path = "tests/directory.rs"]
mod tests;
