//! Generated passwords: 256 random bits, for programs and for everybody who uses a password manager.
//!
//! A password is `lkp_`, the bits in base64url (43 characters), and a checksum (6 characters) by which scanners can tell it
//! from other text. What is stored is its SHA-256: nobody can try 2^256 passwords, so nothing slow has to protect them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ports::Random;
use crate::secret::Secret;

const PREFIX: &str = "lkp_";

/// The length of 256 bits in base64url.
const BITS: usize = 43;

/// The length of a CRC-32 in base 62.
const CHECKSUM: usize = 6;

/// A password of this form.
#[derive(Clone, Debug)]
pub struct GeneratedPassword(Secret);

impl GeneratedPassword {
    /// A new one.
    pub fn new(random: &impl Random) -> Self {
        let mut bits = [0; 32];
        random.fill(&mut bits);
        let bits = URL_SAFE_NO_PAD.encode(bits);
        let checksum = checksum(&bits);
        Self(format!("{PREFIX}{bits}{checksum}").into())
    }

    /// `None` if the text has another form or another checksum.
    pub fn parse(text: &Secret) -> Option<Self> {
        let rest = text.expose().strip_prefix(PREFIX)?;
        let (bits, found) = rest.split_at_checked(BITS)?;
        let well_formed = URL_SAFE_NO_PAD.decode(bits).is_ok() && checksum(bits) == found;
        well_formed.then(|| Self(text.clone()))
    }

    /// The password.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Its hash, for an entry of the variable `users`: `$sha256$` and the SHA-256 of the password in base64url.
    pub fn hash(&self) -> String {
        let digest = URL_SAFE_NO_PAD.encode(self.digest());
        format!("{}{digest}", GeneratedHash::PREFIX)
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose()).into()
    }
}

/// The stored hash of a generated password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct GeneratedHash([u8; 32]);

impl GeneratedHash {
    pub(super) const PREFIX: &str = "$sha256$";

    /// Parses what follows the prefix.
    pub(super) fn parse(digest: &str) -> Option<Self> {
        let digest = URL_SAFE_NO_PAD.decode(digest).ok()?;
        digest.try_into().ok().map(Self)
    }

    pub(super) fn verify(&self, password: &GeneratedPassword) -> bool {
        self.0.ct_eq(&password.digest()).into()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The CRC-32 (ISO 3309) of the text, in base 62 and with zeros in front, as in the tokens of GitHub.
///
/// Computed without a table: that would be larger than all the rest.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut crc = u32::MAX;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut rest = !crc as usize;
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[rest % 62];
        rest /= 62;
    }
    digits.map(char::from).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn the_checksum_is_the_crc_in_base_62() {
        // The check value of CRC-32, 0xCBF43926, is 3421780262.
        assert_eq!(checksum("123456789"), "3jZRME");
        assert_eq!(checksum(""), "000000");
    }

    #[test]
    fn a_password_is_parsed_back_and_nothing_else_is() {
        let password = GeneratedPassword::new(&Fixed(7));
        let text = password.secret().expose().to_owned();
        assert_eq!(text.len(), 4 + 43 + 6);
        assert!(GeneratedPassword::parse(&text.as_str().into()).is_some());
        let wrong_case = text.to_uppercase();
        for other in [
            "",
            "lkp_",
            "hunter2",
            &text[1..],
            &text[..52],
            &wrong_case,
            &format!("{text} "),
            &text.replacen("Bw", "Bx", 1),
            &text.replacen("lkp_", "lkq_", 1),
            &format!("lkp_{}", "ä".repeat(25)),
        ] {
            assert!(GeneratedPassword::parse(&other.into()).is_none(), "{other}");
        }
    }

    #[test]
    fn its_hash_verifies_it_alone() {
        let [one, other] = [1, 2].map(|fill| GeneratedPassword::new(&Fixed(fill)));
        let hash = one.hash();
        let digest = hash.strip_prefix("$sha256$").unwrap();
        let hash = GeneratedHash::parse(digest).unwrap();
        assert!(hash.verify(&one) && !hash.verify(&other));
        for digest in ["", "AAAA", &digest[1..], &format!("{digest}=")] {
            assert!(GeneratedHash::parse(digest).is_none(), "{digest}");
        }
    }
}
