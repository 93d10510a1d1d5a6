//! What an instance may use: WASI without environment, arguments, files and sockets; its stores, its variables, and requests to
//! the hosts that it is allowed.

use std::sync::Arc;

use tokio::task::yield_now;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p3::bindings::ServicePre;
use wasmtime_wasi_http::p3::bindings::http::{client, types};
use wasmtime_wasi_http::{WasiHttp, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::outgoing::{Client, Outgoing};
use super::output::{AuditLog, Kind, Output};
use super::start_error::{StartError, one_line};
use crate::bindings::{fermyon, spin, wasi};
use crate::keyvalue::wit::{KeyValue, Stores, View};
use crate::keyvalue::writes::Writes;
use crate::metrics::Metrics;
use crate::variables::live::{LiveVariables, VariablesData};

/// The handles that an instance may hold at a time. It serves a few requests at a time, with a few handles each.
const MAX_HANDLES: usize = 10_000;

/// The host's side of an instance.
pub(super) struct Guest {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    stores: Stores,
    variables: Arc<LiveVariables>,
    writes: Writes,
}

impl Guest {
    pub(super) fn new(
        stores: Stores,
        variables: Arc<LiveVariables>,
        audit: AuditLog,
        metrics: Option<Arc<Metrics>>,
        outgoing: Outgoing,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        Self {
            table,
            wasi: WasiCtx::builder()
                .stdout(Output::new(Kind::Standard(audit, metrics)))
                .stderr(Output::new(Kind::Error))
                .allow_tcp(false)
                .allow_udp(false)
                .build(),
            http: WasiHttpCtx::new(),
            outgoing,
            stores,
            variables,
            writes: Writes::default(),
        }
    }

    pub(super) fn outgoing(&mut self) -> &mut Outgoing {
        &mut self.outgoing
    }

    pub(super) fn key_value(&mut self) -> View<'_> {
        View {
            stores: &self.stores,
            table: &mut self.table,
            writes: &self.writes,
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.outgoing,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// A linked component, by how it is called.
pub(super) enum Linked {
    /// WASI 0.3: an instance serves many requests, several at a time.
    Service(ServicePre<Guest>),
    /// WASI 0.2: an instance serves one request.
    Proxy(ProxyPre<Guest>),
}

/// Links the component's imports. Fails if this host does not offer one of them.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<Linked, StartError> {
    let mut linker = Linker::new(engine);
    add_imports(&mut linker).map_err(|error| StartError::Engine(one_line(&error)))?;
    let fit = |error: wasmtime::Error| StartError::Fit(one_line(&error));
    let pre = linker.instantiate_pre(component).map_err(fit)?;
    // The error of a component that exports neither is that of the newer one.
    match ProxyPre::new(pre.clone()) {
        Ok(proxy) => Ok(Linked::Proxy(proxy)),
        Err(_) => ServicePre::new(pre).map(Linked::Service).map_err(fit),
    }
}

fn add_imports(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    // Rust's standard library still imports WASI 0.2.
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi::p3::add_to_linker(linker)?;
    types::add_to_linker::<_, WasiHttp>(linker, Guest::http)?;
    client::add_to_linker::<_, Client>(linker, Guest::http)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    spin::key_value::key_value::add_to_linker::<_, KeyValue>(linker, Guest::key_value)?;
    wasi::keyvalue::store::add_to_linker::<_, KeyValue>(linker, Guest::key_value)?;
    wasi::keyvalue::atomics::add_to_linker::<_, KeyValue>(linker, Guest::key_value)?;
    spin::variables::variables::add_to_linker::<_, VariablesData>(linker, |guest| {
        &guest.variables
    })?;
    fermyon::spin::variables::add_to_linker::<_, VariablesData>(linker, |guest| &guest.variables)
}

/// A store for one instance, which lets others run at every tick of the engine's clock.
pub(super) fn store(engine: &Engine, guest: Guest) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    // Tokio's own way to yield: it looks for input before it goes on.
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::YieldCustom(1, Box::pin(yield_now()))));
    store.set_epoch_deadline(1);
    store
}
