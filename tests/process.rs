//! A child process that cannot outlive the suite.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything but a first start may take before it counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Where the standard error of a process goes.
pub enum Stderr {
    /// To the developer, who watches the component being built.
    Through,
    /// Into [`Finished::stderr`].
    Kept,
    /// Into a pipe that is full after 64 KiB, until [`Process::read_stderr`].
    Later,
    /// Into this pipe.
    To(PipeWriter),
}

/// A running process. It dies with this value, and with the test process however that ends.
pub struct Process {
    child: Child,
    keeper: Child,
    stdout: Receiver<String>,
    stderr: Option<Receiver<String>>,
}

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// The host's binary at the root of the repository, without configuration from the environment.
pub fn latchkey<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SPIN_") || text.starts_with("LATCHKEY_") {
            command.env_remove(&name);
        }
    }
    command.args(args);
    command
}

impl Process {
    /// Starts `command` with empty standard input.
    pub fn start(command: Command, stderr: Stderr) -> Self {
        Self::start_with_input(command, stderr, "")
    }

    /// Starts `command` with `input` as its standard input.
    pub fn start_with_input(mut command: Command, stderr: Stderr, input: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let kept = matches!(stderr, Stderr::Kept);
        command.stderr(match stderr {
            Stderr::Through => Stdio::inherit(),
            Stderr::Kept | Stderr::Later => Stdio::piped(),
            Stderr::To(pipe) => pipe.into(),
        });
        let mut child = command.spawn().expect("the process starts");
        // Rust runs no destructors of statics, and none at all when the test process is killed; but its pipes close. The
        // keeper sits in a process group of its own, so that Ctrl-C does not take it first.
        let keeper = Command::new("sh")
            .args(["-c", "read -r _ || kill -9 \"$0\"", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        // A process that has already refused its arguments reads nothing.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Self {
            stdout: lines(child.stdout.take().expect("stdout is piped")),
            stderr: if kept {
                child.stderr.take().map(lines)
            } else {
                None
            },
            child,
            keeper,
        }
    }

    /// The next line of standard output; `None` at its end.
    pub fn line(&mut self, patience: Duration) -> Option<String> {
        match self.stdout.recv_timeout(patience) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let stderr = self.kill();
                panic!(
                    "no line on standard output within {patience:?}; on standard error:\n{stderr}"
                )
            }
        }
    }

    /// The next line of standard error.
    pub fn stderr_line(&mut self) -> String {
        let stderr = self.stderr.as_ref().expect("standard error is kept");
        stderr
            .recv_timeout(PATIENCE)
            .expect("a line on standard error")
    }

    /// Begins to read standard error.
    pub fn read_stderr(&mut self) {
        self.stderr = self.child.stderr.take().map(lines);
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, `TERM` or `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill -{name} failed");
    }

    /// Waits until the process has ended by itself.
    pub fn finish(&mut self) -> Finished {
        let deadline = Instant::now() + PATIENCE;
        let mut stdout = String::new();
        while let Some(line) = self.line(deadline.saturating_duration_since(Instant::now())) {
            stdout.push_str(&line);
        }
        let status = self.child.wait().expect("the process can be waited for");
        Finished {
            status,
            stdout,
            stderr: self.stderr(),
        }
    }

    /// Kills the process as a power cut would; answers what it wrote to standard error.
    pub fn kill(&mut self) -> String {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process can be waited for");
        self.stderr()
    }

    /// All of standard error, once the process has ended.
    fn stderr(&self) -> String {
        self.stderr.iter().flatten().collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let stderr = self.kill();
        if thread::panicking() {
            eprint!("{stderr}");
        }
        // A line tells the keeper that there is nothing left to do.
        if let Some(mut stdin) = self.keeper.stdin.take() {
            let _ = stdin.write_all(b"\n");
        }
        let _ = self.keeper.wait();
    }
}

/// The lines of `stream`, line ends included.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|length| length > 0)
        {
            if sender
                .send(String::from_utf8_lossy(&line).into_owned())
                .is_err()
            {
                break;
            }
            line.clear();
        }
    });
    receiver
}
