//! Verification: which tokens are live.

use super::{Service, TokenStatus};
use crate::jwt::Claims;
use crate::store::{Ports, Store, StoreError};
use crate::token::Username;

/// A token that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// Its user.
    pub user: Username,
    /// Its remaining life is not zero.
    pub status: TokenStatus,
}

impl<S: Store> Service<S> {
    /// The token that `signed` is, or `None` if it is not live. It is live only if
    ///
    /// - one of the keys signed it, with the key's own algorithm;
    /// - it has not expired, without leeway;
    /// - its user is still configured, and had the name when it was issued;
    /// - its id is in the user's ledger;
    /// - what it claims is what the ledger's record says, no more and no less.
    ///
    /// Nothing is written, and the store is read only for tokens that a key signed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the ledger cannot be read.
    pub async fn verify(&self, signed: &str) -> Result<Option<LiveToken>, StoreError> {
        let Some(keys) = self.present_keys().await? else {
            return Ok(None);
        };
        let clock = self.store.ports().clock();
        let Ok(claims) = self.signatures.verify(keys, signed, clock).await else {
            return Ok(None);
        };
        let Some(user) = self.config.users.named(&claims.username) else {
            return Ok(None);
        };
        let _permit = self.admit(None).await;
        let Some(token) = self.store.find(user, claims.jwt_token_id).await? else {
            return Ok(None);
        };
        if Claims::new(user, &token) != claims || !self.is_of(user, &token) {
            return Ok(None);
        }
        // It may have expired while the store was read.
        let status = TokenStatus::at(self.now(), token);
        Ok((!status.is_expired()).then(|| LiveToken {
            user: user.clone(),
            status,
        }))
    }
}
