//! Child processes with a time limit and a readable reason when they fail.

use std::io::{ErrorKind, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a running child is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Runs `command` without input and returns its standard output.
///
/// # Errors
///
/// One short line that says why it did not run, did not end within `limit`, or failed.
pub(super) fn output(command: &mut Command, limit: Duration) -> Result<String, String> {
    let mut child = command
        // The messages that `telling_line` looks for are the untranslated ones.
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "it is not installed".to_owned(),
            _ => format!("it does not start: {error}"),
        })?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
            Ok(None) => {
                // Its own children may hold the pipes open for longer: do not wait for what it printed.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("no end after {} s", limit.as_secs()));
            }
            Err(error) => return Err(error.to_string()),
        }
    };
    let stdout = stdout.join().unwrap_or_default();
    let stderr = stderr.join().unwrap_or_default();
    if status.success() {
        Ok(stdout)
    } else {
        Err(telling_line(&stderr).map_or_else(|| status.to_string(), str::to_owned))
    }
}

/// Reads a pipe to its end, so that the child never waits for us.
fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The line of a failed program's messages that says most: its first error, else its last words.
fn telling_line(stderr: &str) -> Option<&str> {
    let mut lines = stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    lines
        .clone()
        .find_map(|line| {
            line.strip_prefix("error: ")
                .or_else(|| line.strip_prefix("E: "))
        })
        .or_else(|| lines.next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_telling_line() {
        let table = [
            ("", None),
            ("\n \n", None),
            (
                "info: syncing\nerror: no network\ncaused by: x\n",
                Some("no network"),
            ),
            (
                "W: old\nE: Failed to fetch\nE: Some index files\n",
                Some("Failed to fetch"),
            ),
            ("one\ntwo\n\n", Some("two")),
        ];
        for (stderr, line) in table {
            assert_eq!(telling_line(stderr), line, "{stderr:?}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_child_has_a_limit_and_a_reason() {
        let sh = |line: &str, limit| {
            output(
                Command::new("sh").args(["-c", line]),
                Duration::from_millis(limit),
            )
        };
        assert_eq!(sh("echo yes", 5_000), Ok("yes\n".to_owned()));
        assert_eq!(sh("echo why >&2; exit 1", 5_000), Err("why".to_owned()));
        assert_eq!(sh("exit 4", 5_000), Err("exit status: 4".to_owned()));
        assert_eq!(sh("exec sleep 30", 50), Err("no end after 0 s".to_owned()));
        let program = |path| output(&mut Command::new(path), Duration::ZERO);
        assert_eq!(
            program("/nonexistent"),
            Err("it is not installed".to_owned())
        );
        let error = program("/").unwrap_err();
        assert!(error.starts_with("it does not start: "), "{error}");
    }
}
