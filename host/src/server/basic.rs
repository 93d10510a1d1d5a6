//! The credentials of HTTP Basic authentication (RFC 7617), as far as the host looks at them.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;

/// Base64 (RFC 4648, section 4) as the component reads it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What follows the scheme Basic in an `Authorization` header, the scheme with a password to verify.
pub(super) fn encoded(authorization: &HeaderValue) -> Option<&[u8]> {
    let (scheme, encoded) = authorization.as_bytes().split_at_checked(5)?;
    scheme
        .eq_ignore_ascii_case(b"basic")
        .then(|| encoded.trim_ascii())
}

/// The name, a colon and the password.
pub(super) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(encoded).ok()
}
