//! What is written for people, and how foreign text is kept from acting on their terminal.

use std::io::{self, Write};

use latchkey_component::text::is_unsafe;

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
}
