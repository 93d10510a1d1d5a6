//! The requests that a client makes, and what their answers mean to it. `docs/api.md` is the contract.

use std::fmt;
use std::thread;
use std::time::Duration;

use http::request::Builder;
use http::{Method, Request, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use latchkey_component::auth::Credentials;
use latchkey_component::text::visible_json;
use latchkey_component::token::TokenId;

use super::address::Address;
use super::answer::{Created, Details, Jwt, List, Revoked};
use super::error::ClientError;
use super::transport::{Answer, Body, SendError, Transport};
use crate::terminal::{say, visible};

/// How long to wait before a creation is sent again, unless the server says how long.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A server that wants a longer pause is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What follows where a change may have been made in spite of the error.
const DOUBT: &str = "; `latchkey token list` shows whether it was done nevertheless";

/// A list of no tokens. What the server answers instead is an error.
const EMPTY_LIST: &str = r#"{"message":"Tokens does not exist","jwt_tokens":{}}"#;

/// A success: what it means, and as JSON.
pub struct Success<T> {
    /// What the server wrote, with all characters visible.
    pub text: String,
    pub value: T,
}

type Reply<T> = Result<Success<T>, ClientError>;

/// What a new token is to be.
pub struct Wanted<'a> {
    pub name: &'a str,
    pub life: &'a str,
    pub scope: Option<&'a str>,
    pub audience: &'a [String],
}

impl Wanted<'_> {
    fn to_json(&self) -> Value {
        let mut body = json!({ "jwt_token_description": self.name, "jwt_token_life": self.life });
        if let Some(scope) = self.scope {
            body["jwt_token_scope"] = scope.into();
        }
        match self.audience {
            [] => {}
            [one] => body["jwt_token_audience"] = one.as_str().into(),
            several => body["jwt_token_audience"] = several.into(),
        }
        body
    }
}

/// A user at a server.
pub struct Api {
    transport: Transport,
    address: Address,
    user: String,
}

impl Api {
    /// Sends nothing yet. Without credentials nobody signs in.
    pub fn new(address: Address, credentials: Option<&Credentials>) -> Result<Self, ClientError> {
        Ok(Self {
            transport: Transport::new(&address, credentials)?,
            user: credentials.map_or_else(String::new, |user| visible(user.name.as_str())),
            address,
        })
    }

    pub fn list(&self) -> Reply<List> {
        let request = self.request(Method::GET, "/token?details=true");
        let mut sent = self.transport.send(request, None);
        if let Ok(answer) = &mut sent
            && answer.code().as_deref() == Some("no_tokens")
        {
            answer.status = StatusCode::OK;
            answer.body = EMPTY_LIST.to_owned();
        }
        self.read(sent, "")
    }

    pub fn show(&self, id: TokenId) -> Reply<Details> {
        let request = self.request(Method::GET, &format!("/token/{id}?details=true"));
        self.read(self.transport.send(request, None), "")
    }

    pub fn revoke(&self, id: TokenId) -> Reply<Revoked> {
        self.change(Method::DELETE, &format!("/token/{id}"), None)
    }

    pub fn revoke_all(&self) -> Reply<Revoked> {
        self.change(Method::DELETE, "/token?all=true", None)
    }

    /// Revokes the token that is sent, whosever it is.
    pub fn revoke_held(&self, token: &Jwt) -> Reply<Revoked> {
        let request = self.request(Method::POST, "/revoke");
        let sent = self.transport.send(request, Some(Body::Token(token)));
        self.read(sent, "")
    }

    /// Replaces a token. Tried once: a second try could replace it twice.
    pub fn rotate(&self, id: TokenId, life: Option<&str>, overlap: Option<&str>) -> Reply<Created> {
        let fields = [("jwt_token_life", life), ("overlap", overlap)];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let path = format!("/token/{id}/rotate");
        self.change(Method::POST, &path, Some(&Value::from_iter(given)))
    }

    /// Creates a token: one, however often the request has to be sent.
    pub fn create(&self, wanted: &Wanted<'_>) -> Reply<Created> {
        let body = wanted.to_json();
        let key = idempotency_key()?;
        let send = || {
            let request = self.request(Method::POST, "/token");
            let request = request.header("idempotency-key", &key);
            self.transport.send(request, Some(Body::Json(&body)))
        };
        let mut sent = send();
        for usual in PAUSES {
            let (problem, pause) = match &sent {
                Err(error @ SendError::Lost) => (error.to_string(), usual),
                Ok(answer) if may_come_back(answer) => {
                    (answer.explanation(), answer.retry_after().unwrap_or(usual))
                }
                _ => break,
            };
            if pause > LONGEST_PAUSE {
                break;
            }
            say(&format!("warning: {problem}; trying again"));
            thread::sleep(pause);
            sent = send();
        }
        self.read(sent, DOUBT)
    }

    fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Reply<T> {
        let body = body.map(Body::Json);
        let sent = self.transport.send(self.request(method, path), body);
        self.read(sent, DOUBT)
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let url = self.address.route(path);
        Request::builder().method(method).uri(url)
    }

    /// Reads a success, or says what is wrong, with `doubt` behind it where a change may have been made.
    fn read<T: DeserializeOwned>(&self, sent: Result<Answer, SendError>, doubt: &str) -> Reply<T> {
        use SendError::{Late, Lost, NotHttp, TooLong};
        let address = &self.address;
        let answer = sent.map_err(|error| match error {
            TooLong | NotHttp => self.not_latchkey(&error.to_string()),
            _ => {
                let doubt = if matches!(error, Lost | Late) {
                    doubt
                } else {
                    ""
                };
                let said = format!("the server at {address} cannot be reached: {error}{doubt}");
                ClientError::NoServer(said)
            }
        })?;
        if !answer.status.is_success() {
            return Err(self.refusal(&answer, doubt));
        }
        match serde_json::from_str(&answer.body) {
            Ok(value) => Ok(Success {
                text: visible_json(answer.body.trim()),
                value,
            }),
            Err(_) => Err(self.not_latchkey(&answer.description())),
        }
    }

    /// What an answer that is no success means.
    fn refusal(&self, answer: &Answer, doubt: &str) -> ClientError {
        let (user, address) = (&self.user, &self.address);
        let message = answer.explanation();
        let not_signed_in =
            |message| ClientError::NotSignedIn(format!("not signed in as {user}: {message}"));
        let unavailable = |doubt| {
            let said = format!("the server at {address} is not available: {message}{doubt}");
            ClientError::NoServer(said)
        };
        match (answer.status.as_u16(), answer.code().as_deref()) {
            (502..=504, None) => unavailable(doubt),
            (_, None) => self.not_latchkey(&message),
            (401, _) => not_signed_in(message),
            (429, Some("too_many_attempts")) => not_signed_in(match answer.retry_after() {
                Some(pause) => format!("{message} ({})", humantime::format_duration(pause)),
                None => message,
            }),
            (_, Some("no_such_token")) => ClientError::NoSuchToken(message),
            // After these, nothing was done.
            (503, Some("overloaded" | "not_configured" | "misconfigured")) => unavailable(""),
            (502..=504, _) => unavailable(doubt),
            (500.., _) => ClientError::Failed(message + doubt),
            _ => ClientError::Failed(message),
        }
    }

    fn not_latchkey(&self, problem: &str) -> ClientError {
        let address = &self.address;
        let said = format!("there is no Latchkey server at {address}: {problem}");
        ClientError::NoServer(said)
    }
}

/// Who, and where.
impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.user, self.address)
    }
}

/// Whether the same request may get another answer in a moment. A configuration that cannot work stays as it is.
fn may_come_back(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 502..=504)
        && !matches!(
            answer.code().as_deref(),
            Some("not_configured" | "misconfigured")
        )
}

/// 128 random bits: no two creations share them.
fn idempotency_key() -> Result<String, ClientError> {
    let random = || {
        getrandom::u64().map_err(|error| {
            ClientError::Failed(format!("the system has no randomness to give: {error}"))
        })
    };
    Ok(format!("{:016x}{:016x}", random()?, random()?))
}
