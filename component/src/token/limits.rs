//! What a token may be used for: its scope and its audience.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most characters of all scope tokens, or of all audiences, together.
const MAX_CHARS: usize = 1_024;

/// What a token may be used for. One without limits can do all that its user can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The claim `scope`.
    pub scope: Option<Scope>,
    /// The claim `aud`, instead of the configured one.
    pub audience: Option<Audience>,
}

impl Limits {
    /// Whether there are any.
    pub const fn are_none(&self) -> bool {
        self.scope.is_none() && self.audience.is_none()
    }
}

/// Scope tokens (RFC 6749, section 3.3): at least one and at most 32, each of them once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "&str", into = "String")]
pub struct Scope(String);

impl Scope {
    /// The most scope tokens.
    pub const MAX_TOKENS: usize = 32;

    /// The scope tokens, with a space between two.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }

    /// Whether it has each of the scope tokens of `demand`.
    pub fn covers(&self, demand: &Self) -> bool {
        let has = |wanted| self.tokens().any(|token| token == wanted);
        demand.tokens().all(has)
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    /// Drops repeats; the order stays.
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let mut tokens: Vec<&str> = Vec::new();
        for token in text.split(' ') {
            let is_allowed = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
            if token.is_empty() || !token.bytes().all(is_allowed) {
                return Err(ScopeError::Malformed);
            }
            if !tokens.contains(&token) {
                if tokens.len() == Self::MAX_TOKENS {
                    return Err(ScopeError::TooMany);
                }
                tokens.push(token);
            }
        }
        match tokens.iter().map(|token| token.len()).sum::<usize>() {
            ..=MAX_CHARS => Ok(Self(tokens.join(" "))),
            _ => Err(ScopeError::TooLong),
        }
    }
}

impl TryFrom<&str> for Scope {
    type Error = ScopeError;

    fn try_from(text: &str) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

/// Why a string is no [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ScopeError {
    #[error(
        "must be words of printable ASCII characters other than \" and \\, with one space between two"
    )]
    Malformed,
    #[error("must have at most {} words", Scope::MAX_TOKENS)]
    TooMany,
    #[error("must have at most {MAX_CHARS} characters")]
    TooLong,
}

/// The services that a token is for (RFC 7519, section 4.1.3): at least one and at most 16, each of them once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Vec<String>);

impl Audience {
    /// The most services.
    pub const MAX_NAMES: usize = 16;

    /// The audience of these names. Drops repeats; the order stays.
    ///
    /// # Errors
    ///
    /// [`AudienceError`].
    pub fn new(names: impl IntoIterator<Item = String>) -> Result<Self, AudienceError> {
        let mut audience: Vec<String> = Vec::new();
        for name in names {
            if name.is_empty() || name.trim() != name || name.contains(char::is_control) {
                return Err(AudienceError::Malformed);
            }
            if !audience.contains(&name) {
                if audience.len() == Self::MAX_NAMES {
                    return Err(AudienceError::TooMany);
                }
                audience.push(name);
            }
        }
        match audience.iter().map(String::len).sum::<usize>() {
            0 => Err(AudienceError::Malformed),
            1..=MAX_CHARS => Ok(Self(audience)),
            _ => Err(AudienceError::TooLong),
        }
    }

    /// The one of this name, as it is configured.
    pub fn configured(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Whether one of the services is `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|other| other == name)
    }
}

/// Why strings are no [`Audience`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AudienceError {
    #[error(
        "must be a string, or an array of strings, without white space around them and without control characters"
    )]
    Malformed,
    #[error("must have at most {} strings", Audience::MAX_NAMES)]
    TooMany,
    #[error("must have at most {MAX_CHARS} bytes of text")]
    TooLong,
}

impl Serialize for Audience {
    /// A string where there is one, else an array.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [name] => serializer.serialize_str(name),
            names => serializer.collect_seq(names),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    /// Accepts only what is serialized: what is stored and signed has no other form.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of several")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Audience, E> {
        Ok(Audience::configured(name))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Audience, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = sequence.next_element::<String>()? {
            names.push(name);
        }
        let count = names.len();
        match Audience::new(names) {
            Ok(audience) if count > 1 && audience.0.len() == count => Ok(audience),
            _ => Err(de::Error::custom("not an audience")),
        }
    }
}

/// What a service demands of a token that it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Each of these scope tokens.
    pub scope: Option<Scope>,
    /// To be meant for this service.
    pub audience: Option<String>,
}

/// What a token lacks that is demanded of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// One of the scope tokens.
    Scope,
    /// The audience.
    Audience,
}

impl Demand {
    /// What a token of this scope and audience lacks of it. Without a scope it can do all that its user can, without an
    /// audience it is for all services.
    pub(crate) fn lack(&self, scope: Option<&Scope>, audience: Option<&Audience>) -> Option<Lack> {
        if let (Some(scope), Some(wanted)) = (scope, &self.scope)
            && !scope.covers(wanted)
        {
            return Some(Lack::Scope);
        }
        match (audience, &self.audience) {
            (Some(audience), Some(wanted)) if !audience.contains(wanted) => Some(Lack::Audience),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        let many: Vec<_> = (0..32).map(|number| format!("{number:032}")).collect();
        let most = many.join(" ");
        for (given, kept) in [
            ("read", "read"),
            ("b a b a", "b a"),
            (
                "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
                "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
            ),
            (&most, &most),
            (&"x".repeat(1_024), &"x".repeat(1_024)),
            (&format!("{most} {}", many[0]), &most),
        ] {
            assert_eq!(given.parse::<Scope>().unwrap().as_str(), kept);
        }
        for (bad, why) in [
            ("", ScopeError::Malformed),
            (" ", ScopeError::Malformed),
            (" a", ScopeError::Malformed),
            ("a ", ScopeError::Malformed),
            ("a  b", ScopeError::Malformed),
            ("a\tb", ScopeError::Malformed),
            ("a\"", ScopeError::Malformed),
            ("a\\", ScopeError::Malformed),
            ("\u{e9}", ScopeError::Malformed),
            ("a\u{7f}", ScopeError::Malformed),
            (&"x".repeat(1_025), ScopeError::TooLong),
            (&format!("{most} x"), ScopeError::TooMany),
        ] {
            assert_eq!(bad.parse::<Scope>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn audiences() {
        let new = |names: &[&str]| Audience::new(names.iter().map(|name| (*name).to_owned()));
        let many: Vec<_> = (0..16).map(|number| format!("{number:064}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(new(&["b", "a", "b"]).unwrap().names(), ["b", "a"]);
        assert_eq!(new(&many).unwrap().names(), many);
        for (bad, why) in [
            (&[][..], AudienceError::Malformed),
            (&[""], AudienceError::Malformed),
            (&["a", ""], AudienceError::Malformed),
            (&[" a"], AudienceError::Malformed),
            (&["a\n"], AudienceError::Malformed),
            (&["a\u{9f}b"], AudienceError::Malformed),
            (&["a\u{3000}"], AudienceError::Malformed),
            (&[&many[..], &["x"]].concat(), AudienceError::TooMany),
            (&["x".repeat(1_025).as_str()], AudienceError::TooLong),
        ] {
            assert_eq!(new(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn an_audience_has_one_written_form() {
        for json in [r#""a""#, r#"["a","b"]"#] {
            let audience: Audience = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&audience).unwrap(), json);
        }
        for json in ["[]", r#"["a"]"#, r#"["a","a"]"#, "null", "1", r#"["a",1]"#] {
            assert!(serde_json::from_str::<Audience>(json).is_err(), "{json}");
        }
    }
}
