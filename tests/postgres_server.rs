//! PostgreSQL servers, a pooler, and a network between them and a host, for tests to break.

use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{fs, thread};

use tempfile::TempDir;

use crate::postgres_programs::{ask, free_port, own_directory, programs, settings, unprivileged};
use crate::process::{Process, Stderr};
use crate::server::{Launch, host_only};

/// The password of `latchkey`, the superuser, and of every role.
pub const PASSWORD: &str = "hunter2";

/// A PostgreSQL of the test's own.
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    settings: Vec<String>,
    pub port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Starts one on a free port; `None`, and a line on stderr, where PostgreSQL is not installed. In CI it always is.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let mut server = Self::make(settings)?;
        server.resume();
        Some(server)
    }

    /// The same, which does not run yet.
    pub fn make(settings: &[&str]) -> Option<Self> {
        if !host_only("a PostgreSQL of its own") {
            return None;
        }
        let Some(programs) = programs() else {
            let is_ci = std::env::var_os("CI").is_some();
            assert!(!is_ci, "PostgreSQL is not installed");
            eprintln!("SKIPPED: PostgreSQL is not installed");
            return None;
        };
        let directory = own_directory(&std::env::temp_dir());
        let password = directory.path().join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let mut command = unprivileged(&[&programs.join("initdb")], directory.path());
        command
            .args("--username latchkey --auth scram-sha-256 --pwfile password".split(' '))
            .args("--no-sync --encoding UTF8 --locale C --pgdata data".split(' '));
        run(command);
        Some(Self::at(directory, programs, settings))
    }

    fn at(directory: TempDir, programs: PathBuf, settings: &[&str]) -> Self {
        Self {
            directory,
            programs,
            settings: settings.iter().copied().map(str::to_owned).collect(),
            port: free_port(),
            process: None,
        }
    }

    /// Starts the server, again.
    pub fn resume(&mut self) {
        // A server that was killed leaves processes that take a moment to notice.
        for _ in 0..20 {
            let mut command = self.command("postgres", self.directory.path());
            command.args(settings(self.port, &self.settings));
            self.process = Some(Process::start(command, Stderr::Kept));
            for _ in 0..100 {
                if self.ask("SELECT 1").is_ok() {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("PostgreSQL does not start");
    }

    fn command(&self, program: &str, directory: &Path) -> Command {
        unprivileged(&[&self.programs.join(program)], directory)
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        self.process.take().expect("a running PostgreSQL").kill();
    }

    /// Ends the server as an administrator does who is in a hurry.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("INT");
            process.finish();
        }
    }

    /// A standby, which has everything that this one has acknowledged from now on.
    pub fn standby(&self) -> Self {
        let directory = own_directory(&std::env::temp_dir());
        let mut command = self.command("pg_basebackup", directory.path());
        command
            .env("PGPASSWORD", PASSWORD)
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args("--username latchkey --checkpoint fast --no-sync --write-recovery-conf --pgdata data".split(' '));
        run(command);
        let primary = format!(
            "primary_conninfo=host=127.0.0.1 port={} user=latchkey password={PASSWORD} application_name=standby",
            self.port
        );
        let mut standby = Self::at(directory, self.programs.clone(), &[&primary]);
        standby.resume();
        for _ in 0..1_000 {
            if self.sql("SELECT sync_state FROM pg_stat_replication") == "sync" {
                return standby;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the standby does not follow");
    }

    /// Runs a statement as the superuser, who waits for no standby.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> String {
        self.ask(statement).expect("an answer")
    }

    fn ask(&self, statement: &str) -> Result<String, String> {
        ask(&self.programs, &self.url(), statement)
    }

    pub fn url(&self) -> String {
        url(&[self.port])
    }

    pub fn launch(&self) -> Launch {
        launch(&self.url())
    }

    /// Gives it a key and a certificate that has signed itself, for a name and the loopback address. Returns the certificate.
    pub fn certificate(&self, name: &str, with_address: bool) -> PathBuf {
        let data = self.directory.path().join("data");
        let names = match with_address {
            true => format!("subjectAltName=DNS:{name},IP:127.0.0.1"),
            false => format!("subjectAltName=DNS:{name}"),
        };
        let mut command = unprivileged(&[Path::new("openssl")], &data);
        command
            .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
            .args(["-subj", "/CN=postgres.example", "-addext", &names])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", "server.key", "-out", "server.crt"]);
        run(command);
        let key = data.join("server.key");
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("permissions");
        data.join("server.crt")
    }

    /// Runs a program of PostgreSQL that asks this server, and returns what it printed.
    #[track_caller]
    pub fn run(&self, program: &str, options: &str, input: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(input).expect("a full file");
        file.rewind().expect("a file");
        let output = Command::new(self.programs.join(program))
            .args(options.split(' '))
            .args(["--dbname", &self.url()])
            .stdin(file)
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }
}

impl Drop for Postgres {
    /// At once, but not so that its shared memory stays behind.
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal("QUIT");
            process.finish();
        }
    }
}

/// The URL of the servers at these ports, one of which takes writes.
pub fn url(ports: &[u16]) -> String {
    let hosts: Vec<_> = ports
        .iter()
        .map(|port| format!("127.0.0.1:{port}"))
        .collect();
    format!(
        "postgres://latchkey:{PASSWORD}@{}/postgres",
        hosts.join(",")
    )
}

/// A host on that store.
pub fn launch(store: &str) -> Launch {
    Launch::new()
        .store(store)
        .variable("max_tokens_per_user", "1000")
}

/// pgbouncer in front of a server: each transaction may run on another connection.
pub struct Pooler {
    _directory: TempDir,
    _process: Process,
    pub port: u16,
}

impl Pooler {
    /// `None`, and a line on stderr, where it is not installed. In CI it always is.
    pub fn start(server: &Postgres) -> Option<Self> {
        // Not on the path of everybody.
        let found = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(Path::new);
        let Some(program) = found.into_iter().find(|program| program.exists()) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "pgbouncer is not installed"
            );
            eprintln!("SKIPPED: pgbouncer is not installed");
            return None;
        };
        let directory = own_directory(&std::env::temp_dir());
        let port = free_port();
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = users.txt\npool_mode = transaction\ndefault_pool_size = 3\n",
            server.port
        );
        fs::write(directory.path().join("settings.ini"), settings).expect("a file");
        let users = format!("\"latchkey\" \"{PASSWORD}\"\n");
        fs::write(directory.path().join("users.txt"), users).expect("a file");
        let mut command = unprivileged(&[program], directory.path());
        command.arg("settings.ini");
        let process = Process::start(command, Stderr::Kept);
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(Self {
                    _directory: directory,
                    _process: process,
                    port,
                });
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("pgbouncer does not start");
    }
}

/// A stretch of network to a server that can go silent: nothing gets through, and no connection ends.
pub struct Network {
    pub port: u16,
    is_silent: Arc<AtomicBool>,
}

impl Network {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let is_silent = Arc::new(AtomicBool::new(false));
        let silent = is_silent.clone();
        thread::spawn(move || {
            // Kept, so that those that are taken while it is silent do not end.
            let mut taken = Vec::new();
            for client in listener.incoming().flatten() {
                if !silent.load(Ordering::Relaxed) {
                    let _ = connect(&client, server, &silent);
                }
                taken.push(client);
            }
        });
        Self { port, is_silent }
    }

    pub fn be_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }
}

fn connect(client: &TcpStream, server: u16, silent: &Arc<AtomicBool>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    for (from, to) in [(client, &server), (&server, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        let silent = silent.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let length = from.read(&mut bytes).unwrap_or(0);
                if silent.load(Ordering::Relaxed) {
                    // What was sent is lost; a connection does not come back from that, nor does it end.
                    thread::park();
                }
                if length == 0 || to.write_all(&bytes[..length]).is_err() {
                    let _ = to.shutdown(std::net::Shutdown::Both);
                    return;
                }
            }
        });
    }
    Ok(())
}

#[track_caller]
fn run(mut command: Command) {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
}
