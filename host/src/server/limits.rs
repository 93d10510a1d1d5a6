//! The bounds of the server, and what each protects.

use std::time::Duration;

use super::start_error::StartError;
use crate::keyvalue::writes::MAX_UNREAD;

/// The bounds of the server.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections that are open at a time, and so requests; beyond it, idle ones are closed, or clients wait.
    pub connections: usize,
    /// Workers that serve connections, each with a thread and an instance: as many as can compute at a time. There is one
    /// more, for signing in.
    pub serving_workers: usize,
    /// Requests that one instance serves at a time, 1,000 at most.
    pub requests_per_instance: usize,
    /// Requests that one instance serves in its life, so that nothing it might leak grows for ever.
    pub instance_life: usize,
    /// The linear memory of an instance, in bytes.
    pub instance_memory: usize,
    /// How long a request may take, from the end of its header to the beginning of the answer.
    pub request_time: Duration,
    /// How long a client may take to send the body of a request, once it is waited for.
    pub body_time: Duration,
    /// How long a client may take to send the header of a request, and how long a connection may lie idle before it.
    pub header_time: Duration,
    /// How long a client may leave an answer unread that does not fit into the buffers on the way. On Linux only.
    pub write_time: Duration,
    /// How long requests in flight may go on after a shutdown has begun.
    pub shutdown_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            connections: 1024,
            serving_workers: processors.min(32),
            requests_per_instance: 64,
            instance_life: 10_000_000,
            instance_memory: 128 << 20,
            request_time: Duration::from_secs(30),
            body_time: Duration::from_secs(20),
            header_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            shutdown_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Refuses bounds with which nothing would be served, or which this machine's address space cannot hold.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let millis = |time: Duration| usize::try_from(time.as_millis()).unwrap_or(usize::MAX);
        let day = 24 * 60 * 60 * 1_000;
        for (name, value, least, most) in [
            ("connections", self.connections, 1, 1 << 20),
            ("serving_workers", self.serving_workers, 1, 1_000),
            (
                "requests_per_instance",
                self.requests_per_instance,
                1,
                MAX_UNREAD,
            ),
            ("instance_life", self.instance_life, 1, usize::MAX),
            ("instance_memory", self.instance_memory, 1 << 20, 4 << 30),
            ("request_time", millis(self.request_time), 1, day),
            ("body_time", millis(self.body_time), 1, day),
            ("header_time", millis(self.header_time), 1, day),
            ("write_time", millis(self.write_time), 1, day),
        ] {
            if !(least..=most).contains(&value) {
                return Err(StartError::Limit(name, least, most));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_out_of_range_are_refused() {
        let name = |change: fn(&mut Limits)| {
            let mut limits = Limits::default();
            change(&mut limits);
            match limits.check() {
                Ok(()) => None,
                Err(StartError::Limit(name, ..)) => Some(name),
                Err(other) => panic!("{other}"),
            }
        };
        assert_eq!(name(|_| {}), None);
        assert_eq!(name(|limits| limits.shutdown_time = Duration::ZERO), None);
        for (change, expected) in [
            (
                (|limits| limits.connections = 0) as fn(&mut Limits),
                "connections",
            ),
            (|limits| limits.connections = usize::MAX, "connections"),
            (|limits| limits.serving_workers = 0, "serving_workers"),
            (|limits| limits.serving_workers = 1_001, "serving_workers"),
            (
                |limits| limits.requests_per_instance = 0,
                "requests_per_instance",
            ),
            (
                |limits| limits.requests_per_instance = MAX_UNREAD + 1,
                "requests_per_instance",
            ),
            (|limits| limits.instance_life = 0, "instance_life"),
            (|limits| limits.instance_memory = 0, "instance_memory"),
            (|limits| limits.instance_memory = 5 << 30, "instance_memory"),
            (
                |limits| limits.request_time = Duration::ZERO,
                "request_time",
            ),
            (|limits| limits.body_time = Duration::ZERO, "body_time"),
            (|limits| limits.header_time = Duration::MAX, "header_time"),
            (|limits| limits.write_time = Duration::ZERO, "write_time"),
        ] {
            assert_eq!(name(change), Some(expected));
        }
    }
}
