//! The server under test.

use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::client::{self, Request};
use crate::process::{Finished, PATIENCE, Process, Stderr, latchkey};
use crate::suites::Suite;
use crate::{edge, handler};

/// The collection of tokens.
pub const TOKENS: &str = "/api/v1alpha/token";

/// The password of every user of a server that the suite starts.
pub const PASSWORD: &str = "password";

/// Its hash: a vector of the argon2 reference implementation's own tests (`src/test.c`), two passes over 256 KiB, so that
/// signing in costs nothing to speak of.
pub const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// More than there are calls of [`Server::user`] on one server.
const USERS: usize = 300;

/// The first start may have to build the component.
const PATIENCE_FOR_A_BUILD: Duration = Duration::from_secs(1800);

pub struct Server {
    /// `http://127.0.0.1:25441`, without a path.
    pub url: String,
    pub agent: ureq::Agent,
    users: Users,
    process: Option<Mutex<Process>>,
    /// What it printed before it was ready.
    pub greeting: Vec<String>,
}

enum Users {
    /// Each caller gets one of its own.
    Many { next: AtomicUsize },
    /// The one user of a server that was given: its tests take turns.
    One {
        name: String,
        password: String,
        turn: Mutex<()>,
    },
}

/// A user without tokens.
pub struct User<'a> {
    pub server: &'a Server,
    pub name: String,
    pub password: String,
    _turn: Option<MutexGuard<'a, ()>>,
}

/// How to start a host of one's own.
pub struct Launch {
    args: Vec<String>,
    env: Vec<(String, String)>,
    store: String,
    users: Option<String>,
    files_at_most: Option<u32>,
}

impl Launch {
    /// A store in memory, users for [`Server::user`], everything else as the manifest has it.
    pub fn new() -> Self {
        let names = (0..USERS).map(user_name);
        let users = names
            .map(|name| format!("{name}:{HASH}"))
            .collect::<Vec<_>>()
            .join(" ");
        let launch = Self {
            args: Vec::new(),
            env: Vec::new(),
            store: "memory:".to_owned(),
            users: Some(users),
            files_at_most: None,
        };
        match Suite::current() {
            Suite::Component => launch,
            Suite::Handler => launch.arg("--component").arg(handler::component()),
            Suite::Edge => launch.edge(),
        }
    }

    /// Serves the component for the edge.
    pub fn edge(self) -> Self {
        self.arg("--manifest")
            .arg(edge::MANIFEST)
            .variable("signing_keys", edge::SECRET)
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn variable(self, name: &str, value: &str) -> Self {
        self.arg("--variable").arg(&format!("{name}={value}"))
    }

    pub fn store(mut self, url: &str) -> Self {
        self.store = url.to_owned();
        self
    }

    /// These users instead of those for [`Server::user`]; with `None` the variable is not set at all.
    pub fn users(mut self, users: Option<&str>) -> Self {
        self.users = users.map(str::to_owned);
        self
    }

    /// No file that it writes may grow beyond this, in units of 512 bytes: to it, the disk is full. See
    /// [`Server::make_room`].
    pub fn files_at_most(mut self, blocks: u32) -> Self {
        self.files_at_most = Some(blocks);
        self
    }

    /// Starts the host without waiting for anything.
    pub fn spawn(self, stderr: Stderr) -> Process {
        let arguments = ["up", "--listen", "127.0.0.1:0", "--store", &self.store];
        let mut command = match self.files_at_most {
            Some(blocks) => with_small_files(blocks, &latchkey(arguments)),
            None => latchkey(arguments),
        };
        // A line for each request would drown what the tests have to say.
        command.env("RUST_LOG", "warn");
        command.args(&self.args).envs(self.env);
        if let Some(users) = &self.users {
            command.arg("--variable").arg(format!("users={users}"));
        }
        Process::start(command, stderr)
    }
}

/// The same command under a limit, which has it see an error where the system would end it by a signal.
fn with_small_files(blocks: u32, command: &Command) -> Command {
    let mut limited = Command::new("sh");
    limited
        .arg("-c")
        .arg(format!(r#"trap "" XFSZ; ulimit -S -f {blocks}; exec "$@""#))
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}

impl Server {
    /// The server that most tests share: the given one, or a host that is started once.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| match Self::given() {
            Some(given) => given,
            None => {
                let launch = Launch::new();
                let launch = launch
                    .arg("--user")
                    .arg("colon:pass:word::")
                    .arg("--user")
                    .arg("zoë:pässwörd ☃");
                Self::ready(launch.spawn(Stderr::Through), PATIENCE_FOR_A_BUILD)
            }
        })
    }

    /// A host of the component for the edge, which it builds where it must.
    pub fn edge() -> &'static Self {
        static EDGE: OnceLock<Server> = OnceLock::new();
        EDGE.get_or_init(|| {
            let launch = Launch::new().edge();
            Self::ready(launch.spawn(Stderr::Through), PATIENCE_FOR_A_BUILD)
        })
    }

    /// Starts a host of the test's own; only where [`host_only`] allowed it.
    pub fn start(launch: Launch) -> Self {
        Self::start_with(launch, Stderr::Kept)
    }

    /// The same, where it may have to build a component first.
    pub fn built(launch: Launch) -> Self {
        Self::ready(launch.spawn(Stderr::Through), PATIENCE_FOR_A_BUILD)
    }

    /// The same, with its standard error elsewhere.
    pub fn start_with(launch: Launch, stderr: Stderr) -> Self {
        // Which builds the component, once.
        Self::shared();
        Self::ready(launch.spawn(stderr), PATIENCE)
    }

    fn given() -> Option<Self> {
        let url = std::env::var("LATCHKEY_URL").ok()?;
        let user = std::env::var("LATCHKEY_USER")
            .expect("LATCHKEY_URL needs LATCHKEY_USER=name:password beside it");
        let (name, password) = user
            .split_once(':')
            .expect("LATCHKEY_USER is name:password");
        let users = Users::One {
            name: name.to_owned(),
            password: password.to_owned(),
            turn: Mutex::new(()),
        };
        Some(Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: client::agent(),
            users,
            process: None,
            greeting: Vec::new(),
        })
    }

    /// The host that `process` is, once it serves.
    pub fn ready(mut process: Process, patience: Duration) -> Self {
        let mut greeting = Vec::new();
        loop {
            let Some(line) = process.line(patience) else {
                panic!(
                    "the host ended before it was ready: {greeting:?} {:?}",
                    process.finish()
                );
            };
            if let Some(url) = line.strip_prefix("Listening on ") {
                return Self {
                    url: url.trim_end().to_owned(),
                    agent: client::agent(),
                    users: Users::Many {
                        next: AtomicUsize::new(0),
                    },
                    process: Some(Mutex::new(process)),
                    greeting,
                };
            }
            greeting.push(line);
        }
    }

    /// A server that somebody else has started and will end.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            agent: client::agent(),
            users: Users::Many {
                next: AtomicUsize::new(0),
            },
            process: None,
            greeting: Vec::new(),
        }
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.url
            .strip_prefix("http://")
            .expect("the suite speaks plain HTTP")
    }

    /// A user who has no tokens, and whom no other test uses meanwhile.
    pub fn user(&self) -> User<'_> {
        match &self.users {
            Users::Many { next } => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                assert!(number < USERS, "more tests than users: raise USERS");
                self.named(&user_name(number), PASSWORD)
            }
            Users::One {
                name,
                password,
                turn,
            } => {
                let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                let user = User {
                    _turn: Some(turn),
                    ..self.named(name, password)
                };
                user.delete_all();
                user
            }
        }
    }

    /// The user of that name, known to the server or not.
    pub fn named(&self, name: &str, password: &str) -> User<'_> {
        User {
            server: self,
            name: name.to_owned(),
            password: password.to_owned(),
            _turn: None,
        }
    }

    /// A request without credentials.
    pub fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }

    /// The next line that the host wrote to standard error.
    pub fn stderr_line(&self) -> String {
        self.process().stderr_line()
    }

    /// Begins to read what the host writes to standard error, where that was put off.
    pub fn read_stderr(&self) {
        self.process().read_stderr();
    }

    /// Sends a signal to the host.
    pub fn signal(&self, name: &str) {
        self.process().signal(name);
    }

    /// The most memory that the host has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process().id());
        let status = std::fs::read_to_string(path).expect("Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        let kib: u64 = peak.expect("a peak").parse().expect("a number");
        kib << 10
    }

    /// Lifts the limit of [`Launch::files_at_most`]. Returns whether this machine can.
    pub fn make_room(&self) -> bool {
        let id = self.process().id().to_string();
        let mut command = Command::new("prlimit");
        match command.args(["--pid", &id, "--fsize=unlimited"]).status() {
            Ok(status) => status.success(),
            Err(_) => false,
        }
    }

    /// Waits until the host has ended by itself.
    pub fn finish(&self) -> Finished {
        self.process().finish()
    }

    /// Ends the host as a power cut would; answers what it wrote to standard error.
    pub fn kill(&self) -> String {
        self.process().kill()
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        let process = self.process.as_ref().expect("a host of the suite's own");
        process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn user_name(number: usize) -> String {
    format!("user-{number}")
}

/// Whether the suite starts its own hosts; says on stderr that this test is skipped where it does not.
#[must_use]
pub fn host_only(needs: &str) -> bool {
    if std::env::var_os("LATCHKEY_URL").is_none() {
        return true;
    }
    let thread = std::thread::current();
    // Past the capture of `eprintln!`: a skipped test passes, and its output would be swallowed.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {}: it needs {needs}",
        thread.name().unwrap_or("a test")
    );
    false
}
