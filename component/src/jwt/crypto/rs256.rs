//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3): verified only.

use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature::{self, Verifier};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use rsa::{BoxedUint, PublicKey};
use sha2::Sha256;

/// The bits that a modulus may have: 2,048 are the fewest that RFC 7518 allows, and more than 4,096 take long to verify.
const BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// A public key.
pub(in super::super) struct Rs256(VerifyingKey<Sha256>);

impl Rs256 {
    /// The key of this modulus and exponent, both big-endian, if it is one, and of a size that is allowed.
    pub(in super::super) fn public(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let [modulus, exponent] = [modulus, exponent].map(BoxedUint::from_be_slice_vartime);
        let key = PublicKey::new_with_size_limits(modulus, exponent, BITS).ok()?;
        Some(Self(VerifyingKey::new(key)))
    }
}

impl Verifier<Vec<u8>> for Rs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        Signature::try_from(&signature[..])
            .and_then(|signature| self.0.verify(message, &signature))
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}
