//! The Wasm component: the composition root of `latchkey_component`, and the only code that knows WIT.
//!
//! It runs in Wasm only, but compiles natively too, for the lints. Natively the handler is not exported: a native linker
//! refuses its symbol.

mod bindings;
mod buffered;
mod clock_and_random;
mod http;
mod key_value;
mod response;

use std::io::Write;
use std::rc::Rc;

use bytes::Bytes;
use spin_sdk::time::sleep;
use spin_sdk::variables;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};
use spin_sdk::wasip3::wit_bindgen::spawn;

use latchkey_component::api;
use latchkey_component::config::{ConfigError, REVISION};
use latchkey_component::service::{Configured, Permit, Service};
use latchkey_component::store::Documents;

use bindings::exports::latchkey::component::buffered_handler;
use clock_and_random::{SecureRandom, SystemClock};
use key_value::KeyValueStore;

type WasmStore = Documents<(KeyValueStore, SystemClock, SecureRandom)>;
type WasmService = Service<WasmStore>;

thread_local! {
    /// The service of this instance. Configuration, keys and remembered passwords live in it; nothing about tokens does.
    static CONFIGURED: Rc<Configured<WasmStore>> = Rc::default();
}

/// The component.
pub struct Component;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(Component);

#[cfg(target_family = "wasm")]
bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    /// Handles one request. An instance serves several at a time.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        response::host_turn().await;
        let answer = answer(http::request(request)?, None).await;
        response::host_turn().await;
        response::response(answer.response, answer.permit, async move {
            if let Some(service) = answer.notes_use {
                service.write_uses().await;
            }
        })
    }
}

impl buffered_handler::Guest for Component {
    /// The same for a request in memory. The response is returned whole.
    async fn handle(request: buffered_handler::Request) -> Result<buffered_handler::Response, ()> {
        let revision = request.configuration_revision;
        let request = buffered::request(request.head, request.body)?;
        let answer = answer(request, revision).await;
        if let Some(service) = answer.notes_use {
            spawn(async move {
                // The host has the answer then.
                response::host_turn().await;
                service.write_uses().await;
            });
        }
        Ok(buffered::response(answer.response))
    }
}

/// An answer, and what is left to do after it.
struct Answer {
    response: ::http::Response<Bytes>,
    permit: Option<Permit>,
    /// The service that has a use of a token to note.
    notes_use: Option<Rc<WasmService>>,
}

/// `revision` is that of the configuration, if the host has said it.
async fn answer(request: ::http::Request<http::Body>, revision: Option<u64>) -> Answer {
    let is_head = request.method() == ::http::Method::HEAD;
    let service = service(revision).await;
    let mut handled = api::handle(service.as_deref(), request).await;
    if let Some(line) = handled.log_line {
        log(&line);
    }
    if let Some(line) = handled.audit_line {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    if is_head {
        // Hosts would drop it; a stream for nobody takes time. The length stays that of the answer to `GET`.
        *handled.response.body_mut() = Bytes::new();
    }
    Answer {
        response: handled.response,
        permit: handled.permit,
        notes_use: service.ok().filter(|_| handled.notes_use),
    }
}

/// The service of this instance, by the newest configuration that works.
async fn service(revision: Option<u64>) -> Result<Rc<WasmService>, ConfigError> {
    let make = |config| {
        let ports = (KeyValueStore::default(), SystemClock, SecureRandom);
        Ok(Service::new(config, Documents::new(ports)))
    };
    let get = async |variable| match revision {
        Some(revision) if variable == REVISION => Ok(Some(revision.to_string())),
        _ => read(variable).await,
    };
    CONFIGURED.with(Rc::clone).service(get, make, log).await
}

async fn read(variable: &'static str) -> Result<Option<String>, ConfigError> {
    match variables::get(variable).await {
        Ok(value) => Ok(Some(value)),
        Err(variables::Error::Undefined(_)) => Ok(None),
        // The text is the provider's: not for clients.
        Err(_) => Err(ConfigError::Unreadable { variable }),
    }
}

/// A log that cannot be written is no reason to fail the request.
fn log(line: &str) {
    let _ = writeln!(std::io::stderr(), "latchkey: {line}");
}
