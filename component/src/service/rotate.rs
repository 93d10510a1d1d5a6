//! Rotation: a new token replaces an old one.

use super::{Issued, Service, ServiceError};
use crate::auth::Authority;
use crate::jwt::Claims;
use crate::ledger::{Ledger, LedgerError};
use crate::lifetime::Lifetime;
use crate::store::Store;
use crate::token::{Token, TokenId, Username};

/// What is asked of a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// How long the new token lives; if `None`, as long as the old one did.
    pub lifetime: Option<Lifetime>,
    /// How long the old one stays good beside it.
    pub overlap: Option<Lifetime>,
}

impl<S: Store> Service<S> {
    /// Issues a token with the description and the limits of the token `id`, and ends that one, in one change of the ledger.
    /// The new one is made on this authority.
    ///
    /// # Errors
    ///
    /// [`LedgerError::NoSuchToken`], [`LedgerError::AlreadyRotated`]; [`ServiceError::Lifetime`], also if the old life is
    /// longer than is allowed by now; [`ServiceError::Scope`]; [`LedgerError::LimitReached`], only with an overlap;
    /// [`ServiceError::Store`], after which the token may be rotated.
    pub async fn rotate(
        &self,
        user: &Username,
        authority: &Authority,
        id: TokenId,
        rotation: Rotation,
    ) -> Result<Issued, ServiceError> {
        // Before the ledger changes: a token that we cannot sign must not be listed.
        let keys = self.keys().await?;
        let _permit = self.admit(Some(user)).await;
        let now = self.now();
        let issued_at = now.as_secs();
        let new_id = self.new_id();
        let limit = self.config.max_tokens_per_user;
        let rotate = |ledger: &mut Ledger| {
            self.tidy(ledger, user, now);
            let old = ledger.find(id).ok_or(LedgerError::NoSuchToken)?;
            let lifetime = rotation.lifetime.unwrap_or(old.lifetime);
            // Who may make only what can do less must not make of it what can do as much.
            let lifetime = self.bound(authority, lifetime, old.limits.scope.as_ref())?;
            let token = Token {
                id: new_id,
                description: old.description.clone(),
                lifetime,
                issued_at,
                issuer: self.config.issuer.clone(),
                limits: old.limits.clone(),
                retires_at: None,
                provenance: authority.provenance.clone(),
            };
            let overlap = rotation.overlap.map(Lifetime::as_secs);
            let retires_at = overlap.map(|secs| issued_at.saturating_add(secs));
            ledger.rotate(id, token.clone(), retires_at, limit)?;
            Ok::<_, ServiceError>(token)
        };
        let token = self.store.change(user, rotate).await??;
        let signed = keys.sign(&Claims::new(user, &token));
        Ok(Issued {
            token,
            signed,
            repeated: false,
        })
    }
}
