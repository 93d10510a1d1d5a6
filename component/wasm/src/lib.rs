//! The Wasm component: the composition root of `latchkey_component`, and the only code that knows WIT.
//!
//! It runs in Wasm only, but compiles natively too, for the lints. Natively the handler is not exported: a native linker
//! refuses its symbol.

mod bindings;
mod clock_and_random;
mod http;
mod key_value;
mod response;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use spin_sdk::time::sleep;
use spin_sdk::variables;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

use latchkey_component::api;
use latchkey_component::config::{Config, ConfigError, VARIABLES};
use latchkey_component::service::Service;
use latchkey_component::store::Documents;

use clock_and_random::{SecureRandom, SystemClock};
use key_value::KeyValueStore;

type WasmService = Service<Documents<(KeyValueStore, SystemClock, SecureRandom)>>;

thread_local! {
    /// The service of this instance. Configuration, keys and remembered passwords live in it; nothing about tokens does.
    static SERVICE: OnceCell<Rc<WasmService>> = const { OnceCell::new() };
}

/// The component.
pub struct Component;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(Component);

impl Guest for Component {
    /// Handles one request. An instance serves several at a time.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        response::host_turn().await;
        let request = http::request(request)?;
        let service = service().await;
        let handled = api::handle(service.as_deref(), request).await;
        // A log that cannot be written is no reason to fail the request.
        if let Some(line) = handled.log_line {
            let _ = writeln!(std::io::stderr(), "latchkey: {line}");
        }
        if let Some(line) = handled.audit_line {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        response::host_turn().await;
        let notes_use = service.ok().filter(|_| handled.notes_use);
        response::response(handled.response, handled.permit, async move {
            if let Some(service) = notes_use {
                service.write_uses().await;
            }
        })
    }
}

/// The service of this instance, made at its first request. A bad configuration is read again at every request: it may
/// have been mended.
async fn service() -> Result<Rc<WasmService>, ConfigError> {
    if let Some(service) = SERVICE.with(|cell| cell.get().cloned()) {
        return Ok(service);
    }
    let config = read_config().await?;
    // Another request may have been faster while this one waited.
    Ok(SERVICE.with(|cell| {
        cell.get_or_init(|| {
            let ports = (KeyValueStore::default(), SystemClock, SecureRandom);
            Rc::new(Service::new(config, Documents::new(ports)))
        })
        .clone()
    }))
}

async fn read_config() -> Result<Config, ConfigError> {
    let mut values = HashMap::new();
    for variable in VARIABLES {
        match variables::get(variable).await {
            Ok(value) => drop(values.insert(*variable, value)),
            Err(variables::Error::Undefined(_)) => {}
            // The text is the provider's: not for clients.
            Err(_) => return Err(ConfigError::Unreadable { variable }),
        }
    }
    Config::from_variables(|variable| values.get(variable).cloned())
}
