//! ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
//!
//! The nonce is that of RFC 6979, so that the same claims give the same token. Of the two signatures (r, s) and (r, n - s),
//! which are equally good, only the one with the lower s counts: who sees a token cannot make another of it.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Signer, Verifier};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

/// The point of the private key `d`, if `d` is one.
pub(in super::super) fn public_key(d: &[u8; 32]) -> Option<[u8; 65]> {
    let key = SigningKey::from_slice(d).ok()?;
    key.verifying_key().to_sec1_bytes().as_ref().try_into().ok()
}

/// Whether `point` is on the curve.
pub(in super::super) fn is_public_key(point: &[u8; 65]) -> bool {
    VerifyingKey::from_sec1_bytes(point).is_ok()
}

/// A private or a public key.
pub(super) struct Es256<K>(K);

impl Es256<SigningKey> {
    pub(super) fn private(d: &[u8]) -> Result<Self, Error> {
        let key = SigningKey::from_slice(d).map_err(|_| ErrorKind::InvalidEcdsaKey)?;
        Ok(Self(key))
    }
}

impl Es256<VerifyingKey> {
    pub(super) fn public(point: &[u8]) -> Result<Self, Error> {
        let key = VerifyingKey::from_sec1_bytes(point).map_err(|_| ErrorKind::InvalidEcdsaKey)?;
        Ok(Self(key))
    }
}

impl Signer<Vec<u8>> for Es256<SigningKey> {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let signature: Signature = self
            .0
            .try_sign(message)
            .map_err(|_| signature::Error::new())?;
        Ok(signature.normalize_s().to_vec())
    }
}

impl Verifier<Vec<u8>> for Es256<VerifyingKey> {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        Signature::from_slice(signature)
            .ok()
            .filter(|signature| signature.normalize_s() == *signature)
            .and_then(|signature| self.0.verify(message, &signature).ok())
            .ok_or_else(signature::Error::new)
    }
}

impl JwtSigner for Es256<SigningKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

impl JwtVerifier for Es256<VerifyingKey> {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}
