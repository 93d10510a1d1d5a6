//! Reads the file `.netrc`, as ftp and curl do: who is who on which host.

use latchkey_host::secret::Secret;

/// What a file says about a host. It may leave out either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The name of the user.
    pub login: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// The text cannot be understood. What is there is not said: it may be a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetrcError {
    /// A quotation mark without a second.
    #[error("line {0}: a quotation mark is not closed")]
    Quote(usize),
    /// A keyword with nothing behind it.
    #[error("line {0}: the value is missing")]
    Value(usize),
    /// Something that is no keyword where one must be.
    #[error("line {0}: neither machine, default, login, password, account nor macdef")]
    Keyword(usize),
}

/// The first entry for `host`, or that which is for any (`default`).
///
/// A value may be quoted, with `\` in front of what stands for itself. A line that begins with `#` is a comment.
pub fn find(text: &str, host: &str) -> Result<Option<Entry>, NetrcError> {
    let mut tokens = Tokens::new(text);
    let mut found: Option<Entry> = None;
    let mut here = false;
    while let Some(keyword) = tokens.next()? {
        match keyword.as_str() {
            "machine" | "default" => {
                if here {
                    // The first that fits is the one; what else the file says makes no difference.
                    return Ok(found);
                }
                here = keyword == "default" || tokens.value()?.eq_ignore_ascii_case(host);
                if here {
                    found = Some(Entry::default());
                }
            }
            "login" | "password" | "account" => {
                let value = tokens.value()?;
                if let (true, Some(entry)) = (here, &mut found) {
                    match keyword.as_str() {
                        "login" => entry.login = Some(value),
                        "password" => entry.password = Some(value.into()),
                        _ => {}
                    }
                }
            }
            "macdef" => tokens.skip_macro(),
            _ => return Err(NetrcError::Keyword(tokens.line)),
        }
    }
    Ok(found)
}

/// The words of a file.
struct Tokens<'a> {
    rest: &'a str,
    /// That on which `rest` begins, from 1.
    line: usize,
    /// Whether there is nothing but white space before `rest` on its line.
    begins_line: bool,
}

impl<'a> Tokens<'a> {
    fn new(rest: &'a str) -> Self {
        Self {
            rest,
            line: 1,
            begins_line: true,
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.rest = &self.rest[character.len_utf8()..];
        self.line += usize::from(character == '\n');
        self.begins_line = character == '\n' || self.begins_line && character.is_ascii_whitespace();
        Some(character)
    }

    fn skip_line(&mut self) {
        while !matches!(self.take(), None | Some('\n')) {}
    }

    /// A macro ends at the first empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while !self.rest.lines().next().unwrap_or_default().is_empty() {
            self.skip_line();
        }
    }

    /// The next word, unquoted.
    fn next(&mut self) -> Result<Option<String>, NetrcError> {
        loop {
            match self.peek() {
                Some(space) if space.is_ascii_whitespace() => {
                    self.take();
                }
                Some('#') if self.begins_line => self.skip_line(),
                Some('"') => return self.quoted().map(Some),
                Some(_) => break,
                None => return Ok(None),
            }
        }
        let end = self.rest.find(|c: char| c.is_ascii_whitespace());
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        self.begins_line = false;
        Ok(Some(word.to_owned()))
    }

    /// What is between quotation marks.
    fn quoted(&mut self) -> Result<String, NetrcError> {
        let unclosed = NetrcError::Quote(self.line);
        self.take();
        let mut word = String::new();
        loop {
            match self.take() {
                Some('"') => return Ok(word),
                Some('\\') => match self.take() {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(other) => word.push(other),
                    None => return Err(unclosed),
                },
                Some(other) => word.push(other),
                None => return Err(unclosed),
            }
        }
    }

    /// The word behind a keyword.
    fn value(&mut self) -> Result<String, NetrcError> {
        let line = self.line;
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
