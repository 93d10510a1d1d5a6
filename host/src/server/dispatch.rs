//! Which worker serves which request of a component.
//!
//! A request is served by the worker of its connection. Latchkey has one worker more: verifying a password takes an instance
//! tens of milliseconds, in which it serves nobody else, and an instance counts wrong passwords for itself. So one worker, the
//! sign-in worker, serves every request whose credentials are not known, and counts for the whole server.

use std::time::Duration;

use http::Request;
use latchkey_component::auth::Credentials;

use super::answer::{Answer, Failure};
use super::body::RequestBody;
use super::known_credentials::KnownCredentials;
use super::route_class::Verdict;
use super::traffic::Traffic;
use super::worker::Queue;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worker {
    /// The one that takes every request whose credentials are not known.
    SignIn,
    /// One of those that have connections, by its number.
    Serving(usize),
}

/// Hands requests to workers. They end when this is dropped.
pub(super) struct Dispatcher {
    /// Latchkey's.
    sign_in: Option<Queue>,
    serving: Vec<Queue>,
    known: KnownCredentials,
    /// A request that is not answered within it fails.
    request_time: Duration,
}

impl Dispatcher {
    pub(super) fn new(sign_in: Option<Queue>, serving: Vec<Queue>, request_time: Duration) -> Self {
        Self {
            sign_in,
            serving,
            known: KnownCredentials::default(),
            request_time,
        }
    }

    /// Answers a request over a connection of the serving worker `home`. `credentials` are those that the component will
    /// verify, if any.
    pub(super) async fn dispatch(
        &self,
        home: usize,
        credentials: Option<&Credentials>,
        request: Request<RequestBody>,
    ) -> Result<Answer, Failure> {
        let (worker, queue) = self.worker_for(home, credentials);
        let answer = queue.request(request, self.request_time).await?;
        if let Some(credentials) = credentials {
            match (worker, Verdict::of(answer.status(), answer.headers())) {
                (Worker::SignIn, Verdict::Accepted) => self.known.admit(credentials),
                (Worker::Serving(_), Verdict::Refused) => self.known.forget(credentials),
                // They are as known as they were.
                (Worker::SignIn | Worker::Serving(_), _) => {}
            }
        }
        Ok(answer)
    }

    /// For the streams of a new request over a connection of the worker `home`.
    pub(super) fn traffic(&self, home: usize) -> Traffic {
        self.serving[home].traffic()
    }

    fn worker_for(&self, home: usize, credentials: Option<&Credentials>) -> (Worker, &Queue) {
        match (credentials, &self.sign_in) {
            (Some(credentials), Some(queue)) if !self.known.contains(credentials) => {
                (Worker::SignIn, queue)
            }
            _ => (Worker::Serving(home), &self.serving[home]),
        }
    }
}

#[cfg(test)]
mod tests;
