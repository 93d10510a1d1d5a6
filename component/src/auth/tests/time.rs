//! Time that passes only where nothing else can happen.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::super::*;

/// A clock that stands still but for sleeps, for [`FakeClock::advance`], and for verifications.
///
/// Every reading is later than the one before by `reading`. The authenticator reads it when it begins to verify and again
/// when it has verified: so a verification takes as long as `reading`.
#[derive(Clone)]
pub(super) struct FakeClock(Rc<State>);

pub(super) struct State {
    now: Cell<Duration>,
    pub(super) reading: Cell<Duration>,
    /// When the next sleeper wakes.
    next: Cell<Option<Duration>>,
}

impl Deref for FakeClock {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl FakeClock {
    pub(super) fn new() -> Self {
        Self(Rc::new(State {
            now: Cell::new(Duration::from_secs(1_000_000)),
            reading: Cell::new(Duration::ZERO),
            next: Cell::new(None),
        }))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    pub(super) fn set_back(&self, by: Duration) {
        self.now.set(self.now.get() - by);
    }

    /// The time since `earlier`, unread.
    pub(super) fn since(&self, earlier: Duration) -> Duration {
        self.now.get() - earlier
    }

    /// The time, unread.
    pub(super) fn time(&self) -> Duration {
        self.now.get()
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        self.advance(self.reading.get());
        Timestamp::new(self.now.get())
    }

    async fn sleep(&self, pause: Duration) {
        let end = self.now.get() + pause;
        poll_fn(|_| {
            if self.now.get() >= end {
                return Poll::Ready(());
            }
            let next = self.next.get().map_or(end, |next| next.min(end));
            self.next.set(Some(next));
            Poll::Pending
        })
        .await;
    }
}

type Request<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The requests of an instance: polled in turn; when all of them sleep, the clock advances to the first that wakes.
pub(super) struct Requests<'a, T> {
    clock: &'a FakeClock,
    running: Vec<(usize, Request<'a, T>)>,
    started: usize,
}

impl<'a, T> Requests<'a, T> {
    pub(super) fn new(clock: &'a FakeClock) -> Self {
        Self {
            clock,
            running: Vec::new(),
            started: 0,
        }
    }

    /// Adds a request; it does nothing yet.
    pub(super) fn add(&mut self, request: impl Future<Output = T> + 'a) {
        self.running.push((self.started, Box::pin(request)));
        self.started += 1;
    }

    /// Drops requests, as a host does whose client has gone away.
    pub(super) fn abandon(&mut self, gone: impl Fn(usize) -> bool) {
        self.running.retain(|(number, _)| !gone(*number));
    }

    /// Lets all of them run until they end or sleep: what has ended, by number.
    pub(super) fn poll(&mut self) -> Vec<(usize, T)> {
        let mut context = Context::from_waker(Waker::noop());
        let ended = RefCell::new(Vec::new());
        self.clock.next.set(None);
        self.running.retain_mut(
            |(number, request)| match request.as_mut().poll(&mut context) {
                Poll::Ready(value) => {
                    ended.borrow_mut().push((*number, value));
                    false
                }
                Poll::Pending => true,
            },
        );
        ended.into_inner()
    }

    /// Runs all of them to their end, in the order in which they end.
    pub(super) fn finish(mut self) -> Vec<(usize, T)> {
        let mut ended = self.poll();
        while !self.running.is_empty() {
            let next = self.clock.next.get().expect("somebody sleeps");
            self.clock.now.set(next);
            ended.extend(self.poll());
        }
        ended
    }
}

/// Runs one request to its end.
pub(super) fn run<T>(clock: &FakeClock, request: impl Future<Output = T>) -> T {
    let mut requests = Requests::new(clock);
    requests.add(request);
    let (_, value) = requests.finish().remove(0);
    value
}

/// What the client is told: not whether there is such a user.
pub(super) fn without_user(authentication: Authentication) -> Authentication {
    match authentication {
        Authentication::Failed(_) => Authentication::Failed(None),
        Authentication::Throttled { retry_after, .. } => Authentication::Throttled {
            user: None,
            retry_after,
        },
        other => other,
    }
}
