//! The ways to spell a password: what looks the same may be other bytes on another keyboard.

use crate::secret::Secret;

/// The password as it is to be hashed: Unicode's normal form C, and one kind of space (RFC 8265, section 4.2.2). No
/// characters are refused: a hash of anything can be made elsewhere. Without the feature `unicode`, the normal form is that
/// of the client.
pub fn prepare(password: &Secret) -> Secret {
    prepared(password).unwrap_or_else(|| password.clone())
}

/// What a password may have been when it was hashed: as it is, or else prepared. Hashes that were made of other forms go on
/// working for those who type them.
pub(super) fn of(password: &Secret) -> Vec<Secret> {
    let mut spellings = vec![password.clone()];
    spellings.extend(prepared(password));
    spellings
}

/// `None` if it is the same.
fn prepared(password: &Secret) -> Option<Secret> {
    let text = password.expose();
    if text.is_ascii() {
        return None;
    }
    let spaced: String = text.chars().map(map_space).collect();
    #[cfg(feature = "unicode")]
    let spaced = icu_normalizer::ComposingNormalizerBorrowed::new_nfc()
        .normalize(&spaced)
        .into_owned();
    (spaced != text).then(|| spaced.into())
}

/// Makes every space (the category Zs of Unicode) the one of ASCII.
fn map_space(char: char) -> char {
    let separates_lines = matches!(char, '\u{2028}' | '\u{2029}');
    match char.is_whitespace() && !char.is_control() && !separates_lines {
        true => ' ',
        false => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_password_typed_in_different_ways_is_prepared_alike() {
        for (typed, expected) in [
            ("hunter2", "hunter2"),
            ("pa\u{308}ssword", "p\u{e4}ssword"),
            ("p\u{e4}ssword", "p\u{e4}ssword"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("a\u{a0}b\u{3000}c d", "a b c d"),
            // Compatibility forms and case are kept (RFC 8265, section 4.2.2).
            ("\u{ff21}\u{fb01}Aa", "\u{ff21}\u{fb01}Aa"),
            ("a\tb\u{2028}", "a\tb\u{2028}"),
        ] {
            let typed = Secret::from(typed);
            assert_eq!(prepare(&typed).expose(), expected);
            let spellings = of(&typed);
            assert_eq!(spellings.first(), Some(&typed));
            assert_eq!(spellings.last().map(Secret::expose), Some(expected));
            assert_eq!(
                spellings.len(),
                if typed.expose() == expected { 1 } else { 2 }
            );
        }
    }
}
