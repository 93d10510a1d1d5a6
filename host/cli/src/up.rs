//! `latchkey up`: builds the component if need be, and serves it.

pub mod address;
mod shutdown;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use latchkey_component::auth::Credentials;
use latchkey_component::secret::Secret;
use latchkey_host::keyvalue::store_url::StoreUrl;
use latchkey_host::manifest::Manifest;
use latchkey_host::metrics::{Metrics, listener};
use latchkey_host::server::{Application, Limits, Server};
use latchkey_host::variables::{Assignment, Variables};
use tokio::net::{TcpListener, TcpSocket};

use crate::args::Up;
use crate::build::ensure_built;
use crate::failure::{Failure, usage};
use crate::logging;
use crate::store;
use crate::terminal::{print, say};
use crate::users;
use address::ListenAddress;

/// Where Spin keeps an application's key-value data, relative to its manifest.
const SPIN_STORE: &str = ".spin/sqlite_key_value.db";

/// Connections that the system keeps for us until we accept them.
const BACKLOG: u32 = 1024;

pub fn run(options: &Up) -> Result<(), Failure> {
    // The other commands have nothing to log: what they have to say they say to people.
    let (log, problem) = logging::start(options.log_format);
    if let Some(problem) = problem {
        say(&format!("warning: {problem}"));
    }
    // What can be refused at once comes first, and what takes long last; nothing listens before all of it is good.
    let given_users = parse_all(&options.users, users::parse_given)?;
    let given_variables = parse_all(&options.variables, |v| v.expose().parse::<Assignment>())?;
    let store = options.store.as_ref().map(store::parse).transpose()?;

    let manifest = Manifest::load(&options.manifest)?;
    let variables = Variables::resolve(&manifest, &given_variables, |key| std::env::var(key));
    let mut variables = variables.map_err(usage)?;
    let generated = users::add_to(&mut variables, given_users).map_err(usage)?;

    // The server has threads of its own; what is left is to accept connections.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    let socket = bind(&options.listen)?;
    let metrics_socket = options.metrics.as_ref().map(bind).transpose()?;
    let component = component(options, &manifest)?;
    let store = match store {
        Some(store) => store,
        None => spin_store(&manifest)?,
    };
    let metrics = Arc::new(Metrics::default());
    let cannot_serve = || format!("cannot serve {}", component.display());
    let server = Server::new(
        Application {
            component: std::fs::read(&component)
                .with_context(|| format!("cannot read the component {}", component.display()))?,
            key_value_stores: manifest.key_value_stores,
            backend: runtime.block_on(store.open())?,
            variables,
            metrics: metrics_socket.is_some().then(|| metrics.clone()),
            audit: log.audit(),
        },
        Limits::default(),
    )
    .with_context(cannot_serve)?;
    drop(guard);

    runtime.block_on(async {
        server.check().await.with_context(cannot_serve)?;
        let shutdown = shutdown::requested()?;
        tokio::spawn(log.report_losses(metrics.clone()));
        let listener = listen(socket, &options.listen)?;
        if let (Some(socket), Some(address)) = (metrics_socket, &options.metrics) {
            let socket = listen(socket, address)?;
            let address = socket.local_addr()?;
            say(&format!("Metrics on http://{address}/metrics"));
            tokio::spawn(listener::serve(metrics, socket));
        }
        announce(&listener, &generated)?;
        server.serve(listener, shutdown).await;
        Ok(())
    })
}

fn parse_all<T, E: Into<anyhow::Error>>(
    arguments: &[Secret],
    parse: impl Fn(&Secret) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    let parsed = arguments.iter().map(parse);
    parsed.collect::<Result<_, E>>().map_err(usage)
}

/// Takes the address, without listening yet: whether it is free is known before anything is built.
fn bind(given: &ListenAddress) -> anyhow::Result<TcpSocket> {
    let cannot_listen = || format!("cannot listen on {given}");
    let address = given.resolve().with_context(cannot_listen)?;
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that has just ended must not keep its port from the next one.
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(cannot_listen)?;
    Ok(socket)
}

fn listen(socket: TcpSocket, address: &ListenAddress) -> anyhow::Result<TcpListener> {
    let listener = socket.listen(BACKLOG);
    listener.with_context(|| format!("cannot listen on {address}"))
}

/// The component to serve, built if need be.
fn component(options: &Up, manifest: &Manifest) -> anyhow::Result<PathBuf> {
    if let Some(component) = &options.component {
        return Ok(component.clone());
    }
    if let Some(build) = &manifest.build {
        ensure_built(&manifest.root, &manifest.source, build)?;
    }
    Ok(manifest.root.join(&manifest.source))
}

/// Spin's own store of the application; like Spin, this makes the directory for it.
fn spin_store(manifest: &Manifest) -> anyhow::Result<StoreUrl> {
    let file = manifest.root.join(SPIN_STORE);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    }
    Ok(StoreUrl::Sqlite(file))
}

/// Says that the server is ready, and the passwords that were generated for this run.
fn announce(listener: &TcpListener, generated: &[Credentials]) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    for Credentials { name, password } in generated {
        let password = password.expose();
        say(&format!(
            "For this run there is the user {name} with password {password}"
        ));
    }
    // Nobody may be reading, as in `latchkey up | head -0`; that is no reason not to serve.
    let _ = print(&format!("Listening on http://{address}"));
    Ok(())
}
