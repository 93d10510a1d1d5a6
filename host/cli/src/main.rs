//! The binary `latchkey`: parses the command line, wires the parts of the library together, runs them.

mod args;
mod build;
mod client;
mod completions;
mod keygen;
mod logging;
mod terminal;
mod users;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use args::{Cli, Command, Keygen, Up};
use build::{BuildRequest, ensure_built};
use clap::Parser;

use client::error::ClientError;

use keygen::{JwkSet, KeyAlgorithm};
use latchkey_host::keyvalue::StoreUrl;

use latchkey_host::manifest::Manifest;
use latchkey_host::metrics::{self, Metrics};
use latchkey_host::secret::Secret;
use latchkey_host::server::{Application, Limits, Server};
use latchkey_host::variables::{Assignment, Variables};
use terminal::{print, say};
use tokio::net::{TcpListener, TcpSocket};

/// Where Spin keeps an application's key-value data, relative to its manifest.
const SPIN_STORE: &str = ".spin/sqlite_key_value.db";

/// Connections that the system keeps for us until we accept them.
const BACKLOG: u32 = 1024;

/// Why the program ends, and with which exit code.
enum Failure {
    /// An option is wrong: 2.
    Usage(anyhow::Error),
    /// The client has exit codes of its own.
    Client(ClientError),
    /// Anything else: 1.
    Run(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

fn usage<E: Into<anyhow::Error>>(error: E) -> Failure {
    Failure::Usage(error.into())
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    let result = match cli.command {
        Command::Up(options) => up(&options),
        Command::HashPassword { name } => hash_password(&name),
        Command::Keygen(options) => make_key(&options),
        Command::Token(options) => client::run(&options).map_err(Failure::Client),
        Command::Completions { shell } => print(&completions::script(shell)).map_err(Failure::from),
    };
    let (error, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => (error, 2),
        Err(Failure::Client(error)) => {
            let code = error.exit_code();
            (error.into(), code)
        }
        Err(Failure::Run(error)) => (error, 1),
    };
    say(&format!("error: {error:#}"));
    ExitCode::from(code)
}

/// Prints the help that was asked for, or the one line that says what is wrong with the command line.
fn explain(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => {
            // What is missing stands on lines of its own; the first empty one ends what is wrong.
            let text = error.render().to_string();
            let problem = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty());
            say(&problem.collect::<Vec<_>>().join(" "));
            ExitCode::from(2)
        }
    }
}

fn up(options: &Up) -> Result<(), Failure> {
    // The other commands have nothing to log: what they have to say they say to people.
    let (log, problem) = logging::start(options.log_format);
    if let Some(problem) = problem {
        say(&format!("warning: {problem}"));
    }
    // What can be refused at once comes first, and what takes long last; nothing listens before all of it is good.
    let given_users = parse_all(&options.users, users::parse)?;
    let given_variables = parse_all(&options.variables, |v| v.expose().parse::<Assignment>())?;
    let store: Option<StoreUrl> = options
        .store
        .as_ref()
        .map(|url| url.expose().parse())
        .transpose()
        .map_err(usage)?;

    let manifest = Manifest::load(&options.manifest)?;
    let variables = Variables::resolve(&manifest, &given_variables, |key| std::env::var(key));
    let mut variables = variables.map_err(usage)?;
    let generated = users::add_to(&mut variables, &given_users).map_err(usage)?;

    // The server has threads of its own; what is left is to accept connections.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    let socket = bind(options.listen)?;
    let metrics_socket = options.metrics.map(bind).transpose()?;
    let component = component(options, &manifest)?;
    let store = match store {
        Some(store) => store,
        None => spin_store(&manifest)?,
    };
    let metrics = Arc::new(Metrics::default());
    let server = Server::new(
        Application {
            component: std::fs::read(&component)
                .with_context(|| format!("cannot read the component {}", component.display()))?,
            key_value_stores: manifest.key_value_stores,
            backend: runtime.block_on(store.open())?,
            variables,
            metrics: metrics_socket.is_some().then(|| metrics.clone()),
        },
        Limits::default(),
    )
    .with_context(|| format!("cannot serve {}", component.display()))?;
    drop(guard);

    runtime.block_on(async {
        server
            .check()
            .await
            .with_context(|| format!("cannot serve {}", component.display()))?;
        let shutdown = shutdown()?;
        tokio::spawn(log.report_losses());
        let listener = socket
            .listen(BACKLOG)
            .with_context(|| cannot_listen(options.listen))?;
        if let (Some(socket), Some(address)) = (metrics_socket, options.metrics) {
            let listener = socket
                .listen(BACKLOG)
                .with_context(|| cannot_listen(address))?;
            let address = listener.local_addr()?;
            say(&format!("Metrics on http://{address}/metrics"));
            tokio::spawn(metrics::serve(metrics, listener));
        }
        announce(&listener, generated.as_ref())?;
        server.serve(listener, shutdown).await;
        Ok(())
    })
}

/// Spin's own store of the application; like Spin, this makes the directory for it.
fn spin_store(manifest: &Manifest) -> Result<StoreUrl, Failure> {
    let file = manifest.root.join(SPIN_STORE);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot create the directory {}", directory.display()))?;
    }
    Ok(StoreUrl::Sqlite(file))
}

fn parse_all<T, E: Into<anyhow::Error>>(
    arguments: &[Secret],
    parse: impl Fn(&Secret) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    arguments
        .iter()
        .map(|argument| parse(argument).map_err(usage))
        .collect()
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen on {address}")
}

/// Takes the address, without listening yet: whether it is free is known before anything is built.
fn bind(address: SocketAddr) -> Result<TcpSocket, Failure> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that has just ended must not keep its port from the next one.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket
        .bind(address)
        .with_context(|| cannot_listen(address))?;
    Ok(socket)
}

/// The component to serve, built if need be.
fn component(options: &Up, manifest: &Manifest) -> Result<std::path::PathBuf, Failure> {
    if let Some(component) = &options.component {
        return Ok(component.clone());
    }
    if let Some(build) = &manifest.build {
        ensure_built(&BuildRequest {
            root: &manifest.root,
            command: &build.command,
            workdir: build.workdir.as_deref(),
            source: &manifest.source,
            watch: &build.watch,
        })?;
    }
    Ok(manifest.root.join(&manifest.source))
}

/// Says that the server is ready, and the password that was made for this run.
fn announce(listener: &TcpListener, password: Option<&Secret>) -> Result<(), Failure> {
    let address = listener.local_addr()?;
    if let Some(password) = password {
        let user = users::DEFAULT_USER;
        let password = password.expose();
        say(&format!(
            "No users are configured. For this run there is user {user} with password {password}"
        ));
    }
    let mut out = std::io::stdout().lock();
    // Nobody may be reading, as in `latchkey up | head -0`; that is no reason not to serve.
    let _ = writeln!(out, "Listening on http://{address}").and_then(|()| out.flush());
    Ok(())
}

/// Ready when the process is asked to end. A second time it ends at once.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate())?
    };
    let asked = async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(async {
        asked.await;
        tokio::spawn(async {
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(130);
        });
    })
}

fn hash_password(name: &str) -> Result<(), Failure> {
    let name = users::parse_entry_name(name).map_err(usage)?;
    let password = if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password(format!("Password of {name}: "))?;
        if rpassword::prompt_password("Again: ")? != password {
            return Err(anyhow!("the two passwords differ").into());
        }
        password
    } else {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("cannot read the password")?;
        let line = line.strip_suffix('\n').unwrap_or(&line);
        line.strip_suffix('\r').unwrap_or(line).to_owned()
    };
    let entry = users::entry(&users::credentials(name, &password)?)?;
    writeln!(std::io::stdout(), "{entry}").context("cannot write the entry")?;
    Ok(())
}

fn make_key(options: &Keygen) -> Result<(), Failure> {
    if let Some(file) = &options.rotate {
        keygen::rotate(file, options.alg)?;
        return Ok(());
    }
    let keys = JwkSet::generate(options.alg.unwrap_or(KeyAlgorithm::Hs256))?;
    write!(std::io::stdout(), "{}", keys.to_text().expose()).context("cannot write the key")?;
    Ok(())
}
