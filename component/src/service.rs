//! The use cases: issue, list, show, verify, rotate and revoke tokens.

mod admission;
mod configured;
mod directory;
mod issue;
mod presence;
mod rotate;
mod sign_in;
mod signatures;
mod usage;
mod verify;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http::HeaderName;

use crate::auth::{Authenticator, DigestKey};
use crate::config::Config;
use crate::jwt::{KeyAlgorithm, KeySet, PublicKeySet, SignedToken};
use crate::ledger::{Ledger, LedgerError};
use crate::lifetime::LifetimeError;
use crate::ports::{Clock, Random};
use crate::store::{KeyValueError, Ports, Store, StoreError};
use crate::token::{Scope, Timestamp, Token, TokenId, Username};

use admission::Admission;
pub use admission::Permit;
pub use configured::Configured;
use directory::Noted;
pub use directory::{Directory, UserSummary};
use presence::Presence;
pub use rotate::Rotation;
use signatures::Signatures;
use usage::Usage;
pub use usage::Uses;
pub use verify::LiveToken;

/// How often a store is written to at most, to see whether it takes writes.
const WRITE_CHECK_PERIOD: Duration = Duration::from_secs(2);

/// The token service: one for each configuration of an instance, for all requests.
#[derive(Debug)]
pub struct Service<S> {
    config: Config,
    authenticator: Authenticator,
    admission: Admission,
    signatures: Signatures,
    /// Those of ID tokens: none of them is one of ours, and forged ones do not slow ours.
    id_signatures: Signatures,
    presence: Presence,
    usage: Rc<Usage>,
    noted: Noted,
    store: Rc<S>,
    /// The key in the store, if none is configured; read when first needed.
    stored_keys: OnceCell<KeySet>,
    /// When the store was last written to for [`Self::check_store`], and how that went.
    write_check: RefCell<Option<(Timestamp, Result<(), KeyValueError>)>>,
    /// Whether there is a newer configuration that cannot be used.
    refuses: Cell<bool>,
}

/// The record of a token, and its remaining life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenStatus {
    /// The record.
    pub token: Token,
    /// Zero once it has expired.
    pub remaining: Duration,
}

impl TokenStatus {
    fn at(now: Timestamp, token: Token) -> Self {
        Self {
            remaining: token.remaining(now),
            token,
        }
    }

    /// Whether it is no longer good.
    pub fn is_expired(&self) -> bool {
        self.remaining.is_zero()
    }
}

/// The tokens of a user.
#[derive(Debug)]
pub struct Listing {
    /// Newest first.
    pub tokens: Vec<TokenStatus>,
    /// To be kept as long as the answer is in memory.
    pub permit: Permit,
}

/// A new token. Its signed form exists nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The record.
    pub token: Token,
    /// The token itself.
    pub signed: SignedToken,
    /// Whether it was issued before, by a request that this one repeats.
    pub repeated: bool,
}

/// Why a use case failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ServiceError {
    #[error("the user has no tokens")]
    NoTokens,
    #[error("there is no such user")]
    NoSuchUser,
    #[error("nothing vouches for the user: a token would be dead")]
    UserInactive,
    #[error("the entry of the user begins in {} seconds: a token would be dead", .0.as_secs())]
    UserBegins(Duration),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    #[error("the scope must be some of: {}", .0.as_str())]
    Scope(Scope),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<S: Store> Service<S> {
    /// The service of `config` over this store.
    pub fn new(config: Config, store: S) -> Self {
        let digest_key = DigestKey::random(store.ports().random());
        Self {
            admission: Admission::new(config.max_tokens_per_user),
            signatures: Signatures::new(digest_key.clone()),
            id_signatures: Signatures::new(digest_key.clone()),
            presence: Presence::default(),
            usage: Rc::default(),
            noted: Noted::default(),
            authenticator: Authenticator::new(config.users.clone(), digest_key),
            store: Rc::new(store),
            stored_keys: OnceCell::new(),
            write_check: RefCell::default(),
            refuses: Cell::default(),
            config,
        }
    }

    /// The service of another configuration over the same store. Requests may go on with this one. Verified passwords of
    /// users that are the same stay remembered; verified signatures do not, since their key may be gone.
    fn reconfigured(&self, config: Config) -> Self {
        Self {
            admission: self.admission.with_limit_for(config.max_tokens_per_user),
            signatures: self.signatures.emptied(),
            id_signatures: self.id_signatures.emptied(),
            presence: Presence::default(),
            usage: self.usage.clone(),
            noted: Noted::default(),
            authenticator: self.authenticator.with_users(config.users.clone()),
            store: self.store.clone(),
            stored_keys: OnceCell::new(),
            write_check: RefCell::default(),
            refuses: Cell::default(),
            config,
        }
    }

    /// Whether there is a newer configuration, which cannot be used.
    pub fn refuses_configuration(&self) -> bool {
        self.refuses.get()
    }

    async fn admit(&self, changes: Option<&Username>) -> Permit {
        let clock = self.store.ports().clock();
        self.admission.admit(changes, clock).await
    }

    /// The header in which a proxy gives the client's address, if one is trusted.
    pub fn client_address_header(&self) -> Option<&HeaderName> {
        self.config.client_address_header.as_ref()
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.store.ports().clock().now()
    }

    /// The tokens of `user`, newest first: at least one.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NoTokens`], [`ServiceError::Store`].
    pub async fn list(&self, user: &Username) -> Result<Listing, ServiceError> {
        let permit = self.admit(None).await;
        let mut ledger = self.store.load(user).await?;
        let now = self.now();
        self.tidy(&mut ledger, user, now);
        if ledger.tokens().is_empty() {
            return Err(ServiceError::NoTokens);
        }
        let tokens = ledger.into_tokens();
        Ok(Listing {
            tokens: tokens.map(|token| TokenStatus::at(now, token)).collect(),
            permit,
        })
    }

    /// One token of `user`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchToken`], [`ServiceError::Store`].
    pub async fn show(&self, user: &Username, id: TokenId) -> Result<TokenStatus, ServiceError> {
        let _permit = self.admit(None).await;
        let token = self.store.find(user, id).await?;
        let now = self.now();
        let token = token
            .filter(|token| token.is_listed(now, self.config.expired_retention))
            .filter(|token| self.is_of(user, token))
            .ok_or(LedgerError::NoSuchToken)?;
        Ok(TokenStatus::at(now, token))
    }

    /// Revokes one token of `user`: it is no longer listed, and no longer good.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchToken`]; [`ServiceError::Store`], after which the token may be revoked.
    pub async fn revoke(&self, user: &Username, id: TokenId) -> Result<(), ServiceError> {
        let _permit = self.admit(Some(user)).await;
        let now = self.now();
        self.store
            .change(user, |ledger| {
                self.tidy(ledger, user, now);
                ledger.delete(id).map(drop).ok_or(LedgerError::NoSuchToken)
            })
            .await??;
        Ok(())
    }

    /// Revokes all tokens of `user`, and returns how many there were.
    ///
    /// # Errors
    ///
    /// [`StoreError`], after which they may be revoked.
    pub async fn revoke_all(&self, user: &Username) -> Result<usize, StoreError> {
        let _permit = self.admit(Some(user)).await;
        let now = self.now();
        let change = self.store.change(user, |ledger| {
            self.tidy(ledger, user, now);
            match ledger.delete_all() {
                0 => Err(()),
                deleted => Ok(deleted),
            }
        });
        // Without tokens nothing is written.
        Ok(change.await?.unwrap_or(0))
    }

    /// Revokes the token that `signed` is, and returns its user and id. Holding the token is authority enough. It need not be
    /// good now: its user may be away, and come back.
    ///
    /// # Errors
    ///
    /// [`StoreError`], after which the token may be revoked.
    pub async fn revoke_held(
        &self,
        signed: &str,
    ) -> Result<Option<(Username, TokenId)>, StoreError> {
        let Some((user, Token { id, .. })) = self.read(signed).await? else {
            return Ok(None);
        };
        let _permit = self.admit(Some(&user)).await;
        let change = self
            .store
            .change(&user, |ledger| ledger.delete(id).ok_or(()));
        // Another request has revoked it meanwhile: no error.
        Ok(change.await?.ok().map(|_| (user, id)))
    }

    /// Tests whether the store can be read and written. Anybody may ask, so the outcome of a write is remembered for
    /// [`WRITE_CHECK_PERIOD`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read or written, or the signing key in it is malformed.
    pub async fn check_store(&self) -> Result<(), StoreError> {
        self.present_keys().await?;
        let now = self.now();
        let remembered = self.write_check.borrow().clone();
        let is_recent = |at| at <= now && now.since(at) < WRITE_CHECK_PERIOD;
        let result = match remembered {
            Some((at, result)) if is_recent(at) => result,
            _ => {
                let result = self.store.try_write().await;
                *self.write_check.borrow_mut() = Some((now, result.clone()));
                result
            }
        };
        Ok(result?)
    }

    /// The public keys of the configured ones. The key in the store is symmetric.
    pub fn public_keys(&self) -> PublicKeySet<'_> {
        let keys = self.config.signing_keys.as_ref();
        keys.map(KeySet::public).unwrap_or_default()
    }

    /// The configured issuer.
    pub fn issuer(&self) -> Option<&str> {
        Some(&self.config.issuer.as_ref()?.name)
    }

    /// The algorithms of the keys, that of the one that signs first. The key in the store is for HS256.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let keys = self.config.signing_keys.as_ref();
        keys.map_or_else(|| vec![KeyAlgorithm::Hs256.name()], KeySet::algorithms)
    }

    /// Forgets tokens that are no longer listed, or were those of another user of the name.
    fn tidy(&self, ledger: &mut Ledger, user: &Username, now: Timestamp) {
        ledger.expire(now, self.config.expired_retention);
        ledger.forget_before(self.config.users.since(user));
    }

    /// Whether `token`, of the ledger of this name, was issued to its present user.
    fn is_of(&self, user: &Username, token: &Token) -> bool {
        token.issued_at >= self.config.users.since(user)
    }

    fn new_id(&self) -> TokenId {
        let mut bytes = [0; 16];
        self.store.ports().random().fill(&mut bytes);
        TokenId::from_random(bytes)
    }

    /// The configured keys, or else the one in the store.
    async fn keys(&self) -> Result<&KeySet, StoreError> {
        match self.present_keys().await? {
            Some(keys) => Ok(keys),
            None => self.keep_keys(&self.store.signing_key().await?),
        }
    }

    /// The same, or `None` if the store has no key yet: nothing has been signed.
    async fn present_keys(&self) -> Result<Option<&KeySet>, StoreError> {
        if let Some(keys) = self.config.signing_keys.as_ref().or(self.stored_keys.get()) {
            return Ok(Some(keys));
        }
        match self.store.present_signing_key().await? {
            Some(secret) => self.keep_keys(&secret).map(Some),
            None => Ok(None),
        }
    }

    fn keep_keys(&self, secret: &[u8]) -> Result<&KeySet, StoreError> {
        let keys = KeySet::from_secret(secret).map_err(|_| StoreError::SigningKey)?;
        Ok(self.stored_keys.get_or_init(|| keys))
    }
}

#[cfg(test)]
mod tests;
