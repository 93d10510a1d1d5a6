//! `latchkey up`: builds the manifest's components if need be, and serves them.

pub mod address;
mod follow;
mod shutdown;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use latchkey_component::auth::Credentials;
use latchkey_component::secret::Secret;
use latchkey_host::keyvalue::store_url::StoreUrl;
use latchkey_host::manifest::{self, Manifest};
use latchkey_host::metrics::{Metrics, listener};
use latchkey_host::outbound::AllowedHosts;
use latchkey_host::server::{Application, Limits, Middleware, Server, Service};
use latchkey_host::variables::watch::Watch;
use latchkey_host::variables::{ApplicationVariables, Assignment, Variables};
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
    // As they were given, before pipes are read: an empty one is an error, too.
    let sources = given_variables.clone();
    let settled = given_variables.into_iter().map(Assignment::settled);
    let given_variables = settled.collect::<Result<Vec<_>, _>>().map_err(usage)?;
    let given_variables = given_variables.concat();
    let store = options.store.as_ref().map(store::parse).transpose()?;

    let manifest = Manifest::load(&options.manifest)?;
    let manifest = Arc::new(manifest);
    let watch = Watch::new(&given_variables);
    let resolve = {
        let manifest = manifest.clone();
        move || {
            ApplicationVariables::resolve(&manifest.variables, &given_variables, |key| {
                std::env::var(key)
            })
        }
    };
    let mut services = services(&manifest, &resolve().map_err(usage)?)?;
    let latchkey = manifest.services.iter().position(|one| one.is_latchkey);
    if let Some(latchkey) = latchkey {
        users::check_file(&sources, &services[latchkey].variables).map_err(usage)?;
    }
    let added = match latchkey {
        Some(latchkey) => users::add_to(&mut services[latchkey].variables, given_users),
        None => users::add_to(&mut Variables::default(), given_users),
    };
    let added = added.map_err(usage)?;

    // The server has threads of its own; what is left is to accept connections.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    let socket = bind(&options.listen)?;
    let metrics_socket = options.metrics.as_ref().map(bind).transpose()?;
    build(options, &manifest)?;
    for (service, planned) in services.iter_mut().zip(&manifest.services) {
        read(options, &manifest, service, planned)?;
    }
    let store = match store {
        Some(store) => store,
        None => spin_store(&manifest)?,
    };
    let metrics = Arc::new(Metrics::default());
    let what = what(options, &manifest);
    let cannot_serve = || format!("cannot serve {}", what.display());
    let server = Server::new(
        Application {
            services,
            backend: runtime.block_on(store.open())?,
            metrics: metrics_socket.is_some().then(|| metrics.clone()),
            audit: log.audit(),
        },
        Limits::default(),
    )
    .with_context(cannot_serve)?;
    let server = Arc::new(server);
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
        announce(&listener, &added.generated)?;
        // Which hosts a component may reach is settled at the start.
        let resolve = move || {
            let application = resolve()?;
            let planned = manifest.services.iter();
            let mut variables: Vec<_> = planned
                .map(|planned| application.of(&manifest.component(planned).templates))
                .collect::<Result<_, _>>()?;
            if let Some(latchkey) = latchkey {
                users::check_file(&sources, &variables[latchkey])?;
                added.add_to(&mut variables[latchkey]);
            }
            anyhow::Ok(variables)
        };
        follow::files(watch, resolve, server.clone())?;
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

/// What the manifest serves and grants, without the components' bytes.
fn services(
    manifest: &Manifest,
    variables: &ApplicationVariables,
) -> Result<Vec<Service>, Failure> {
    let service = |planned: &manifest::Service| {
        let component = manifest.component(planned);
        let templates = &component.allowed_outbound_hosts;
        let expanded = variables.hosts(templates).map_err(usage)?;
        let hosts = AllowedHosts::parse_expanded(templates, &expanded);
        let hosts = hosts.map_err(|why| anyhow!("the component `{}`: {why}", planned.component))?;
        Ok(Service {
            name: planned.component.clone(),
            component: Vec::new(),
            middleware: Vec::new(),
            key_value_stores: component.key_value_stores.clone(),
            variables: variables.of(&component.templates).map_err(usage)?,
            allowed_hosts: hosts,
            routes: planned.routes.clone(),
            is_chained: planned.is_chained,
            is_latchkey: planned.is_latchkey,
        })
    };
    manifest.services.iter().map(service).collect()
}

/// Builds what is to be served, as far as need be.
fn build(options: &Up, manifest: &Manifest) -> anyhow::Result<()> {
    if options.component.is_some() {
        let is_one = manifest.components.len() == 1;
        ensure!(
            is_one,
            "--component is for a manifest with one component, not several"
        );
        return Ok(());
    }
    for component in manifest.components.values() {
        if let Some(build) = &component.build {
            ensure_built(&manifest.root, &component.source, build)?;
        }
    }
    Ok(())
}

/// Reads the components of a service.
fn read(
    options: &Up,
    manifest: &Manifest,
    service: &mut Service,
    planned: &manifest::Service,
) -> anyhow::Result<()> {
    let bytes = |path: &Path| {
        let cannot_read = || format!("cannot read the component {}", path.display());
        std::fs::read(path).with_context(cannot_read)
    };
    let source = manifest.root.join(&manifest.component(planned).source);
    service.component = bytes(options.component.as_ref().unwrap_or(&source))?;
    for middleware in &planned.middleware {
        service.middleware.push(Middleware {
            name: middleware.name.clone(),
            component: bytes(&manifest.root.join(&middleware.source))?,
            inherits: middleware.inherits.clone(),
        });
    }
    Ok(())
}

/// What cannot be served, if it cannot: a component, or one of several.
fn what(options: &Up, manifest: &Manifest) -> PathBuf {
    match (&options.component, &*manifest.services) {
        (Some(component), _) => component.clone(),
        (None, [one]) => manifest.root.join(&manifest.component(one).source),
        (None, _) => options.manifest.clone(),
    }
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
