//! One request, one answer: what is sent, what is trusted, how long it is waited for.

use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::request::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rustls::{CertificateError, InvalidMessage};
use rustls_native_certs::{load_certs_from_paths, load_native_certs};
use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Proxy, ProxyProtocol, Timeout};

use latchkey_component::auth::Credentials;

use super::address::Address;
use super::answer::{Jwt, Problem};
use super::error::ClientError;
use super::proxy;
use crate::terminal::{say, visible};

/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Until there is a whole answer.
const ANSWER: Duration = Duration::from_secs(60);

/// More than 1,000 tokens, as many as a user may have, with the longest names, every character of them escaped.
const LARGEST_ANSWER: u64 = 8 << 20;

/// A file with the certificates that are trusted.
const CERT_FILE: &str = "SSL_CERT_FILE";

/// Directories with them.
const CERT_DIR: &str = "SSL_CERT_DIR";

/// Sends requests of one user, or of nobody, to one server.
pub struct Transport {
    agent: Agent,
    authorization: Option<HeaderValue>,
}

/// What is sent with a request.
#[derive(Clone, Copy)]
pub enum Body<'a> {
    Json(&'a Value),
    /// A form with this token as `token`.
    Token(&'a Jwt),
}

/// A whole answer, of any server.
pub struct Answer {
    pub status: StatusCode,
    /// Empty where it is no UTF-8, which no answer of Latchkey is.
    pub body: String,
    headers: HeaderMap,
}

impl Answer {
    /// The error that it is, if it is one of Latchkey's.
    fn problem(&self) -> Option<Problem> {
        let is_error = !self.status.is_success();
        is_error.then(|| serde_json::from_str(&self.body).ok())?
    }

    /// What an error of Latchkey says, for programs.
    pub fn code(&self) -> Option<String> {
        self.problem().map(|problem| problem.code)
    }

    /// What any error says, in words.
    pub fn explanation(&self) -> String {
        match self.problem() {
            Some(problem) => visible(&problem.message),
            None => self.description(),
        }
    }

    /// What is there instead of an answer of Latchkey.
    pub fn description(&self) -> String {
        let said = format!("it answered {}", self.status);
        match (self.header(LOCATION), self.header(CONTENT_TYPE)) {
            (Some(elsewhere), _) if self.status.is_redirection() => {
                format!("{said}, which points to {}", visible(elsewhere))
            }
            (_, Some(media_type)) => format!("{said} with {}", visible(media_type)),
            _ => said,
        }
    }

    /// How long the server wants not to be asked, if it says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.header(RETRY_AFTER)?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request was not sent.
    #[error("{0}")]
    Unsent(String),
    /// The request may have been acted on.
    #[error("the connection broke before the answer")]
    Lost,
    /// The request may have been acted on.
    #[error("no answer within {} seconds", ANSWER.as_secs())]
    Late,
    #[error("its answer is too long")]
    TooLong,
    #[error("its answer is not HTTP")]
    NotHttp,
}

impl Transport {
    /// Fails if the environment names a proxy or certificates that cannot be used.
    pub fn new(address: &Address, credentials: Option<&Credentials>) -> Result<Self, ClientError> {
        let proxy = proxy::find(address, |name| env::var(name))?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // The user meant the password for this address only.
            .max_redirects(0)
            .user_agent(concat!("latchkey/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER));
        let to_proxy = proxy.as_ref().map(Proxy::protocol);
        if address.is_secure() || to_proxy == Some(ProxyProtocol::Https) {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities()?).build());
        }
        config = config.proxy(proxy);
        let authorization = credentials.map(|credentials| {
            let mut value =
                HeaderValue::try_from(credentials.to_header()).expect("base64 is visible ASCII");
            value.set_sensitive(true);
            value
        });
        Ok(Self {
            agent: config.build().into(),
            authorization,
        })
    }

    /// Sends a request, once.
    pub fn send(&self, request: Builder, body: Option<Body<'_>>) -> Result<Answer, SendError> {
        self.exchange(request, body).map_err(explain)
    }

    fn exchange(&self, request: Builder, body: Option<Body<'_>>) -> Result<Answer, ureq::Error> {
        let request = match &self.authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        };
        let (media_type, body) = match body {
            Some(Body::Json(json)) => ("application/json", json.to_string()),
            // A token has no character that a form encodes.
            Some(Body::Token(token)) => (
                "application/x-www-form-urlencoded",
                format!("token={}", token.expose()),
            ),
            None => ("", String::new()),
        };
        let response = match body.is_empty() {
            false => {
                let request = request.header(CONTENT_TYPE, media_type);
                self.agent.run(request.body(body)?)?
            }
            true => self.agent.run(request.body(())?)?,
        };
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body).unwrap_or_default(),
        })
    }
}

/// Those that [`CERT_FILE`] and [`CERT_DIR`] name, or else those that this machine trusts, among them perhaps one of its
/// owner's own; Mozilla's where there are none.
///
/// Fails if a variable is set and there is no certificate: its user wants those to be trusted, and no others.
fn authorities() -> Result<RootCerts, ClientError> {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let named: Vec<_> = [CERT_FILE, CERT_DIR]
        .into_iter()
        .filter(|name| is_set(name))
        .collect();
    let found = match (&named[..], env::var_os(CERT_FILE)) {
        // Empty, it counts as unset; not so for the library.
        ([], Some(_)) => {
            let usual = openssl_probe::probe();
            let directory = usual.cert_dir.first();
            load_certs_from_paths(usual.cert_file.as_deref(), directory.map(PathBuf::as_path))
        }
        _ => load_native_certs(),
    };
    let problem = |problem: &dyn ToString| {
        visible(&format!("{}: {}", named.join(" or "), problem.to_string()))
    };
    match (&found.errors[..], found.certs.is_empty()) {
        _ if named.is_empty() => {}
        ([], false) => {}
        ([], true) => return Err(ClientError::Usage(problem(&"there is no certificate"))),
        ([error, ..], true) => return Err(ClientError::Usage(problem(error))),
        ([error, ..], false) => say(&format!("warning: {}", problem(error))),
    }
    if found.certs.is_empty() {
        return Ok(RootCerts::WebPki);
    }
    let certificates = found
        .certs
        .iter()
        .map(|c| Certificate::from_der(c).to_owned());
    Ok(RootCerts::Specific(Arc::new(certificates.collect())))
}

fn explain(error: ureq::Error) -> SendError {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    use ureq::Error;
    match error {
        Error::Io(error) => match (tls_error(&error), error.kind()) {
            (Some(error), _) => SendError::Unsent(explain_tls(error)),
            (_, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe) => {
                SendError::Lost
            }
            _ => {
                // Without the number, which is for programmers.
                let problem = error.to_string();
                let words = problem.split(" (os error ").next().unwrap_or_default();
                SendError::Unsent(visible(words))
            }
        },
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
            let seconds = CONNECT.as_secs();
            SendError::Unsent(format!("no connection within {seconds} seconds"))
        }
        Error::Timeout(_) => SendError::Late,
        Error::BodyExceedsLimit(_) | Error::LargeResponseHeader(..) => SendError::TooLong,
        Error::Protocol(_) | Error::Http(_) => SendError::NotHttp,
        other => SendError::Unsent(visible(&other.to_string())),
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why TLS failed, for people who do not know its words.
fn explain_tls(error: &rustls::Error) -> String {
    use CertificateError::{
        ExpiredContext, NotValidForNameContext, NotValidYetContext, UnknownIssuer,
    };
    let problem = match error {
        rustls::Error::InvalidCertificate(error) => match error {
            UnknownIssuer => "it is issued by nobody whom this machine trusts",
            ExpiredContext { .. } => "it has expired",
            NotValidYetContext { .. } => "it is not valid yet",
            NotValidForNameContext { .. } => "it is for another host",
            other => return format!("its certificate is not valid: {other}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return "it does not speak TLS; is the address http://?".to_owned();
        }
        other => return format!("TLS failed: {other}"),
    };
    format!("its certificate is not valid: {problem}")
}
