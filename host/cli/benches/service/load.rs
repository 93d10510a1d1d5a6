//! The load generator: `wrk`, one thread, with the script `load.lua`.

use std::fmt::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;
use tempfile::NamedTempFile;

use crate::client::{Call, TOKENS};
use crate::pairs::median;
use crate::servers::{Server, scratch};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/service/load.lua");

/// Connections, each of which sends its next request when it has the answer to the last.
pub const CONNECTIONS: usize = 32;

/// How long the same request is sent.
const SECONDS: u32 = 2;

/// How long it may take until each of a list of requests is answered, in seconds.
const SECONDS_FOR_EACH: u32 = 120;

/// An answer that takes longer than this many seconds is a failure.
const TIMEOUT: u32 = 20;

/// What was measured.
#[derive(Clone, Copy)]
pub struct Report {
    /// Answers per second.
    pub rate: f64,
    /// Half of the answers took no longer than this many milliseconds.
    pub p50: f64,
    /// 99 of 100 answers took no longer than this many milliseconds.
    pub p99: f64,
}

impl Report {
    /// The median of each number.
    pub fn median(reports: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| median(reports.iter().map(number));
        Self {
            rate: of(|report| report.rate),
            p50: of(|report| report.p50),
            p99: of(|report| report.p99),
        }
    }
}

/// Whether each connection waits between an answer and its next request, as people and programs with other things to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pauses {
    None,
    Random,
}

/// The last line that the script prints. Latencies are in microseconds.
#[derive(Deserialize)]
struct Printed {
    answers: usize,
    seconds: f64,
    p50: u32,
    p99: u32,
    /// Answers with a status above 399.
    refusals: usize,
    /// Connections that broke, and answers that came too late.
    failures: usize,
}

/// The version of wrk. Ends the program where there is none.
pub fn version() -> String {
    let Ok(output) = Command::new("wrk").arg("--version").output() else {
        eprintln!("This benchmark needs the load generator wrk: apt-get install wrk");
        std::process::exit(1);
    };
    // "wrk debian/4.1.0-3+b2 [epoll] Copyright (C) 2012 Will Glozer"
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or("of some version");
    format!("wrk {}", version.trim_start_matches("debian/"))
}

/// Sends `GET path` with this `Authorization` again and again; all answers have to be good.
pub fn get(server: &Server, path: &str, authorization: &str, pauses: Pauses) -> Report {
    let script: &[&str] = match pauses {
        Pauses::None => &[],
        Pauses::Random => &["--", "pauses"],
    };
    repeat(server, path, authorization, script)
}

/// Likewise `POST path` with this form.
pub fn post(server: &Server, path: &str, authorization: &str, form: &str) -> Report {
    repeat(server, path, authorization, &["--", "form", form])
}

fn repeat(server: &Server, path: &str, authorization: &str, script: &[&str]) -> Report {
    let mut wrk = wrk(server, path, CONNECTIONS, SECONDS);
    wrk.args(["--header", &format!("Authorization: {authorization}")]);
    wrk.args(script);
    let printed = run(server, wrk);
    assert_eq!(printed.refusals, 0, "{} refused {path}", server.name);
    report(&printed)
}

/// Lists tokens without saying who asks, again and again; all answers have to be refusals.
pub fn get_unauthorized(server: &Server) -> Report {
    let printed = run(server, wrk(server, TOKENS, CONNECTIONS, SECONDS));
    assert_eq!(printed.refusals, printed.answers, "{}", server.name);
    report(&printed)
}

/// Sends each of `calls` once; all have to succeed.
pub fn each(server: &Server, connections: usize, calls: &[Call]) -> Report {
    let mut list = String::new();
    for Call {
        method,
        path,
        user,
        body,
    } in calls
    {
        let authorization = user.authorization();
        writeln!(list, "{method}\t{path}\t{authorization}\t{body}").unwrap();
    }
    let file = NamedTempFile::new_in(scratch()).unwrap();
    std::fs::write(&file, list).unwrap();
    let mut wrk = wrk(server, "/", connections, SECONDS_FOR_EACH);
    wrk.args(["--", "each"])
        .arg(file.path())
        .arg(connections.to_string());
    let printed = run(server, wrk);
    let name = server.name;
    assert_eq!(printed.refusals, 0, "{name} refused some of the requests");
    assert_eq!(printed.answers, calls.len(), "{name} was too slow");
    report(&printed)
}

fn wrk(server: &Server, path: &str, connections: usize, seconds: u32) -> Command {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .args(["--timeout", &format!("{TIMEOUT}s")])
        .args(["--script", SCRIPT])
        .arg(format!("{}{path}", server.url));
    wrk
}

fn run(server: &Server, mut wrk: Command) -> Printed {
    let output = wrk.stderr(Stdio::inherit()).output().expect("wrk starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let printed = text.lines().last().map(serde_json::from_str::<Printed>);
    let Some(Ok(printed)) = printed else {
        panic!("{}: wrk ended with {}:\n{text}", server.name, output.status);
    };
    assert_eq!(printed.failures, 0, "{}:\n{text}", server.name);
    printed
}

fn report(printed: &Printed) -> Report {
    Report {
        rate: printed.answers as f64 / printed.seconds,
        p50: f64::from(printed.p50) / 1000.0,
        p99: f64::from(printed.p99) / 1000.0,
    }
}
