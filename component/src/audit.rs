//! Events for an auditor: tokens issued and revoked, and sign-ins that failed.
//!
//! An event is one line of JSON, an object whose first member is `audit`, the name of the event. No line holds a token, a
//! password, or the name of an unknown user: people type their password into the field of the name.

use serde::Serialize;

use crate::text::{rfc3339, visible_json};
use crate::token::{Audience, Description, Means, Scope, Timestamp, Token, TokenId, Username};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The user has a new token.
    TokenIssued(Username, Token),
    /// The creation was repeated under its idempotency key: the user was shown the same token again.
    TokenIssueRepeated(Username, Token),
    /// The user has a new token, which replaces the one of this id.
    TokenRotated(Username, Token, TokenId),
    /// The user has revoked a token.
    TokenRevoked(Username, TokenId),
    /// The bearer of this token of the user has revoked it.
    TokenRevokedByBearer(Username, TokenId),
    /// The user has revoked all tokens, of this number.
    AllTokensRevoked(Username, usize),
    /// The credentials were wrong or malformed. The user is the one they named, if there is such a user.
    SignInFailed(Option<Username>),
    /// The credentials were not verified: too many have failed, or wait.
    SignInThrottled(Option<Username>),
}

/// The names of all events.
pub const NAMES: &[&str] = &[
    "token_issued",
    "token_issue_repeated",
    "token_rotated",
    "token_revoked",
    "token_revoked_by_bearer",
    "all_tokens_revoked",
    "sign_in_failed",
    "sign_in_throttled",
];

impl Event {
    /// Its name: a stable word that programs can match on.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TokenIssued(..) => "token_issued",
            Self::TokenIssueRepeated(..) => "token_issue_repeated",
            Self::TokenRotated(..) => "token_rotated",
            Self::TokenRevoked(..) => "token_revoked",
            Self::TokenRevokedByBearer(..) => "token_revoked_by_bearer",
            Self::AllTokensRevoked(..) => "all_tokens_revoked",
            Self::SignInFailed(_) => "sign_in_failed",
            Self::SignInThrottled(_) => "sign_in_throttled",
        }
    }
}

/// The client and the id of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, as the host gives it.
    pub client: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The administrator who asked for the user.
    pub by: Option<Username>,
    /// How the user who asks has signed in.
    pub means: Means,
}

/// The members of a line, in order.
#[derive(Default, Serialize)]
struct Line<'a> {
    audit: &'static str,
    /// RFC 3339, in UTC.
    time: String,
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_id: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_description: Option<&'a Description>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_life: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_scope: Option<&'a Scope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_token_audience: Option<&'a Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaces: Option<TokenId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt_tokens_deleted: Option<usize>,
    /// The administrator who did it; if there is none, the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    /// Without a password: how the user has signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    means: Option<&'static str>,
    /// The trusted issuer by whose ID token.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The line of an event, without an end of line. Descriptions are foreign text: what would turn the line around in a
/// terminal, or be invisible there, is escaped.
pub fn line(event: &Event, at: Timestamp, origin: &Origin) -> String {
    let mut line = Line {
        audit: event.name(),
        time: rfc3339(at.as_secs()),
        by: origin.by.as_ref().map(Username::as_str),
        client: origin.client.as_deref(),
        request_id: origin.request_id.as_deref(),
        means: origin.means.unless_password(),
        issuer: origin.means.issuer(),
        ..Line::default()
    };
    match event {
        Event::TokenIssued(user, token)
        | Event::TokenIssueRepeated(user, token)
        | Event::TokenRotated(user, token, _) => {
            line.user = Some(user.as_str());
            line.jwt_token_id = Some(token.id);
            line.jwt_token_description = Some(&token.description);
            line.jwt_token_life = Some(token.lifetime.as_secs());
            line.jwt_token_scope = token.limits.scope.as_ref();
            line.jwt_token_audience = token.limits.audience.as_ref();
            if let Event::TokenRotated(.., old) = event {
                line.replaces = Some(*old);
            }
        }
        Event::TokenRevoked(user, id) | Event::TokenRevokedByBearer(user, id) => {
            line.user = Some(user.as_str());
            line.jwt_token_id = Some(*id);
        }
        Event::AllTokensRevoked(user, count) => {
            line.user = Some(user.as_str());
            line.jwt_tokens_deleted = Some(*count);
        }
        Event::SignInFailed(user) | Event::SignInThrottled(user) => {
            line.user = user.as_ref().map(Username::as_str);
        }
    }
    let line = serde_json::to_string(&line).expect("strings and numbers are always JSON");
    visible_json(&line)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::token::{Limits, Provenance};

    #[test]
    fn lines() {
        let token = Token {
            id: "94f10f9b-2139-4f31-ab57-52ac175b9acc".parse().unwrap(),
            description: "a \"quoted\" n\u{202e}am\u{200b}e".parse().unwrap(),
            lifetime: "6 hours".parse().unwrap(),
            issued_at: 0,
            issuer: None,
            limits: Limits::default(),
            retires_at: None,
            provenance: Provenance::default(),
        };
        let old = "2bc0160d-edf4-4ab6-9801-52d185f65b59".parse().unwrap();
        let ada: Username = "ada".parse().unwrap();
        let origin = Origin {
            client: Some("192.0.2.1:4711".to_owned()),
            request_id: Some("7f".to_owned()),
            by: None,
            means: Means::Password,
        };
        let by_issuer = Origin {
            means: Means::Issuer("https://id.example".to_owned()),
            ..Origin::default()
        };
        let by_proxy = Origin {
            means: Means::Proxy,
            ..Origin::default()
        };
        let at = Timestamp::new(Duration::from_millis(1_662_720_135_250));
        let nowhere = Origin::default();
        for (event, origin, expected) in [
            (
                Event::TokenRotated(ada.clone(), token.clone(), old),
                &origin,
                r#"{"audit":"token_rotated","time":"2022-09-09T10:42:15Z","user":"ada","jwt_token_id":"94f10f9b-2139-4f31-ab57-52ac175b9acc","jwt_token_description":"a \"quoted\" n\u202eam\u200be","jwt_token_life":21600,"replaces":"2bc0160d-edf4-4ab6-9801-52d185f65b59","client":"192.0.2.1:4711","request_id":"7f"}"#,
            ),
            (
                Event::TokenRevoked(ada.clone(), old),
                &nowhere,
                r#"{"audit":"token_revoked","time":"2022-09-09T10:42:15Z","user":"ada","jwt_token_id":"2bc0160d-edf4-4ab6-9801-52d185f65b59"}"#,
            ),
            (
                Event::TokenRevoked(ada.clone(), old),
                &by_proxy,
                r#"{"audit":"token_revoked","time":"2022-09-09T10:42:15Z","user":"ada","jwt_token_id":"2bc0160d-edf4-4ab6-9801-52d185f65b59","means":"proxy"}"#,
            ),
            (
                Event::AllTokensRevoked(ada.clone(), 1),
                &by_issuer,
                r#"{"audit":"all_tokens_revoked","time":"2022-09-09T10:42:15Z","user":"ada","jwt_tokens_deleted":1,"means":"issuer","issuer":"https://id.example"}"#,
            ),
            (
                Event::AllTokensRevoked(ada.clone(), 3),
                &Origin {
                    by: Some("root".parse().unwrap()),
                    ..Origin::default()
                },
                r#"{"audit":"all_tokens_revoked","time":"2022-09-09T10:42:15Z","user":"ada","jwt_tokens_deleted":3,"by":"root"}"#,
            ),
            (
                Event::SignInFailed(None),
                &nowhere,
                r#"{"audit":"sign_in_failed","time":"2022-09-09T10:42:15Z","user":null}"#,
            ),
        ] {
            assert_eq!(line(&event, at, origin), expected);
            assert!(NAMES.contains(&event.name()));
        }
    }
}
