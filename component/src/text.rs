//! Text that people paste, and text that others are shown.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use memchr::memchr;

/// What editors of Windows put before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text without the white space and the byte order marks around it, with which files and clipboards come.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK)
}

/// The text of a file, without the byte order mark that it may begin with.
pub fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// `text`, in which `escape` and two hexadecimal digits stand for a byte, without that; with `%` it is percent-encoding
/// (RFC 3986, section 2.1). `None` if it is malformed, or not UTF-8.
pub(crate) fn unescape(text: &str, escape: u8) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != escape {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// The second `secs` of the Unix epoch as RFC 3339 has it, in UTC.
pub fn rfc3339(secs: u64) -> String {
    // The last that can be written so: the end of the year 9999.
    let since_epoch = Duration::from_secs(secs.min(253_402_300_799));
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since_epoch).to_string()
}

/// Whether a character does something else than to be seen: moves the cursor, turns the direction of writing around, or is
/// invisible.
pub fn is_unsafe(character: char) -> bool {
    // Those that join emoji or letters of scripts that need it (U+200C, U+200D), and variation selectors, are not here.
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether a character cannot be seen in a list of names: a name with it looks like another. Names in scripts that join letters
/// with such characters are written without them, too.
pub fn is_invisible(character: char) -> bool {
    is_unsafe(character)
        || is_other_format(character)
        || matches!(
            character,
            '\u{34f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
                | '\u{e0100}'..='\u{e01ef}'
        )
}

/// JSON that means the same, without [unsafe characters](is_unsafe) and without all others that only format text: they can
/// only be within strings there.
pub fn visible_json(json: &str) -> String {
    // Of the unsafe characters in ASCII, only DEL may stand in JSON as it is. Most lines end here, which is fast.
    if json.is_ascii() && memchr(0x7f, json.as_bytes()).is_none() {
        return json.to_owned();
    }
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        // White space between values must stay what it is; within strings JSON has none of these.
        let hidden = is_unsafe(character) || is_other_format(character);
        if hidden && !character.is_ascii_whitespace() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether a character is of the general category Cf, and not [unsafe](is_unsafe): scripts and emoji need it.
fn is_other_format(character: char) -> bool {
    matches!(
        character,
        '\u{600}'..='\u{605}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{200c}'..='\u{200d}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_pasted_text() {
        for (pasted, text) in [
            ("\u{feff}{}\r\n", "{}"),
            (" \u{a0}\u{feff} a b\t\u{2029}", "a b"),
            ("\u{feff}", ""),
        ] {
            assert_eq!(trim(pasted), text, "{pasted:?}");
        }
    }

    #[test]
    fn escapes() {
        for (escaped, text) in [
            ("ada", Some("ada")),
            ("a%20b+c", Some("a b+c")),
            ("zo%C3%AB%40x", Some("zo\u{eb}@x")),
            ("%", None),
            ("a%2", None),
            ("%+1", None),
            ("%zz", None),
            ("%FF", None),
        ] {
            assert_eq!(unescape(escaped, b'%').as_deref(), text, "{escaped}");
        }
    }

    #[test]
    fn json_stays_what_it_is() {
        let json = "{\n \"a\u{202e}\u{7f}\u{9b}\u{e0041}é\u{200d}\": \"\\u001b\"\n}";
        let shown = visible_json(json);
        assert_eq!(
            shown,
            "{\n \"a\\u202e\\u007f\\u009b\\udb40\\udc41é\\u200d\": \"\\u001b\"\n}"
        );
        let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(json));
    }
}
