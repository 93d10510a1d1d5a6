//! Who is asking: by a password, by the login proxy, or by an ID token.

use super::Service;
use super::signatures::Cost;
use crate::auth::{
    self, Authentication, ClientNetwork, IdTokenError, LoginProxy, Recognition, SignIn, SignedIn,
};
use crate::store::{Ports as _, Store, StoreError};

impl<S: Store> Service<S> {
    /// Tells what `sign_in`, from `network`, proves.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a password cannot be verified, since failures could not be counted; or if the sign-in of a user
    /// without a password cannot be noted.
    pub async fn authenticate(
        &self,
        sign_in: SignIn,
        network: Option<ClientNetwork>,
    ) -> Result<Authentication, StoreError> {
        let sign_in = match sign_in {
            SignIn::Proxy(user) => {
                let signed_in = auth::vouched(user);
                self.note_sign_in(&signed_in.user).await?;
                return Ok(Authentication::Valid(signed_in));
            }
            SignIn::Bearer(token) if !self.config.trusted_issuers.is_empty() => {
                return match self.read_id_token(token.expose()).await {
                    Ok(signed_in) => {
                        self.note_sign_in(&signed_in.user).await?;
                        Ok(Authentication::Valid(signed_in))
                    }
                    Err(error) => Ok(Authentication::IdTokenRefused(error)),
                };
            }
            sign_in => sign_in,
        };
        let attempt = match self.authenticator.recognize(sign_in, self.now()) {
            Recognition::Known(authentication) => return Ok(authentication),
            Recognition::Unknown(attempt) => attempt,
        };
        let secret = self.keys().await?.derive("sign-ins");
        let store = &*self.store;
        self.authenticator
            .verify(&attempt, network, &secret, store)
            .await
    }

    /// Who signs in with this ID token.
    async fn read_id_token(&self, token: &str) -> Result<SignedIn, IdTokenError> {
        let (signed_in, keys) = self.config.trusted_issuers.read(token, self.now())?;
        let clock = self.store.ports().clock();
        let verify = || keys.have_signed(token);
        let known = self
            .id_signatures
            .is_right(keys.digest(), token, Cost::High, clock, verify);
        match known.await {
            true => Ok(signed_in),
            false => Err(IdTokenError::Signature),
        }
    }

    /// The login proxy, if one is configured.
    pub fn login_proxy(&self) -> Option<&LoginProxy> {
        self.config.proxy.as_ref()
    }
}
