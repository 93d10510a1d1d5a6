//! Which instance takes which request.
//!
//! Requests wait in one line, and instances take from it what they may (see [`callers`](super::callers)) when they have
//! nothing more urgent to do. So a request never sits with an instance that computes while another is free. There are few
//! instances: each knows the passwords that it has verified, so work goes to those that know the caller, and of them to the
//! one that is on the same thread as the connection.

use std::collections::VecDeque;
use std::hash::RandomState;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use http::{Method, Request};
use tokio::sync::oneshot;
use tokio::time::timeout;
use wasmtime_wasi_http::WasiBody;

use super::Limits;
use super::answer::{Answer, Failure};
use super::callers::{Caller, Callers, Evidence, RECEPTION, Slot, Standing};
use super::instance::{self, Factory};
use super::target::Target;
use super::threads::{Home, Threads};

/// How long a request waits for an instance before another is made for it, beyond those that the processors can keep busy.
const PATIENCE: Duration = Duration::from_millis(100);

/// A request on its way to an instance.
pub(super) struct Job {
    number: u64,
    caller: Caller,
    /// The instance on the thread of its connection.
    home: Slot,
    pub(super) target: Target,
    pub(super) request: Request<WasiBody>,
    /// Whether only the head of the answer is wanted.
    pub(super) head: bool,
    pub(super) answer: oneshot::Sender<Result<Answer, Failure>>,
}

/// Hands requests to instances. The instances end when this is dropped.
pub(super) struct Dispatcher {
    line: Arc<Line>,
    hasher: RandomState,
}

/// The instance that is kept on a thread.
fn kept_on(home: Home) -> Slot {
    home + 1
}

/// What the dispatcher and its instances share.
pub(super) struct Line {
    state: Mutex<State>,
    /// The number of requests that wait: read without the lock, at every step of every instance.
    waiting: AtomicUsize,
    pub(super) factory: Factory,
    pub(super) limits: Limits,
    threads: Arc<Threads>,
}

struct State {
    waiting: VecDeque<Job>,
    instances: Vec<Place>,
    callers: Callers,
    next_number: u64,
    ending: bool,
}

/// What the dispatcher knows of an instance.
enum Place {
    Empty,
    /// It works, or has been woken, or is being made; it will look at the line by itself.
    Working,
    /// It would take a request, if it is woken.
    Ready(Waker),
    /// It can take nothing until what occupies it is over.
    Occupied(Waker),
}

impl Dispatcher {
    pub(super) fn new(factory: Factory, limits: Limits, threads: Arc<Threads>) -> Self {
        let callers = Callers::default();
        let hasher = callers.hasher();
        let instances = (0..=limits.instances_at_most).map(|_| Place::Empty);
        let state = State {
            waiting: VecDeque::new(),
            instances: instances.collect(),
            callers,
            next_number: 0,
            ending: false,
        };
        let line = Arc::new(Line {
            state: Mutex::new(state),
            waiting: AtomicUsize::new(0),
            factory,
            limits,
            threads,
        });
        Self { line, hasher }
    }

    /// The answer of the component to a request that came in on a thread.
    pub(super) async fn handle(
        &self,
        home: Home,
        target: Target,
        request: Request<WasiBody>,
    ) -> Result<Answer, Failure> {
        // Where nobody signs in there is no password to verify, whatever the headers say.
        let caller = match target.signs_in {
            true => Callers::identify(&self.hasher, request.headers()),
            false => Caller::Anyone,
        };
        let (answer, mut answered) = oneshot::channel();
        let number = self
            .line
            .push(kept_on(home), caller, (target, request), answer);
        // Leaves the line if the client goes.
        let place = Waiting {
            line: &self.line,
            number,
        };
        let quick = timeout(PATIENCE, &mut answered).await;
        let result = match quick {
            Ok(result) => result,
            Err(_) => {
                self.line.stretch(number);
                match timeout(self.line.limits.request_time, answered).await {
                    Ok(result) => result,
                    Err(_) if self.line.remove(number) => return Err(Failure::Overload),
                    Err(_) => {
                        tracing::error!("the component did not answer in time");
                        return Err(Failure::Timeout);
                    }
                }
            }
        };
        std::mem::forget(place);
        // The instance has ended, and said why.
        result.unwrap_or(Err(Failure::Trap))
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        state.ending = true;
        let wakers: Vec<_> = state.instances.iter().filter_map(Place::waker).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A request that may have to leave the line before its turn.
struct Waiting<'a> {
    line: &'a Line,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.line.remove(self.number);
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(
        self: &Arc<Self>,
        home: Slot,
        caller: Caller,
        (target, request): (Target, Request<WasiBody>),
        answer: oneshot::Sender<Result<Answer, Failure>>,
    ) -> u64 {
        let mut state = self.lock();
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back(Job {
            number,
            caller,
            home,
            head: request.method() == Method::HEAD,
            target,
            request,
            answer,
        });
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
        let wanted = state.instance_for(caller, home, self.limits.instances);
        drop(state);
        self.call(wanted);
        number
    }

    fn call(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Ready(waker) => waker.wake(),
            Wanted::New(slot) => {
                // The kept ones are where their connections are, all others out of the way.
                let thread = match slot.checked_sub(1) {
                    Some(home) if home < self.threads.count() => self.threads.serving(home),
                    _ => self.threads.apart(),
                };
                thread.spawn(instance::live(self.clone(), slot));
            }
            Wanted::None => {}
        }
    }

    /// Makes another instance for a request that has waited for long.
    fn stretch(self: &Arc<Self>, number: u64) {
        let mut state = self.lock();
        let job = state.waiting.iter().find(|job| job.number == number);
        let wanted = match job.map(|job| (job.caller, job.home)) {
            Some((caller, home)) => state.instance_for(caller, home, self.limits.instances_at_most),
            None => Wanted::None,
        };
        drop(state);
        self.call(wanted);
    }

    /// Takes a request out of the line; tells whether it was still there.
    fn remove(&self, number: u64) -> bool {
        // Most have long been taken.
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut state = self.lock();
        let place = state.waiting.iter().position(|job| job.number == number);
        let job = place.and_then(|place| state.waiting.remove(place));
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
        drop(state);
        job.is_some()
    }

    /// The next request for an instance, which it must begin.
    pub(super) fn take(&self, slot: Slot) -> Option<(Caller, Job)> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut state = self.lock();
        let (place, standing) = state.first_for(slot)?;
        let job = state.waiting.remove(place)?;
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
        if standing == Standing::MayMeet {
            state.callers.meet(slot, job.caller);
        }
        Some((job.caller, job))
    }

    /// An instance begins a step. What occupies it may go on after the step, so until the step is over nothing is known of
    /// an instance that was occupied.
    pub(super) fn working(&self, slot: Slot) {
        let place = &mut self.lock().instances[slot];
        if !matches!(place, Place::Occupied(_)) {
            *place = Place::Working;
        }
    }

    /// An instance has nothing to do; tells whether there is a request for it after all.
    pub(super) fn rests(self: &Arc<Self>, slot: Slot, occupied: bool, waker: &Waker) -> bool {
        let mut state = self.lock();
        if occupied {
            state.instances[slot] = Place::Occupied(waker.clone());
            // Some may have counted on it.
            self.see_to_all(state);
            return false;
        }
        let work = state.first_for(slot).is_some();
        state.instances[slot] = match work {
            true => Place::Working,
            false => Place::Ready(waker.clone()),
        };
        if state.ending {
            waker.wake_by_ref();
        }
        work
    }

    /// Finds instances for all that wait.
    fn see_to_all(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let waiting: Vec<_> = (state.waiting.iter())
            .map(|job| (job.caller, job.home))
            .collect();
        let wanted: Vec<_> = waiting
            .into_iter()
            .map(|(caller, home)| state.instance_for(caller, home, self.limits.instances))
            .collect();
        drop(state);
        wanted.into_iter().for_each(|wanted| self.call(wanted));
    }

    /// An instance has answered.
    pub(super) fn answered(&self, slot: Slot, caller: Caller, evidence: Evidence) {
        if caller != Caller::Anyone {
            self.lock().callers.answered(slot, caller, evidence);
        }
    }

    /// Whether instances are to end.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().ending
    }

    /// An instance that others may miss is gone.
    pub(super) fn gone(self: &Arc<Self>, slot: Slot) {
        let mut state = self.lock();
        state.instances[slot] = Place::Empty;
        state.callers.forget(slot);
        self.see_to_all(state);
    }

    /// No instance can be made: whoever waits for one waits in vain.
    pub(super) fn refuse_all(&self) {
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.waiting);
        self.waiting.store(0, Ordering::Relaxed);
        drop(state);
        for job in waiting {
            let _ = job.answer.send(Err(Failure::Overload));
        }
    }
}

/// What a request needs.
enum Wanted {
    /// This instance woken.
    Ready(Waker),
    /// An instance made.
    New(Slot),
    /// Nothing: some instance will come for it.
    None,
}

impl State {
    /// The first request that an instance may take: of its own connections, or one that its own instance does not take.
    fn first_for(&self, slot: Slot) -> Option<(usize, Standing)> {
        let mut other = None;
        for (place, job) in self.waiting.iter().enumerate() {
            let standing = self.callers.standing(slot, job.caller);
            if standing == Standing::Not {
                continue;
            } else if job.home == slot {
                return Some((place, standing));
            } else if other.is_none() && !self.home_takes(job.caller, job.home) {
                other = Some((place, standing));
            }
        }
        other
    }

    /// Whether a request will be taken where it came in.
    fn home_takes(&self, caller: Caller, home: Slot) -> bool {
        matches!(self.instances[home], Place::Working | Place::Ready(_))
            && self.callers.standing(home, caller) == Standing::Serves
    }

    /// Finds an instance for a caller: at home, or one that is ready and knows it, or one that is ready. Or else makes one,
    /// as long as there are no more than `most` besides the reception.
    fn instance_for(&mut self, caller: Caller, home: Slot, most: usize) -> Wanted {
        let mut best = None;
        let mut empty = None;
        if self.ending
            || matches!(self.instances[home], Place::Working) && self.home_takes(caller, home)
        {
            return Wanted::None;
        }
        for (slot, place) in self.instances.iter().enumerate() {
            let standing = self.callers.standing(slot, caller);
            if standing == Standing::Not {
                continue;
            }
            let meets = slot == home && self.callers.should_meet(caller);
            // The kept ones before those that were made for want of them.
            let serves = standing == Standing::Serves || meets;
            let rank = (serves, slot == home, std::cmp::Reverse(slot));
            match place {
                Place::Ready(_) => best = best.max(Some(rank)),
                Place::Empty if slot == RECEPTION || slot <= most => {
                    empty = empty.max(Some((slot == home, std::cmp::Reverse(slot))));
                }
                _ => {}
            }
        }
        let slot = match (best, empty) {
            (Some((.., std::cmp::Reverse(slot))), _) => slot,
            (None, Some((_, std::cmp::Reverse(slot)))) => slot,
            (None, None) => return Wanted::None,
        };
        match std::mem::replace(&mut self.instances[slot], Place::Working) {
            Place::Ready(waker) => Wanted::Ready(waker),
            _ => Wanted::New(slot),
        }
    }
}

impl Place {
    fn waker(&self) -> Option<Waker> {
        match self {
            Self::Ready(waker) | Self::Occupied(waker) => Some(waker.clone()),
            Self::Empty | Self::Working => None,
        }
    }
}
