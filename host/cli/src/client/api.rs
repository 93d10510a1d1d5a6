//! The requests that a client makes, and what their answers mean to it. `docs/api.md` is the contract.

use std::fmt;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::address::Address;
use super::answer::{Created, Done, List, Problem, Shown};
use super::error::ClientError;
use super::transport::{Answer, Transport, Trouble};
use crate::terminal::{say, visible};
use crate::users::Credentials;

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

/// A success: as the server wrote it, and as the client reads it.
pub struct Success<T> {
    /// JSON.
    pub text: String,
    /// What it means.
    pub value: T,
}

/// A user at a server.
pub struct Api {
    transport: Transport,
    address: Address,
    user: String,
}

impl Api {
    /// Sends nothing yet.
    pub fn new(address: Address, credentials: &Credentials) -> Result<Self, ClientError> {
        let transport =
            Transport::new(&address, credentials).map_err(|error| ClientError::Unreachable {
                address: address.to_string(),
                problem: error.to_string(),
            })?;
        Ok(Self {
            transport,
            user: visible(credentials.name()),
            address,
        })
    }

    /// The user's tokens; `None` if there are none.
    pub fn list(&self) -> Result<Option<Success<List>>, ClientError> {
        let answer = self.send(&Method::GET, "/token", &[], None);
        match answer.map_err(|trouble| self.failed(trouble, ""))? {
            answer if code_of(&answer).as_deref() == Some("no_tokens") => Ok(None),
            answer => self.read(answer, "").map(Some),
        }
    }

    /// A token, of which the id is given.
    pub fn show(&self, id: &str) -> Result<Success<Shown>, ClientError> {
        let answer = self.send(&Method::GET, &format!("/token/{id}"), &[], None);
        self.read(answer.map_err(|trouble| self.failed(trouble, ""))?, "")
    }

    /// Revokes a token.
    pub fn revoke(&self, id: &str) -> Result<Success<Done>, ClientError> {
        self.change(&Method::DELETE, &format!("/token/{id}"), None)
    }

    /// Revokes all tokens of the user.
    pub fn revoke_all(&self) -> Result<Success<Done>, ClientError> {
        self.change(&Method::DELETE, "/token?all=true", None)
    }

    /// Replaces a token. Tried once: a second try could replace it twice.
    pub fn rotate(
        &self,
        id: &str,
        life: Option<&str>,
        overlap: Option<&str>,
    ) -> Result<Success<Created>, ClientError> {
        let fields = [("jwt_token_life", life), ("overlap", overlap)];
        let given = fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
        let body = Value::Object(given.collect());
        let path = format!("/token/{id}/rotate");
        self.sound(self.change(&Method::POST, &path, Some(&body.to_string()))?)
    }

    /// Creates a token: one, however often the request has to be sent.
    pub fn create(&self, name: &str, life: &str) -> Result<Success<Created>, ClientError> {
        let fields = [("jwt_token_description", name), ("jwt_token_life", life)]
            .map(|(name, value)| (name.to_owned(), Value::from(value)));
        let body = Value::Object(Map::from_iter(fields)).to_string();
        let key = idempotency_key()?;
        let headers = [("idempotency-key", key.as_str())];
        let mut pauses = PAUSES.into_iter();
        loop {
            let result = self.send(&Method::POST, "/token", &headers, Some(&body));
            let (problem, wanted) = match &result {
                Err(Trouble::Lost(problem)) => (problem.clone(), None),
                Ok(answer) if may_come_back(answer) => {
                    (self.unavailability(answer), answer.retry_after())
                }
                _ => (String::new(), Some(Duration::MAX)),
            };
            let pause = pauses.next().map(|usual| wanted.unwrap_or(usual));
            let Some(pause) = pause.filter(|pause| *pause <= LONGEST_PAUSE) else {
                let answer = result.map_err(|trouble| self.failed(trouble, DOUBT))?;
                return self.sound(self.read(answer, DOUBT)?);
            };
            say(&format!("warning: {problem}; trying again"));
            thread::sleep(pause);
        }
    }

    fn change<T: DeserializeOwned>(
        &self,
        method: &Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<Success<T>, ClientError> {
        let answer = self.send(method, path, &[], body);
        self.read(
            answer.map_err(|trouble| self.failed(trouble, DOUBT))?,
            DOUBT,
        )
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, Trouble> {
        let url = self.address.route(path);
        self.transport.send(method, &url, headers, body)
    }

    /// Reads a success, or says what is wrong; then with `doubt` behind it if a change may have been made.
    fn read<T: DeserializeOwned>(
        &self,
        answer: Answer,
        doubt: &str,
    ) -> Result<Success<T>, ClientError> {
        if answer.status.is_success() {
            return match serde_json::from_str(&answer.body) {
                Ok(value) => Ok(Success {
                    text: answer.body,
                    value,
                }),
                Err(_) => Err(self.not_latchkey(answer.description())),
            };
        }
        let Ok(problem) = serde_json::from_str::<Problem>(&answer.body) else {
            return Err(if is_gateway(answer.status) {
                self.unavailable(self.unavailability(&answer) + doubt)
            } else {
                self.not_latchkey(answer.description())
            });
        };
        let message = visible(&problem.message);
        let not_signed_in = |message| ClientError::NotSignedIn {
            user: self.user.clone(),
            message,
        };
        Err(match (answer.status.as_u16(), problem.code.as_str()) {
            (401, _) => not_signed_in(message),
            (429, "too_many_attempts") => not_signed_in(match answer.retry_after() {
                Some(pause) => format!("{message} ({})", humantime::format_duration(pause)),
                None => message,
            }),
            (_, "no_such_token") => ClientError::NoSuchToken(message),
            // After these, nothing was done.
            (503, "overloaded" | "not_configured" | "misconfigured") => self.unavailable(message),
            (502..=504, _) => self.unavailable(message + doubt),
            (500.., _) => ClientError::Refused(message + doubt),
            _ => ClientError::Refused(message),
        })
    }

    /// Lets a token pass that can be printed.
    fn sound(&self, created: Success<Created>) -> Result<Success<Created>, ClientError> {
        if created.value.is_sound() {
            return Ok(created);
        }
        Err(self.not_latchkey("what it sent is no token".to_owned()))
    }

    fn failed(&self, trouble: Trouble, doubt: &str) -> ClientError {
        let problem = match trouble {
            Trouble::Unsent(problem) => problem,
            Trouble::Lost(problem) | Trouble::Late(problem) => problem + doubt,
            Trouble::Garbled(problem) => return self.not_latchkey(problem),
        };
        ClientError::Unreachable {
            address: self.address.to_string(),
            problem,
        }
    }

    /// What a server that may come back says.
    fn unavailability(&self, answer: &Answer) -> String {
        match serde_json::from_str::<Problem>(&answer.body) {
            Ok(problem) => visible(&problem.message),
            Err(_) => answer.description(),
        }
    }

    fn unavailable(&self, problem: String) -> ClientError {
        ClientError::Unavailable {
            address: self.address.to_string(),
            problem,
        }
    }

    fn not_latchkey(&self, problem: String) -> ClientError {
        ClientError::NotLatchkey {
            address: self.address.to_string(),
            problem,
        }
    }
}

/// Who, and where.
impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.user, self.address)
    }
}

/// The `code` of an error of Latchkey.
fn code_of(answer: &Answer) -> Option<String> {
    let problem = serde_json::from_str::<Problem>(&answer.body);
    (!answer.status.is_success()).then(|| problem.ok().map(|problem| problem.code))?
}

/// What proxies say when the server behind them is not there.
fn is_gateway(status: StatusCode) -> bool {
    matches!(status.as_u16(), 502..=504)
}

/// Whether the same request may get another answer in a moment. A configuration that cannot work stays as it is.
fn may_come_back(answer: &Answer) -> bool {
    let permanent = ["not_configured", "misconfigured"];
    is_gateway(answer.status) && !code_of(answer).is_some_and(|code| permanent.contains(&&*code))
}

/// 128 random bits: no two creations share them.
fn idempotency_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        ClientError::Refused(format!("the system has no randomness to give: {error}"))
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
