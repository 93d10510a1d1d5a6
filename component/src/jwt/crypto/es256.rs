//! ECDSA with P-256 and SHA-256 (RFC 7518, section 3.4).
//!
//! The nonce is that of RFC 6979: the same claims give the same token. ECDSA takes both (r, s) and (r, n - s). Here only
//! the one with the lower s is valid, so that nobody can turn a token into a second one.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use jsonwebtoken::signature::{self, Signer, Verifier};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};

/// A private or a public key.
pub(in super::super) struct Es256<K>(K);

impl Es256<SigningKey> {
    /// The private key of this number, if it is one: not zero, and below the order of the curve.
    pub(in super::super) fn private(d: &[u8; 32]) -> Option<Self> {
        SigningKey::from_slice(d).ok().map(Self)
    }

    /// The public key, as an uncompressed point (SEC 1, section 2.3.3).
    pub(in super::super) fn public_key(&self) -> [u8; 65] {
        let point = self.0.verifying_key().to_sec1_point(false);
        let bytes = point.as_bytes().try_into();
        bytes.expect("an uncompressed point of P-256 has 65 bytes")
    }
}

impl Es256<VerifyingKey> {
    /// The public key of this uncompressed point, if it is on the curve.
    pub(in super::super) fn public(point: &[u8; 65]) -> Option<Self> {
        VerifyingKey::from_sec1_bytes(point).ok().map(Self)
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

/// The public key of somebody else, whose signatures have either s: two of one token make no difference there.
pub(in super::super) struct ForeignEs256(VerifyingKey);

impl ForeignEs256 {
    /// The public key of this uncompressed point, if it is on the curve.
    pub(in super::super) fn public(point: &[u8; 65]) -> Option<Self> {
        VerifyingKey::from_sec1_bytes(point).ok().map(Self)
    }
}

impl Verifier<Vec<u8>> for ForeignEs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        Signature::from_slice(signature)
            .ok()
            .and_then(|signature| self.0.verify(message, &signature).ok())
            .ok_or_else(signature::Error::new)
    }
}

impl JwtVerifier for ForeignEs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
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
