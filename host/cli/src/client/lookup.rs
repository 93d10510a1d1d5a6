//! Which token is meant: an id, a name, or the beginning of an id.

use super::answer::Listed;
use crate::terminal::visible;

/// Fewer characters of an id than this are too few to mean one.
const SHORTEST_PREFIX: usize = 4;

/// How many tokens an error names.
const NAMED: usize = 5;

/// Why no token is meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// None fits.
    #[error("there is no token with the id or name \"{0}\"")]
    None(String),
    /// Several fit; it is not guessed which.
    #[error("\"{wanted}\" fits {count} tokens: {some}; give the whole id")]
    Several {
        /// What was asked for.
        wanted: String,
        /// How many fit.
        count: usize,
        /// The first of them.
        some: String,
    },
}

/// The id that `text` is, if it is one (RFC 9562, section 4), in lower case.
pub fn as_id(text: &str) -> Option<String> {
    let groups: Vec<_> = text.split('-').collect();
    let is_id = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|b| b.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase())
}

/// The one token of a list that `wanted` means: its exact name, or the beginning of its id.
pub fn find<'a>(wanted: &str, tokens: &'a [Listed]) -> Result<&'a Listed, LookupError> {
    let prefix = wanted.to_ascii_lowercase();
    let fits = |token: &&Listed| {
        token.name == wanted || prefix.len() >= SHORTEST_PREFIX && token.id.starts_with(&prefix)
    };
    let fitting: Vec<_> = tokens.iter().filter(fits).collect();
    match fitting[..] {
        [one] => Ok(one),
        [] => Err(LookupError::None(visible(wanted))),
        _ => {
            let name = |token: &&Listed| format!("{} ({})", token.id, visible(&token.name));
            let mut some: Vec<_> = fitting.iter().take(NAMED).map(name).collect();
            if fitting.len() > NAMED {
                some.push("…".to_owned());
            }
            Err(LookupError::Several {
                wanted: visible(wanted),
                count: fitting.len(),
                some: some.join(", "),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: &str, name: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            name: name.to_owned(),
            life: 1,
            remaining: 1.0,
        }
    }

    #[test]
    fn an_id_is_an_id() {
        let id = "2bc0160d-edf4-4ab6-9801-52d185f65b59";
        assert_eq!(as_id(id).as_deref(), Some(id));
        assert_eq!(as_id(&id.to_uppercase()).as_deref(), Some(id));
        for other in [
            "",
            "2bc0160d",
            "2bc0160dedf44ab6980152d185f65b59",
            "../../../-edf4-4ab6-9801-52d185f65b59",
            "2bc0160d-edf4-4ab6-9801-52d185f65b59-",
        ] {
            assert_eq!(as_id(other), None, "{other}");
        }
    }

    #[test]
    fn never_guesses() {
        let tokens = [
            token("aaaa1111-0", "ci"),
            token("aaaa2222-0", "deploy"),
            token("bbbb3333-0", "twin"),
            token("bbbb4444-0", "twin"),
            token("cccc5555-0", "aaaa1"),
            token("dddd6666-0", "dddd6"),
        ];
        for (wanted, id) in [
            ("ci", "aaaa1111-0"),
            ("AAAA2", "aaaa2222-0"),
            ("bbbb3333-", "bbbb3333-0"),
            // Its name and the beginning of its id.
            ("dddd6", "dddd6666-0"),
        ] {
            assert_eq!(find(wanted, &tokens).map(|t| t.id.as_str()), Ok(id));
        }
        for nothing in ["", "a", "aaa", "CI", "ci ", "deplo", "aaaa3"] {
            let refused = LookupError::None(nothing.to_owned());
            assert_eq!(find(nothing, &tokens).unwrap_err(), refused);
        }
        for (wanted, text) in [
            (
                "twin",
                "\"twin\" fits 2 tokens: bbbb3333-0 (twin), bbbb4444-0 (twin); give the whole id",
            ),
            // The name of one, and the beginning of the id of another.
            (
                "aaaa1",
                "\"aaaa1\" fits 2 tokens: aaaa1111-0 (ci), cccc5555-0 (aaaa1); give the whole id",
            ),
        ] {
            assert_eq!(find(wanted, &tokens).unwrap_err().to_string(), text);
        }
    }
}
