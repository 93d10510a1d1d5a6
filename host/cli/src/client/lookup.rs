//! Which token is meant: by its name, or the beginning of its id.

use latchkey_component::token::TokenId;

use super::answer::{Details, Tokens};
use super::error::ClientError;
use crate::terminal::visible;

/// Fewer characters of an id than this are too few to mean one.
const SHORTEST_PREFIX: usize = 4;

/// How many tokens an error names.
const NAMED: usize = 5;

/// The one token of a list that `wanted` means: its exact name, or the beginning of its id. If several fit, it is not
/// guessed which.
pub fn find<'a>(
    wanted: &str,
    tokens: &'a Tokens,
) -> Result<(&'a TokenId, &'a Details), ClientError> {
    let prefix = wanted.to_ascii_lowercase();
    let fits = |(id, token): &(&TokenId, &Details)| {
        token.name == wanted
            || prefix.len() >= SHORTEST_PREFIX && id.to_string().starts_with(&prefix)
    };
    let fitting: Vec<_> = tokens.iter().filter(fits).collect();
    let wanted = visible(wanted);
    Err(ClientError::NoSuchToken(match fitting[..] {
        [one] => return Ok(one),
        [] => format!("there is no token with the id or name \"{wanted}\""),
        _ => {
            let named = fitting.iter().take(NAMED);
            let mut named: Vec<_> = named
                .map(|(id, token)| format!("{id} ({})", visible(&token.name)))
                .collect();
            if fitting.len() > NAMED {
                named.push("…".to_owned());
            }
            let (count, named) = (fitting.len(), named.join(", "));
            format!("\"{wanted}\" fits {count} tokens: {named}; give the whole id, with --id")
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::answer::More;
    use super::*;

    /// A token whose id begins with these 8 characters.
    fn token(id: &str, name: &str) -> (TokenId, Details) {
        let details = Details {
            name: name.to_owned(),
            life: 1,
            remaining: 1.0,
            more: More::default(),
        };
        (
            format!("{id}-0000-4000-8000-000000000000").parse().unwrap(),
            details,
        )
    }

    #[test]
    fn never_guesses() {
        let tokens = Tokens::from([
            token("aaaa1111", "ci"),
            token("aaaa2222", "deploy"),
            token("bbbb3333", "twin"),
            token("bbbb4444", "twin"),
            token("cccc5555", "aaaa1"),
            token("dddd6666", "dddd6"),
            token("eeee7777", "ffff8888-0000-4000-8000-000000000000"),
            token("ffff8888", "last"),
        ]);
        for (wanted, id) in [
            ("ci", "aaaa1111"),
            ("AAAA2", "aaaa2222"),
            ("bbbb3333-", "bbbb3333"),
            // Its name and the beginning of its id.
            ("dddd6", "dddd6666"),
        ] {
            let found = find(wanted, &tokens).unwrap().0.to_string();
            assert!(found.starts_with(id), "{wanted}: {found}");
        }
        for nothing in ["", "a", "aaa", "CI", "ci ", "deplo", "aaaa3"] {
            let text = format!("there is no token with the id or name \"{nothing}\"");
            let refused = find(nothing, &tokens).unwrap_err();
            assert_eq!(refused, ClientError::NoSuchToken(text));
        }
        let rest = "-0000-4000-8000-000000000000";
        for (wanted, text) in [
            (
                "twin",
                format!(
                    "\"twin\" fits 2 tokens: bbbb3333{rest} (twin), bbbb4444{rest} (twin); give the whole id, with --id"
                ),
            ),
            // The name of one, and the beginning of the id of another.
            (
                &format!("ffff8888{rest}")[..],
                format!(
                    "\"ffff8888{rest}\" fits 2 tokens: eeee7777{rest} (ffff8888{rest}), ffff8888{rest} (last); give the whole id, with --id"
                ),
            ),
            (
                "aaaa1",
                format!(
                    "\"aaaa1\" fits 2 tokens: aaaa1111{rest} (ci), cccc5555{rest} (aaaa1); give the whole id, with --id"
                ),
            ),
        ] {
            let refused = find(wanted, &tokens).unwrap_err();
            assert_eq!(refused, ClientError::NoSuchToken(text));
        }
    }
}
