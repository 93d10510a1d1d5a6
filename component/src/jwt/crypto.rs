//! The algorithms that Latchkey offers, as `jsonwebtoken` wants them: one module each.
//!
//! A key is bytes: of an HS256 key the secret, of an Ed25519 key the seed or the public key (RFC 8032, section 5.1.5), of a
//! P-256 key the private scalar or the uncompressed point (SEC 1, section 2.3.3).

pub(super) mod ed25519;
pub(super) mod es256;
mod hs256;

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};

use ed25519::Ed25519;
use es256::Es256;
use hs256::Hs256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory,
    verifier_factory,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use the algorithms of this module.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that there is a provider already: another part of a native program has chosen one.
        let _ = PROVIDER.install_default();
    });
}

fn signer_factory(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    let bytes = key.as_bytes();
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(bytes)?)),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => Ok(Box::new(Ed25519::private(bytes)?)),
        (Algorithm::ES256, AlgorithmFamily::Ec) => Ok(Box::new(Es256::private(bytes)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier_factory(
    algorithm: &Algorithm,
    key: &DecodingKey,
) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(bytes)?)),
        (Algorithm::EdDSA, AlgorithmFamily::Ed) => Ok(Box::new(Ed25519::public(bytes)?)),
        (Algorithm::ES256, AlgorithmFamily::Ec) => Ok(Box::new(Es256::public(bytes)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}
