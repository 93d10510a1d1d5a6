//! The Wasm component for the edge: the composition root of `latchkey_component` for hosts with WASI 0.2, and for stores
//! without compare-and-swap.
//!
//! Such hosts make an instance for each request, so nothing is kept between requests. Every import is synchronous.
//!
//! It runs in Wasm only, but compiles natively too, for the lints.

mod bindings;
#[path = "../../wasm/src/clock_and_random.rs"]
mod clock_and_random;
mod http;
mod key_value;

use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use latchkey_component::api::{self, Handled};
use latchkey_component::config::{Config, ConfigError};
use latchkey_component::service::{Configured, Service};
use latchkey_component::store::Records;

use bindings::exports::wasi::http0_2_0::incoming_handler::Guest;
use bindings::fermyon::spin::variables;
use bindings::wasi::http0_2_0::types::{IncomingRequest, ResponseOutparam};
use clock_and_random::{SecureRandom, SystemClock};
use key_value::KeyValueStore;

/// The component.
pub struct Component;

#[cfg(target_family = "wasm")]
bindings::export!(Component with_types_in bindings);

impl Guest for Component {
    fn handle(request: IncomingRequest, response: ResponseOutparam) {
        let request = match http::request(request) {
            Ok(request) => request,
            Err(error) => return ResponseOutparam::set(response, Err(error)),
        };
        let make = |config: Config| {
            let config = config.require_signing_keys()?;
            let retention = config.expired_retention;
            let ports = (KeyValueStore::default(), SystemClock, SecureRandom);
            Ok(Service::new(config, Records::new(ports, retention)))
        };
        // Anew for each request, should a host keep the instance.
        let service = run(Configured::default().service(read, make, |_| ()));
        let handled = run(api::handle(service.as_deref(), request));
        log(&handled);
        http::respond(response, handled.response);
        if let (true, Ok(service)) = (handled.notes_use, &service) {
            run(service.write_uses());
        }
    }
}

/// Runs `future` to its end. Nothing in it waits for a wake-up: all imports block, sleeping included.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("a future waits, and nobody would wake it"),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "an instance has one request: nobody else is held up"
)]
async fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}

/// A log that cannot be written is no reason to fail the request.
fn log(handled: &Handled) {
    if let Some(line) = &handled.log_line {
        let _ = writeln!(std::io::stderr(), "latchkey: {line}");
    }
    if let Some(line) = &handled.audit_line {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

async fn read(variable: &'static str) -> Result<Option<String>, ConfigError> {
    match variables::get(variable) {
        Ok(value) => Ok(Some(value)),
        Err(variables::Error::Undefined(_)) => Ok(None),
        // The text is the provider's: not for clients.
        Err(_) => Err(ConfigError::Unreadable { variable }),
    }
}
