//! Verification: which tokens are live.

use super::{Service, TokenStatus};
use crate::jwt::Claims;
use crate::store::{Ports, Store, StoreError};
use crate::token::{Token, Username};

/// A token that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// Its user.
    pub user: Username,
    /// Its remaining life is not zero.
    pub status: TokenStatus,
    /// When it ends, in seconds since the Unix epoch, unless its user signs in before.
    pub ends_at: u64,
    /// When its user last signed in without a password, as far as is known, in seconds since the Unix epoch; `None` if it
    /// was made with a password.
    pub last_sign_in: Option<u64>,
}

impl<S: Store> Service<S> {
    /// The token that `signed` is, or `None` if it is not live. It is live only if
    ///
    /// - one of the keys signed it, with the key's own algorithm;
    /// - it has not expired, without leeway;
    /// - its user had the name when it was issued;
    /// - its id is in the user's ledger;
    /// - what it claims is what the ledger's record says, no more and no less;
    /// - its user is still configured, or else has signed in lately by the means that the record names, and those are still
    ///   configured.
    ///
    /// Nothing is written, and the store is read only for tokens that a key signed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the ledger cannot be read.
    pub async fn verify(&self, signed: &str) -> Result<Option<LiveToken>, StoreError> {
        let Some((user, token)) = self.read(signed).await? else {
            return Ok(None);
        };
        let Some(vouched) = self.vouched(&user, &token).await? else {
            return Ok(None);
        };
        // It may have expired while the store was read.
        let status = TokenStatus::at(self.now(), token);
        Ok((!status.is_expired()).then(|| LiveToken {
            user,
            ends_at: vouched.until.min(status.token.ends_at()),
            last_sign_in: vouched.since,
            status,
        }))
    }

    /// The same, whatever has become of its user.
    pub(super) async fn read(&self, signed: &str) -> Result<Option<(Username, Token)>, StoreError> {
        let Some(keys) = self.present_keys().await? else {
            return Ok(None);
        };
        let clock = self.store.ports().clock();
        let Ok(claims) = self.signatures.verify(keys, signed, clock).await else {
            return Ok(None);
        };
        let Ok(user) = claims.username.parse() else {
            return Ok(None);
        };
        let _permit = self.admit(None).await;
        let token = self.store.find(&user, claims.jwt_token_id).await?;
        let token = token
            .filter(|token| Claims::new(&user, token) == claims && !token.is_expired(self.now()))
            .filter(|token| self.is_of(&user, token));
        Ok(token.map(|token| (user, token)))
    }
}
