//! EdDSA with Ed25519 (RFC 8037, section 3.1).

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};

/// The public key of the private key `seed`.
pub(in super::super) fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// Whether `key` is a public key that one can trust: a point of the curve in its one encoding, and not one of the few of
/// small order, under which signatures of anything can be made up.
pub(in super::super) fn is_public_key(key: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| !key.is_weak())
}

/// A private or a public key.
pub(super) struct Ed25519<K>(K);

impl Ed25519<SigningKey> {
    pub(super) fn private(seed: &[u8]) -> Result<Self, Error> {
        let seed = seed.try_into().map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(SigningKey::from_bytes(seed)))
    }
}

impl Ed25519<VerifyingKey> {
    pub(super) fn public(key: &[u8]) -> Result<Self, Error> {
        let key = VerifyingKey::try_from(key).map_err(|_| ErrorKind::InvalidEddsaKey)?;
        Ok(Self(key))
    }
}

impl Signer<Vec<u8>> for Ed25519<SigningKey> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        use ed25519_dalek::ed25519::signature::Signer as _;
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Ed25519<VerifyingKey> {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        Signature::from_slice(signature)
            .and_then(|signature| self.0.verify_strict(message, &signature))
            .map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Ed25519<SigningKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

impl JwtVerifier for Ed25519<VerifyingKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}
