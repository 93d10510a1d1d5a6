//! What a server answers, as far as the client reads it. `docs/api.md` is the contract.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use indexmap::IndexMap;
use serde::Deserialize;

use latchkey_component::jwt;
use latchkey_component::token::TokenId;

use crate::terminal::visible;

/// The last second of the year 9999: times after it cannot be written as RFC 3339 has it.
const LAST: u64 = 253_402_300_799;

#[derive(Deserialize)]
pub struct Problem {
    /// For people.
    pub message: String,
    /// For programs.
    pub code: String,
}

#[derive(Deserialize)]
pub struct Revoked {
    #[serde(rename = "message")]
    _message: String,
    /// How many tokens are gone, if all were revoked.
    pub jwt_tokens_deleted: Option<u64>,
}

/// The tokens, newest first.
pub type Tokens = IndexMap<TokenId, Details>;

#[derive(Deserialize)]
pub struct List {
    #[serde(rename = "jwt_tokens")]
    pub tokens: Tokens,
}

/// A token of a list, or a single one. Lives are in seconds.
#[derive(Debug, Deserialize)]
pub struct Details {
    #[serde(rename = "jwt_token_description")]
    pub name: String,
    #[serde(rename = "jwt_token_life")]
    pub life: u64,
    /// In a list it has another name than by itself.
    #[serde(
        rename = "jwt_token_remaining_life",
        alias = "jwt_token_life_remaining"
    )]
    pub remaining: f64,
    #[serde(flatten)]
    pub more: More,
}

/// What a server adds if it is asked for details; older ones do not.
#[derive(Debug, Default, Deserialize)]
pub struct More {
    #[serde(rename = "jwt_token_scope")]
    scope: Option<String>,
    #[serde(rename = "jwt_token_audience")]
    audience: Option<Names>,
    #[serde(rename = "jwt_token_issued_at")]
    issued_at: Option<String>,
    #[serde(rename = "jwt_token_expires_at")]
    expires_at: Option<String>,
    #[serde(rename = "jwt_token_last_used")]
    last_used: Option<String>,
}

/// One name or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl More {
    /// When the token was last used, as far as that is known.
    pub fn last_used(&self) -> String {
        self.last_used.as_deref().map_or("-".to_owned(), visible)
    }

    /// All of it by name, for people.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let audience = self.audience.as_ref().map(|names| match names {
            Names::One(name) => name.clone(),
            Names::Several(names) => names.join(", "),
        });
        let mut rows = Vec::new();
        for (name, value) in [
            ("Scope:", &self.scope),
            ("Audience:", &audience),
            ("Issued:", &self.issued_at),
            ("Ends:", &self.expires_at),
            ("Last used:", &self.last_used),
        ] {
            rows.extend(value.as_deref().map(|value| (name, visible(value))));
        }
        rows
    }
}

impl Details {
    /// As the server says it in `expiry_status` of a single token.
    pub fn status(&self) -> &'static str {
        if self.remaining > 0.0 {
            "Valid"
        } else {
            "Expired"
        }
    }
}

#[derive(Deserialize)]
pub struct Created {
    #[serde(rename = "jwt_token_id")]
    pub id: TokenId,
    #[serde(rename = "jwt_token")]
    pub token: Jwt,
    #[serde(rename = "jwt_token_description")]
    name: String,
    #[serde(rename = "jwt_token_life")]
    life: u64,
}

/// Everything but the token.
impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id, life) = (visible(&self.name), self.id, period(self.life));
        write!(f, "{name}: {id}, lives {life}")?;
        match self.token.expiry() {
            Some(time) => write!(
                f,
                ", expires at {}",
                humantime::format_rfc3339_seconds(time)
            ),
            None => Ok(()),
        }
    }
}

/// The text of a token, which is one word on one line.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Jwt(String);

impl Jwt {
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// When it expires, as it claims itself: this machine's clock may be another than the server's.
    fn expiry(&self) -> Option<SystemTime> {
        #[derive(Deserialize)]
        struct Claims {
            exp: u64,
        }
        let claims = URL_SAFE_NO_PAD.decode(self.0.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (claims.exp <= LAST).then(|| UNIX_EPOCH + Duration::from_secs(claims.exp))
    }
}

impl TryFrom<String> for Jwt {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match jwt::has_form(&text) {
            true => Ok(Self(text)),
            false => Err("not a token"),
        }
    }
}

/// A number of seconds for people: `29days 23h`.
pub fn period(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// What is left of a life, rounded down to what people want to know: nobody counts the seconds of a month.
pub fn remaining(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    if seconds <= 0.0 {
        return "-".to_owned();
    }
    // Saturates where a server counts further than that.
    let seconds = seconds as u64;
    let unit = match seconds {
        DAY.. => HOUR,
        HOUR.. => MINUTE,
        _ => 1,
    };
    period(seconds - seconds % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_keeps_its_order() {
        let text = r#"{"message":"Tokens exists","jwt_tokens":{
            "94f10f9b-2139-4f31-ab57-52ac175b9acc":
                {"jwt_token_description":"beta","jwt_token_life":5400,"jwt_token_remaining_life":5395.1},
            "2bc0160d-edf4-4ab6-9801-52d185f65b59":
                {"jwt_token_description":"alpha","jwt_token_life":360,"jwt_token_remaining_life":0,"new":1}}}"#;
        let list: List = serde_json::from_str(text).unwrap();
        let names = list.tokens.values().map(|t| (t.name.as_str(), t.status()));
        assert!(names.eq([("beta", "Valid"), ("alpha", "Expired")]));

        let hostile = text.replace("94f10f9b-2139", "../../..-2139");
        assert!(serde_json::from_str::<List>(&hostile).is_err());
    }

    #[test]
    fn a_token_is_one_word() {
        for token in ["", "a.b", "a..c", "a.b.c.d", "a.b.c\n", "a.b.\u{1b}"] {
            assert!(Jwt::try_from(token.to_owned()).is_err(), "{token}");
        }
        let said = "ci: 2bc0160d-edf4-4ab6-9801-52d185f65b59, lives 1h 30m";
        for (token, expiry) in [
            (
                "e30.eyJleHAiOjE2NjI3NDE3MzV9.x",
                ", expires at 2022-09-09T16:42:15Z",
            ),
            // An `exp` of 2^64 - 1, none, and no JSON.
            ("e30.eyJleHAiOjE4NDQ2NzQ0MDczNzA5NTUxNjE1fQ.x", ""),
            ("e30.e30.x", ""),
            ("a.b-_.C1", ""),
        ] {
            let created = Created {
                id: "2bc0160d-edf4-4ab6-9801-52d185f65b59".parse().unwrap(),
                token: token.to_owned().try_into().unwrap(),
                name: "ci".to_owned(),
                life: 5400,
            };
            assert_eq!(created.to_string(), format!("{said}{expiry}"), "{token}");
        }
    }

    #[test]
    fn what_is_left_is_rounded_down() {
        for (seconds, text) in [
            (0.0, "-"),
            (-1.0, "-"),
            (0.4, "0s"),
            (59.9, "59s"),
            (3_599.0, "59m 59s"),
            (3_661.0, "1h 1m"),
            (2_591_999.5, "29days 23h"),
            (f64::MAX, &period(u64::MAX - u64::MAX % 3600)),
        ] {
            assert_eq!(remaining(seconds), text, "{seconds}");
        }
    }
}
