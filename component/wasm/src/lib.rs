//! The Wasm component: the composition root of `latchkey_component`, and the only code that knows WIT.
//!
//! Compiles natively too, so that the lints see it; it runs in Wasm only. Natively the handler is not exported: its symbol
//! is no name to a native linker.

mod bindings;
mod clock_and_random;
mod http;
mod key_value;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::io::Write;
use std::rc::Rc;

use spin_sdk::variables;
use spin_sdk::wasip3::exports::http::handler::Guest;
use spin_sdk::wasip3::http::types::{ErrorCode, Request, Response};

use latchkey_component::api;
use latchkey_component::config::{Config, ConfigError, VARIABLES};
use latchkey_component::service::Service;

use clock_and_random::{SecureRandom, SystemClock};
use key_value::KeyValueStore;

type WasmService = Service<(KeyValueStore, SystemClock, SecureRandom)>;

thread_local! {
    /// The service of this instance. Configuration, keys and remembered passwords live in it; nothing about tokens does.
    static SERVICE: OnceCell<Rc<WasmService>> = const { OnceCell::new() };
}

/// The component.
pub struct Component;

#[cfg(target_family = "wasm")]
spin_sdk::wasip3::http::service::export!(Component);

impl Guest for Component {
    /// Handles one of the requests that this instance serves, several at a time.
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let request = http::request(request)?;
        let service = service().await;
        let handled = api::handle(service.as_deref(), request).await;
        // Whether anybody reads them is not for the client to suffer from.
        if let Some(line) = handled.log_line {
            let _ = writeln!(std::io::stderr(), "latchkey: {line}");
        }
        if let Some(line) = handled.audit_line {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        http::response(handled.response)
    }
}

/// The service of this instance, made at its first request. A configuration that cannot work is looked at again at every
/// request: it may be mended.
async fn service() -> Result<Rc<WasmService>, ConfigError> {
    if let Some(service) = SERVICE.with(|cell| cell.get().cloned()) {
        return Ok(service);
    }
    let config = read_config().await?;
    // Another request may have been faster while this one waited.
    Ok(SERVICE.with(|cell| {
        cell.get_or_init(|| {
            let ports = (KeyValueStore::default(), SystemClock, SecureRandom);
            Rc::new(Service::new(config, ports))
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
            // The text is the provider's: it may say more than the client should know.
            Err(_) => return Err(ConfigError::Unreadable { variable }),
        }
    }
    Config::from_variables(|variable| values.get(variable).cloned())
}
