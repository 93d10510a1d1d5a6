//! One request, one answer: what is sent, what is trusted, how long it is waited for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use rustls::{CertificateError, InvalidMessage};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use super::address::Address;
use crate::terminal::visible;
use crate::users::Credentials;

/// Until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Until there is a whole answer.
const ANSWER: Duration = Duration::from_secs(60);

/// More than 1,000 tokens, as many as a user may have, with the longest names, every character of them escaped.
const LARGEST_ANSWER: u64 = 8 << 20;

/// Sends requests of one user to one server.
pub struct Transport {
    agent: Agent,
    authorization: HeaderValue,
}

/// A whole answer, of whatever server.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; empty where it is no UTF-8, which no answer of Latchkey is.
    pub body: String,
    headers: HeaderMap,
}

impl Answer {
    /// How long the server wants not to be asked, if it says so in seconds.
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        value.trim().parse().ok().map(Duration::from_secs)
    }

    /// What is there instead of a Latchkey server.
    pub fn description(&self) -> String {
        let said = format!("it answered {}", self.status);
        let header = |name| self.headers.get(name).and_then(|value| value.to_str().ok());
        match (header(LOCATION), header(CONTENT_TYPE)) {
            (Some(elsewhere), _) if self.status.is_redirection() => {
                format!("{said}, which points to {}", visible(elsewhere))
            }
            (_, Some(media_type)) => format!("{said} with {}", visible(media_type)),
            _ => said,
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The request was not sent.
    Unsent(String),
    /// The connection broke: the request may have been acted on.
    Lost(String),
    /// There was no end to waiting: the request may have been acted on.
    Late(String),
    /// What was answered is not HTTP as it should be.
    Garbled(String),
}

impl Transport {
    /// Prepares for requests to `address`.
    pub fn new(address: &Address, credentials: &Credentials) -> Result<Self, ureq::Error> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Wherever a redirection leads to, it is not where the user wanted the password to go.
            .max_redirects(0)
            .user_agent(concat!("latchkey/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER));
        if address.is_secure() {
            config = config.tls_config(TlsConfig::builder().root_certs(authorities()).build());
        }
        if address.is_loopback() {
            // What is on this machine is for no proxy to see, nor to find.
            config = config.proxy(None);
        }
        let name = credentials.name();
        let plain = format!("{name}:{}", credentials.password().expose());
        let basic = format!("Basic {}", STANDARD.encode(plain));
        let mut authorization = HeaderValue::try_from(basic).map_err(http::Error::from)?;
        authorization.set_sensitive(true);
        Ok(Self {
            agent: config.build().into(),
            authorization,
        })
    }

    /// Sends a request, once. A body is JSON.
    pub fn send(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header(AUTHORIZATION, &self.authorization);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = match body {
            Some(body) => request
                .header(CONTENT_TYPE, "application/json")
                .body(body)
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            None => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
        };
        sent.and_then(read).map_err(trouble)
    }
}

fn read(response: Response<Body>) -> Result<Answer, ureq::Error> {
    let (head, mut body) = response.into_parts();
    let body = body.with_config().limit(LARGEST_ANSWER).read_to_vec()?;
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body).unwrap_or_default(),
    })
}

/// Those that this machine trusts (or `SSL_CERT_FILE` and `SSL_CERT_DIR` name), among them perhaps one of its owner's own;
/// Mozilla's where there are none.
fn authorities() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = found.iter().map(|c| Certificate::from_der(c).to_owned());
    RootCerts::Specific(Arc::new(certificates.collect()))
}

fn trouble(error: ureq::Error) -> Trouble {
    use ureq::Error;
    match error {
        Error::Io(error) => interrupted(&error),
        Error::Rustls(error) => Trouble::Unsent(insecure(&error)),
        Error::HostNotFound => Trouble::Unsent("its host is not known".to_owned()),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => Trouble::Unsent(format!(
            "no connection within {} seconds",
            CONNECT.as_secs()
        )),
        Error::Timeout(_) => {
            Trouble::Late(format!("no answer within {} seconds", ANSWER.as_secs()))
        }
        Error::ConnectProxyFailed(problem) => {
            Trouble::Unsent(format!("the proxy refuses: {}", visible(&problem)))
        }
        Error::BodyExceedsLimit(_) | Error::LargeResponseHeader(..) => {
            Trouble::Garbled("its answer is too long".to_owned())
        }
        Error::Protocol(_) | Error::Http(_) => {
            Trouble::Garbled("its answer is not HTTP".to_owned())
        }
        other => Trouble::Unsent(visible(&other.to_string())),
    }
}

fn interrupted(error: &io::Error) -> Trouble {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Trouble::Unsent(insecure(error));
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => {
            Trouble::Lost("the connection broke before the answer".to_owned())
        }
        _ => {
            // Without the number, which is for programmers.
            let problem = error.to_string();
            let words = problem.split(" (os error ").next().unwrap_or_default();
            Trouble::Unsent(visible(words))
        }
    }
}

/// Why TLS failed, for people who do not know its words.
fn insecure(error: &rustls::Error) -> String {
    let problem = match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => "it is issued by nobody whom this machine trusts",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for another host"
            }
            CertificateError::Revoked => "it has been revoked",
            other => return format!("its certificate is not valid: {other}"),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return "it does not speak TLS; is the address http://?".to_owned();
        }
        other => return format!("TLS failed: {other}"),
    };
    format!("its certificate is not valid: {problem}")
}
