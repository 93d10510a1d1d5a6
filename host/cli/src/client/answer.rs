//! What a server answers, as far as the client reads it.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::lookup::as_id;
use crate::terminal::visible;

/// The last second of the year 9999: times after it cannot be written as RFC 3339 has it.
const LAST: u64 = 253_402_300_799;

/// An error.
#[derive(Debug, Deserialize)]
pub struct Problem {
    /// For people.
    pub message: String,
    /// For programs.
    pub code: String,
}

/// A success that says no more.
#[derive(Debug, Deserialize)]
pub struct Done {
    /// For people.
    #[serde(rename = "message")]
    pub _message: String,
    /// How many tokens are gone, after all were revoked.
    pub jwt_tokens_deleted: Option<u64>,
}

/// A new token.
#[derive(Deserialize)]
pub struct Created {
    /// Its id.
    #[serde(rename = "jwt_token_id")]
    pub id: String,
    /// The token itself: a secret.
    #[serde(rename = "jwt_token")]
    pub token: String,
    /// Its name.
    #[serde(rename = "jwt_token_description")]
    pub name: String,
    /// In seconds.
    #[serde(rename = "jwt_token_life")]
    pub life: u64,
}

impl Created {
    /// Whether the token can be one: three segments of base64url (RFC 7515, section 3.1), and so one word on one line.
    pub fn is_sound(&self) -> bool {
        let base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let segment = |segment: &str| !segment.is_empty() && segment.bytes().all(base64url);
        self.token.split('.').count() == 3
            && self.token.split('.').all(segment)
            && as_id(&self.id).is_some()
    }

    /// When the token expires, as it claims itself: this machine's clock may be another than the server's.
    fn expiry(&self) -> Option<SystemTime> {
        #[derive(Deserialize)]
        struct Claims {
            exp: u64,
        }
        let claims = URL_SAFE_NO_PAD.decode(self.token.split('.').nth(1)?).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        (claims.exp <= LAST).then(|| UNIX_EPOCH + Duration::from_secs(claims.exp))
    }
}

/// Everything but the token.
impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, life, .. } = self;
        write!(f, "{}: {id}, lives {}", visible(&self.name), period(*life))?;
        match self.expiry() {
            Some(time) => write!(
                f,
                ", expires at {}",
                humantime::format_rfc3339_seconds(time)
            ),
            None => Ok(()),
        }
    }
}

/// A single token.
#[derive(Debug, Deserialize)]
pub struct Shown {
    /// Its name.
    #[serde(rename = "jwt_token_description")]
    pub name: String,
    /// In seconds.
    #[serde(rename = "jwt_token_life")]
    pub life: u64,
    /// In seconds.
    #[serde(rename = "jwt_token_life_remaining")]
    pub remaining: f64,
    /// `Valid` or `Expired`.
    #[serde(rename = "expiry_status")]
    pub status: String,
}

/// A token of a list.
#[derive(Debug)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// In seconds.
    pub life: u64,
    /// In seconds.
    pub remaining: f64,
}

impl Listed {
    /// As `expiry_status` has it.
    pub fn status(&self) -> &'static str {
        if self.remaining > 0.0 {
            "Valid"
        } else {
            "Expired"
        }
    }
}

/// A list, in its own order.
#[derive(Debug, Deserialize)]
pub struct List {
    /// The tokens, newest first.
    #[serde(rename = "jwt_tokens", deserialize_with = "in_order")]
    pub tokens: Vec<Listed>,
}

/// The members of an object in the order in which they stand there.
fn in_order<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Listed>, D::Error> {
    #[derive(Deserialize)]
    struct Member {
        jwt_token_description: String,
        jwt_token_life: u64,
        jwt_token_remaining_life: f64,
    }

    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<Listed>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tokens by their ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut tokens = Vec::new();
            while let Some((id, member)) = map.next_entry::<String, Member>()? {
                // It goes into a URL, and onto a terminal.
                let id = as_id(&id).ok_or_else(|| serde::de::Error::custom("no id of a token"))?;
                tokens.push(Listed {
                    id,
                    name: member.jwt_token_description,
                    life: member.jwt_token_life,
                    remaining: member.jwt_token_remaining_life,
                });
            }
            Ok(tokens)
        }
    }

    deserializer.deserialize_map(Members)
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
        let names = list.tokens.iter().map(|t| (t.name.as_str(), t.status()));
        assert!(names.eq([("beta", "Valid"), ("alpha", "Expired")]));

        let hostile = text.replace("94f10f9b-2139", "../../..-2139");
        assert!(serde_json::from_str::<List>(&hostile).is_err());
    }

    #[test]
    fn a_token_is_one_word() {
        let created = |token: &str| Created {
            id: "2bc0160d-edf4-4ab6-9801-52d185f65b59".to_owned(),
            token: token.to_owned(),
            name: "ci".to_owned(),
            life: 5400,
        };
        for token in ["a.b-_.C1", "e30.eyJleHAiOjE2NjI3NDE3MzV9.x"] {
            assert!(created(token).is_sound(), "{token}");
        }
        for token in ["", "a.b", "a..c", "a.b.c.d", "a.b.c\n", "a.b.\u{1b}"] {
            assert!(!created(token).is_sound(), "{token}");
        }
        assert_eq!(
            created("e30.eyJleHAiOjE2NjI3NDE3MzV9.x").to_string(),
            "ci: 2bc0160d-edf4-4ab6-9801-52d185f65b59, lives 1h 30m, expires at 2022-09-09T16:42:15Z"
        );
        // An `exp` of 2^64 - 1, and none.
        for token in ["e30.eyJleHAiOjE4NDQ2NzQ0MDczNzA5NTUxNjE1fQ.x", "e30.e30.x"] {
            assert!(created(token).to_string().ends_with("lives 1h 30m"));
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
