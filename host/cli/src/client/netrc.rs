//! Reads the file `.netrc`, as ftp and curl do: who signs in on which host.

use latchkey_component::secret::Secret;
use latchkey_component::text::without_byte_order_mark;

/// What a file says about a host.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entry {
    pub login: Option<String>,
    pub password: Option<Secret>,
}

/// Why a file cannot be understood, with the number of the line. What is there is not said: it may be a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetrcError {
    #[error("line {0}: a quotation mark is not closed")]
    Quote(usize),
    #[error("line {0}: the value is missing")]
    Value(usize),
    #[error("line {0}: neither machine, default, login, password, account nor macdef")]
    Keyword(usize),
}

/// The first entry for `host` or for any host (`default`).
///
/// A value may be quoted, with `\` before a character that stands for itself. Where a keyword is expected, `#` begins a
/// comment. Keywords that are not known are refused in the entry that is found, since a password with a space looks the
/// same, and ignored in the entries before it.
pub fn find(text: &str, host: &str) -> Result<Option<Entry>, NetrcError> {
    let text = without_byte_order_mark(text);
    let mut words = Words { text, rest: text };
    let mut found: Option<Entry> = None;
    while let Some(keyword) = words.next()? {
        match (keyword.as_str(), &mut found) {
            ("machine" | "default", Some(_)) => break,
            ("default", None) => found = Some(Entry::default()),
            ("machine", None) => {
                let is_ours = words.value()?.eq_ignore_ascii_case(host);
                found = is_ours.then(Entry::default);
            }
            ("login", Some(entry)) => entry.login = Some(words.value()?),
            ("password", Some(entry)) => entry.password = Some(words.value()?.into()),
            // The last two are those of `.authinfo` and of mail programs.
            ("login" | "password" | "account" | "port" | "protocol", _) => drop(words.value()?),
            ("macdef", _) => words.skip_macro(),
            (comment, _) if comment.starts_with('#') => words.skip_line(),
            (_, Some(_)) => return Err(NetrcError::Keyword(words.line())),
            (_, None) => {}
        }
    }
    Ok(found)
}

struct Words<'a> {
    text: &'a str,
    /// What has not been read yet: an end of `text`.
    rest: &'a str,
}

impl Words<'_> {
    /// The number of the line that is being read.
    fn line(&self) -> usize {
        let read = &self.text[..self.text.len() - self.rest.len()];
        read.matches('\n').count() + 1
    }

    fn skip_line(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// A macro ends at the first empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while self
            .rest
            .lines()
            .next()
            .is_some_and(|line| !line.is_empty())
        {
            self.skip_line();
        }
    }

    /// The next word, unquoted.
    fn next(&mut self) -> Result<Option<String>, NetrcError> {
        self.rest = self.rest.trim_ascii_start();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return self.unquote(quoted).map(Some);
        }
        let end = self.rest.find(|c: char| c.is_ascii_whitespace());
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Ok((!word.is_empty()).then(|| word.to_owned()))
    }

    /// Reads to the closing quotation mark.
    fn unquote(&mut self, quoted: &str) -> Result<String, NetrcError> {
        let mut word = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            word.push(match character {
                '"' => {
                    self.rest = &self.rest[self.rest.len() - characters.as_str().len()..];
                    return Ok(word);
                }
                '\\' => match characters.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(other) => other,
                    None => break,
                },
                other => other,
            });
        }
        Err(NetrcError::Quote(self.line()))
    }

    /// The word behind a keyword.
    fn value(&mut self) -> Result<String, NetrcError> {
        let line = self.line();
        self.next()?.ok_or(NetrcError::Value(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(login: &str, password: &str) -> Option<Entry> {
        Some(Entry {
            login: Some(login.to_owned()),
            password: Some(password.into()),
        })
    }

    #[test]
    fn finds_the_first_entry_that_fits() {
        let text = "\
# machine h login no password no
machine other login no password no
  machine H.example login ada password pw#1
machine h.example login no password no
default login any password thing
";
        for (text, host, found) in [
            (text, "h.example", entry("ada", "pw#1")),
            (text, "elsewhere", entry("any", "thing")),
            ("machine h login a password #b", "h", entry("a", "#b")),
            ("machine h\n\tpassword b\n\tlogin a", "h", entry("a", "b")),
            (
                "machine h account x login a password b",
                "h",
                entry("a", "b"),
            ),
            (
                "machine h login machine password default",
                "h",
                entry("machine", "default"),
            ),
            (
                r#"machine "h" login "a b" password "\"c\\d\te""#,
                "h",
                entry("a b", "\"c\\d\te"),
            ),
            (
                r#"machine h login a password b"c\d"#,
                "h",
                entry("a", "b\"c\\d"),
            ),
            ("machine h login a password \"\"", "h", entry("a", "")),
            (
                "machine x macdef init\nmachine h\n\nmachine h login a password b",
                "h",
                entry("a", "b"),
            ),
            (
                "macdef init\r\ncd /\r\n\r\nmachine h login a password b\r\n",
                "h",
                entry("a", "b"),
            ),
            (
                "machine x login y password z # mail\nprotocol https port 993\nmachine h login a password b # \"",
                "h",
                entry("a", "b"),
            ),
            (
                "\u{feff}machine h port 443 protocol https login a password b # \"",
                "h",
                entry("a", "b"),
            ),
            ("machine h", "h", Some(Entry::default())),
            ("machine h login a password b", "H", entry("a", "b")),
            ("machine h login a password b", "hh", None),
            ("", "h", None),
            ("macdef init", "h", None),
        ] {
            assert_eq!(find(text, host), Ok(found), "{text:?} {host}");
        }
    }

    #[test]
    fn says_where_it_is_wrong_and_not_what_is_there() {
        for (text, error) in [
            (
                "machine h login a\npassword \"hunter2",
                NetrcError::Quote(2),
            ),
            ("machine h password \"hunter2\\", NetrcError::Quote(1)),
            ("\nmachine h login", NetrcError::Value(2)),
            ("machine", NetrcError::Value(1)),
            ("machine h login a hunter2", NetrcError::Keyword(1)),
            (
                "machine h login a password b\n hunter2",
                NetrcError::Keyword(2),
            ),
        ] {
            let refused = find(text, "h").unwrap_err();
            assert!(!refused.to_string().contains("hunter2"));
            assert_eq!(refused, error, "{text:?}");
        }
    }

    #[test]
    fn any_text_has_an_answer() {
        let pieces = [
            "machine", "default", "macdef", "login", "\"", "\\", "#", " ", "\n", "é",
        ];
        for number in 0..pieces.len().pow(5) {
            let mut text = String::new();
            let mut rest = number;
            for _ in 0..5 {
                text += pieces[rest % pieces.len()];
                rest /= pieces.len();
            }
            let _ = find(&text, "é");
        }
    }
}
