//! The algorithms that Latchkey offers, as `jsonwebtoken` wants them: one module each. No others are linked in.

mod ed25519;
mod es256;
mod hs256;
#[cfg(feature = "rs256")]
mod rs256;

pub(super) use ed25519::Ed25519;
pub(super) use es256::{Es256, ForeignEs256};
pub(super) use hs256::Hs256;
#[cfg(feature = "rs256")]
pub(super) use rs256::Rs256;
