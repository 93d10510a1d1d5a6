//! New tokens.

use std::time::Duration;

use super::{Issued, Service, ServiceError};
use crate::auth::{Authority, Bounds};
use crate::idempotency::{Digest, IdempotencyKey};
use crate::jwt::Claims;
use crate::ledger::{Ledger, Repeatable};
use crate::lifetime::Lifetime;
use crate::store::Store;
use crate::token::{Description, Limits, Scope, Timestamp, Token, Username};

/// Why no token was added to a ledger.
enum NotCreated {
    /// It was created before, under the same idempotency key.
    Repeated(Box<Token>),
    Refused(ServiceError),
}

impl<S: Store> Service<S> {
    /// Issues a token to `user`, on this authority. With `key`, repetitions within a day return the same token.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Lifetime`], [`ServiceError::Scope`], [`ServiceError::Ledger`],
    /// [`ServiceError::IdempotencyKeyReused`]; [`ServiceError::UserInactive`] and [`ServiceError::UserBegins`] for a token that
    /// [`Self::verify`] would refuse; after [`ServiceError::Store`] there may be a record of a token that nobody has.
    pub async fn issue(
        &self,
        user: &Username,
        authority: &Authority,
        description: Description,
        lifetime: Lifetime,
        limits: Limits,
        key: Option<IdempotencyKey>,
    ) -> Result<Issued, ServiceError> {
        let lifetime = self.bound(authority, lifetime, limits.scope.as_ref())?;
        // Before the ledger changes: a token that we cannot sign must not be listed.
        let keys = self.keys().await?;
        self.note_user(user, &authority.provenance.means).await?;
        let _permit = self.admit(Some(user)).await;
        let now = self.now();
        let token = Token {
            id: self.new_id(),
            description,
            lifetime,
            issued_at: now.as_secs(),
            issuer: self.config.issuer.clone(),
            limits,
            retires_at: None,
            provenance: authority.provenance.clone(),
        };
        let since = Timestamp::new(Duration::from_secs(self.config.users.since(user)));
        if !self.is_of(user, &token) {
            return Err(ServiceError::UserBegins(since.since(now)));
        } else if self.vouched(user, &token).await?.is_none() {
            return Err(ServiceError::UserInactive);
        }
        let created = self
            .store
            .change(user, |ledger| self.create(ledger, user, &token, key, now))
            .await?;
        let (token, repeated) = match created {
            Ok(()) => (token, false),
            Err(NotCreated::Repeated(token)) => (*token, true),
            Err(NotCreated::Refused(error)) => return Err(error),
        };
        let signed = keys.sign(&Claims::new(user, &token));
        Ok(Issued {
            token,
            signed,
            repeated,
        })
    }

    /// The lifetime, if a token of it and of this scope may be made on this authority.
    pub(super) fn bound(
        &self,
        authority: &Authority,
        lifetime: Lifetime,
        scope: Option<&Scope>,
    ) -> Result<Lifetime, ServiceError> {
        let Bounds {
            max_token_life,
            scope: granted,
        } = &authority.bounds;
        let most = self.config.max_token_life;
        let lifetime = lifetime.at_most(max_token_life.map_or(most, |bound| bound.min(most)))?;
        match granted {
            Some(granted) if !authority.bounds.allow(scope) => {
                Err(ServiceError::Scope(granted.clone()))
            }
            _ => Ok(lifetime),
        }
    }

    fn create(
        &self,
        ledger: &mut Ledger,
        user: &Username,
        token: &Token,
        key: Option<IdempotencyKey>,
        now: Timestamp,
    ) -> Result<(), NotCreated> {
        // Ours, by a write that the ledger has forgotten since: others have written much while its outcome was unknown.
        if ledger.find(token.id).is_some() {
            return Ok(());
        }
        let limit = self.config.max_tokens_per_user;
        self.tidy(ledger, user, now);
        let result = match key {
            None => ledger.create(token.clone(), limit),
            Some(key) => {
                let creation = Repeatable {
                    key: key.digest(),
                    content: Digest::of_creation(
                        &token.description,
                        token.lifetime,
                        &token.limits,
                        &token.provenance,
                    ),
                    id: token.id,
                    issued_at: token.issued_at,
                };
                match ledger.repeatable(creation.key) {
                    Some(earlier) if earlier.content == creation.content => {
                        let present = ledger.find(earlier.id).cloned();
                        let token = present.unwrap_or_else(|| Token {
                            id: earlier.id,
                            issued_at: earlier.issued_at,
                            ..token.clone()
                        });
                        return Err(NotCreated::Repeated(Box::new(token)));
                    }
                    Some(_) => {
                        return Err(NotCreated::Refused(ServiceError::IdempotencyKeyReused));
                    }
                    None => ledger.create_repeatable(token.clone(), limit, creation),
                }
            }
        };
        result.map_err(|error| NotCreated::Refused(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fixture;
    use crate::token::Provenance;

    #[test]
    fn a_creation_knows_its_own_token_again() {
        let service = fixture(&[]).service;
        let now = service.now();
        let user: Username = "ada".parse().unwrap();
        let token = |description: &str| Token {
            id: service.new_id(),
            description: description.parse().unwrap(),
            lifetime: Lifetime::from_secs(60).unwrap(),
            issued_at: now.as_secs(),
            issuer: None,
            limits: Limits::default(),
            retires_at: None,
            provenance: Provenance::default(),
        };
        let mut ledger = Ledger::default();
        let (first, other) = (token("alpha"), token("alpha"));
        for _ in 0..2 {
            assert!(
                service
                    .create(&mut ledger, &user, &first, None, now)
                    .is_ok()
            );
        }
        assert!(
            service
                .create(&mut ledger, &user, &other, None, now)
                .is_err()
        );
        assert_eq!(ledger.find(first.id), Some(&first));
    }
}
