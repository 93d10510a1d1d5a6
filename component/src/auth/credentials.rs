//! The credentials of HTTP Basic authentication (RFC 7617, section 2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::jwt;
use crate::secret::Secret;
use crate::token::Username;

/// Base64 (RFC 4648, section 4); some clients leave out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A name and a password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Everything before the first colon; a user of this name need not exist.
    pub name: Username,
    /// Everything behind it.
    pub password: Secret,
}

impl Credentials {
    /// Parses the value of an `Authorization` header of the scheme `Basic`, in UTF-8. Fails if no user can have the name:
    /// what names are valid is no secret, so no password need be verified.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (name, password) = decode(header)?;
        Some(Self {
            name: name.parse().ok()?,
            password: password.into(),
        })
    }

    /// The same if they were encoded as in a form, which OAuth clients do (RFC 6749, section 2.3.1). `None` if they were not,
    /// or if it makes no difference.
    pub(super) fn form_decoded(&self) -> Option<Self> {
        let Self { name, password } = self;
        let is_encoded = |text: &str| text.bytes().any(|byte| matches!(byte, b'%' | b'+'));
        if !is_encoded(name.as_str()) && !is_encoded(password.expose()) {
            return None;
        }
        let name = form_decode(name.as_str())?;
        let password = form_decode(password.expose())?;
        let differs = name != self.name.as_str() || password != self.password.expose();
        differs.then_some(Self {
            name: name.parse().ok()?,
            password: password.into(),
        })
    }

    /// The value of an `Authorization` header: a secret.
    pub fn to_header(&self) -> String {
        let Self { name, password } = self;
        format!(
            "Basic {}",
            BASE64.encode(format!("{name}:{}", password.expose()))
        )
    }
}

/// A token in the place of a password, and the name beside it, which need be nobody's.
pub struct PresentedToken {
    /// Everything before the first colon, perhaps nothing.
    pub name: String,
    /// It has the form of a token.
    pub token: String,
}

impl PresentedToken {
    /// Parses the value of an `Authorization` header of the scheme `Basic`. Nothing that has not the form of a token is
    /// looked at: it may be a password.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (name, token) = decode(header)?;
        jwt::has_form(&token).then_some(Self { name, token })
    }
}

/// What stands before and behind the first colon of the value of an `Authorization` header of the scheme `Basic`.
fn decode(header: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim_matches(' ')).ok()?;
    let (name, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// `None` if `text` is not encoded.
fn form_decode(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    match form_urlencoded::parse(text.as_bytes()).next() {
        Some((decoded, _)) => Some(decoded.into_owned()),
        None => Some(String::new()),
    }
}
