//! The guard: HTTP middleware that lets requests with a good token through to the application behind it, and no others.
//!
//! It imports and exports `wasi:http/handler@0.3.0`. Whatever is in doubt is refused. `docs/guard.md` says how it is used.
//! Its configuration is `latchkey_component::guard`. Each look at a request is a call of the host, so there are few of them.
//!
//! | module | its one job |
//! |---|---|
//! | `request` | what is looked at in the headers of a request |
//! | `answer` | what an answer of Latchkey means |
//! | `memory` | good answers, remembered for a while |
//! | `ask` | asks Latchkey |
//! | `pass` | hands a request on |
//!
//! It runs in Wasm only, but compiles natively too, for its tests and the lints.
#![cfg_attr(
    not(target_family = "wasm"),
    allow(dead_code, reason = "the handler, its user, is exported in Wasm only")
)]

mod answer;
mod ask;
mod bindings;
#[path = "../../wasm/src/clock_and_random.rs"]
mod clock_and_random;
mod memory;
mod pass;
mod request;
#[path = "../../wasm/src/response.rs"]
mod response;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use spin_sdk::time::sleep;
use spin_sdk::variables;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Method, Request, Response};

use latchkey_component::api;
use latchkey_component::config::{ConfigError, REVISION};
#[cfg(not(feature = "offline"))]
use latchkey_component::guard::no_keys as parse_keys;
#[cfg(feature = "offline")]
use latchkey_component::guard::parse_keys;
use latchkey_component::guard::{Config, VARIABLES, Verifier};
use latchkey_component::ports::Clock;
use latchkey_component::token::Timestamp;

use answer::Identity;
use clock_and_random::{SecureRandom, SystemClock};
use memory::Memory;

/// How long until the host is asked again whether the variables have changed: asking costs time, and the host looks at files once
/// a second.
const REVISION_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// When a client should try again if Latchkey could not be asked, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

thread_local! {
    /// The guard of this instance.
    static GUARD: RefCell<Option<Rc<Guard>>> = const { RefCell::new(None) };
    /// Whether the log of this instance says why there is none.
    static REPORTED: Cell<bool> = const { Cell::new(false) };
}

struct Guard {
    config: Config,
    memory: Memory,
    /// What the host said of the variables, if it says anything, and when it was asked.
    revision: Option<String>,
    looked: Cell<Timestamp>,
}

/// Why a request is not handed on.
enum Refusal {
    /// By Latchkey, or as it would.
    Latchkey(Box<http::Response<Bytes>>),
    /// Nobody could tell whether the token is good; for the log, why.
    Unknown(String),
    Misconfigured,
    /// It hides what the guard says to the application.
    HidesIdentity,
    /// Its target cannot be handed on.
    Target,
}

/// The component.
pub struct Component;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(Component);

impl Guest for Component {
    /// Handles one request. An instance serves several at a time.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let headers = request.get_headers();
        let fields = headers.copy_all();
        let method = request.get_method();
        match admit(&request, &method, &fields).await {
            Ok((guard, identity)) => {
                let keep = guard.config.keep_authorization;
                let removed = request::removed(&fields, keep);
                let headers = pass::headers(&headers, &removed, identity.as_ref())?;
                let has_body = request::has_body(&method, &fields);
                pass::on(request, method, headers, has_body).await
            }
            Err(refusal) => refuse(refusal).await,
        }
    }
}

async fn refuse(refusal: Refusal) -> Result<Response, ErrorCode> {
    // As `component/wasm` does before each of its responses.
    response::host_turn().await;
    response::response(refusal.response(), (), async {})
}

/// The guard, and who is let in: nobody in particular where no token is needed.
async fn admit(
    request: &Request,
    method: &Method,
    fields: &request::Fields,
) -> Result<(Rc<Guard>, Option<Identity>), Refusal> {
    let now = SystemClock.now();
    let guard = guard(now).await.map_err(|error| {
        if !REPORTED.replace(true) {
            log(&error.to_string());
        }
        Refusal::Misconfigured
    })?;
    if request::hides_identity(fields) {
        return Err(Refusal::HidesIdentity);
    }
    if guard.is_open(request, method, fields) {
        return Ok((guard, None));
    }
    let identity = guard.verify(&request::carriers(fields), now).await?;
    Ok((guard, Some(identity)))
}

impl Guard {
    fn is_open(&self, request: &Request, method: &Method, fields: &request::Fields) -> bool {
        let public = &self.config.public;
        let is_public = || {
            !public.is_empty()
                && (request.get_path_with_query()).is_some_and(|path| public.contain(&path))
        };
        let is_preflight = self.config.preflight
            && matches!(method, Method::Options)
            && request::is_preflight(fields);
        (is_preflight || is_public()) && !request::is_ambiguous(fields)
    }

    async fn verify(&self, carriers: &HeaderMap, now: Timestamp) -> Result<Identity, Refusal> {
        let Config {
            question, remember, ..
        } = &self.config;
        let digest = (!remember.is_zero()).then(|| self.memory.digest(carriers));
        if let Some(identity) = digest.and_then(|digest| self.memory.get(&digest, now)) {
            return Ok(identity);
        }
        let headers = match &self.config.verifier {
            #[cfg(feature = "offline")]
            Verifier::Keys(keys) => {
                api::verify_offline(keys, question, carriers, now).map_err(Refusal::Latchkey)?
            }
            // There are none.
            #[cfg(not(feature = "offline"))]
            Verifier::Keys(_) => return Err(Refusal::Misconfigured),
            Verifier::Latchkey(endpoint) => ask::latchkey(endpoint, carriers).await?,
        };
        let identity = Identity::read(&headers, &question.demand)
            .ok_or_else(|| Refusal::Unknown("Latchkey's answer is not one".to_owned()))?;
        if let Some(digest) = digest {
            self.memory.insert(digest, &identity, now, *remember);
        }
        Ok(identity)
    }
}

impl Refusal {
    fn response(self) -> http::Response<Bytes> {
        let (status, code, message) = match self {
            Self::Latchkey(response) => return *response,
            Self::Unknown(why) => {
                log(&why);
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "latchkey_unavailable",
                    "Whether the token is good cannot be found out at the moment: try again",
                )
            }
            Self::Misconfigured => (
                StatusCode::SERVICE_UNAVAILABLE,
                "misconfigured",
                "The guard of this service cannot work: its log says why",
            ),
            Self::HidesIdentity => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The header Connection names a header that is not of this hop",
            ),
            Self::Target => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The host or the path of the request cannot be read",
            ),
        };
        let mut response = api::error_response(status, code, message, None);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// A log that cannot be written is no reason to fail the request.
fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "latchkey-guard: {line}");
}

/// The guard of this instance, made at its first request; by the native host, whose instances live long, again when the
/// variables may have changed. A bad configuration is read again at every request: it may have been mended.
async fn guard(now: Timestamp) -> Result<Rc<Guard>, ConfigError> {
    if let Some(guard) = GUARD.with_borrow(Clone::clone) {
        let looked = guard.looked.get();
        let is_fresh = looked <= now && now < looked.plus(REVISION_CHECK_INTERVAL);
        if guard.revision.is_none() || is_fresh {
            return Ok(guard);
        }
        if revision().await == guard.revision {
            guard.looked.set(now);
            return Ok(guard);
        }
    }
    // First: should the variables change meanwhile, it is an old one, and they are read again.
    let revision = revision().await;
    let guard = Rc::new(Guard {
        config: read_config().await?,
        memory: Memory::new(&SecureRandom),
        revision,
        looked: Cell::new(now),
    });
    REPORTED.set(false);
    GUARD.set(Some(guard.clone()));
    Ok(guard)
}

async fn revision() -> Option<String> {
    variables::get(REVISION).await.ok()
}

async fn read_config() -> Result<Config, ConfigError> {
    let mut values = Vec::new();
    for variable in VARIABLES {
        match variables::get(variable).await {
            Ok(value) => values.push((*variable, value)),
            Err(variables::Error::Undefined(_)) => {}
            // The text is the provider's.
            Err(_) => return Err(ConfigError::Unreadable { variable }),
        }
    }
    let value = |variable| {
        let value = values.iter().find(|(name, _)| *name == variable);
        value.map(|(_, value)| value.clone())
    };
    Config::from_variables(value, parse_keys)
}
