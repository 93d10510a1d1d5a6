//! What is written for people, and how foreign text is kept from acting on their terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes a line to standard error, if anybody is there to read it.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a line to standard output. A reader that has closed it, as `head` does, is no error.
pub fn print(text: &str) -> io::Result<()> {
    match print_all(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a line to standard output that must not be lost.
pub fn print_all(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Foreign text as one line that shows all of itself: what would move the cursor, turn the direction of writing around
/// or be invisible is written as `\u{202e}`.
pub fn visible(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unsafe(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// JSON that means the same, and is as safe to show: such characters can only be within strings there.
pub fn visible_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        // White space between values must stay what it is; within strings JSON has none of these.
        if is_unsafe(character) && !character.is_ascii_whitespace() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether a character does something else than to be seen.
fn is_unsafe(character: char) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_does_nothing() {
        for (text, shown) in [
            ("Token specter", "Token specter"),
            ("zoë 日本 👩\u{200d}👩", "zoë 日本 👩\u{200d}👩"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
            ("a\u{9b}31m", "a\\u{9b}31m"),
            ("cod\u{202e}exe", "cod\\u{202e}exe"),
            ("a\u{200b}b\u{e0041}", "a\\u{200b}b\\u{e0041}"),
        ] {
            assert_eq!(visible(text), shown, "{text:?}");
        }
    }

    #[test]
    fn json_stays_what_it_is() {
        let json = "{\n \"a\u{202e}\u{7f}\u{9b}\u{e0041}é\": \"\\u001b\"\n}";
        let shown = visible_json(json);
        assert_eq!(
            shown,
            "{\n \"a\\u202e\\u007f\\u009b\\udb40\\udc41é\": \"\\u001b\"\n}"
        );
        let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(json));
    }
}
