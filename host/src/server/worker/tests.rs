//! Workers over instances that do what the test tells them, on a clock that stands still until all wait for it.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Mutex;

use http::Response;
use http_body_util::Either;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;

/// Makes instances that answer by the path of the request.
struct Fake {
    limits: Limits,
    /// What comes of the next tries to make an instance; when there are no more, all succeed.
    made: Mutex<VecDeque<bool>>,
    /// The paths of the requests that were begun, each with the number of its instance.
    begun: Mutex<Vec<(usize, String)>>,
    instances: AtomicUsize,
    /// Lets one request to `/wait` end for each permit.
    released: Semaphore,
}

impl Instances for Fake {
    async fn serve(&self, jobs: &mut Jobs) -> wasmtime::Result<End> {
        if self.made.lock().expect("no panic").pop_front() == Some(false) {
            return Err(wasmtime::format_err!("no memory"));
        }
        let number = self.instances.fetch_add(1, Ordering::Relaxed);
        let progress = Progress::default();
        let respond = |request| self.respond(number, request);
        let serving = serve_jobs(jobs, &self.limits, &progress, respond);
        Ok(watched(serving, &progress, &self.limits).await)
    }
}

impl Fake {
    async fn respond(
        &self,
        instance: usize,
        request: Request<RequestBody>,
    ) -> wasmtime::Result<Result<Answer, Failure>> {
        let path = request.uri().path().to_owned();
        let begun = (instance, path.clone());
        self.begun.lock().expect("no panic").push(begun);
        match &*path {
            "/trap" => return Err(wasmtime::format_err!("a trap")),
            "/panic" => panic!("on purpose"),
            "/hang" => pending().await,
            "/wait" => self
                .released
                .acquire()
                .await
                .expect("never closed")
                .forget(),
            _ => {}
        }
        Ok(Ok(Response::new(Either::Left(Default::default()))))
    }

    fn begun(&self) -> Vec<(usize, String)> {
        self.begun.lock().expect("no panic").clone()
    }
}

struct Fixture {
    fake: Arc<Fake>,
    queue: Arc<Queue>,
    /// Until the worker is started.
    jobs: Option<Jobs>,
}

type Answering = JoinHandle<Result<Answer, Failure>>;

const TIME: Duration = Duration::from_secs(30);

impl Fixture {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let (queue, jobs) = queue();
        Self {
            fake: Arc::new(Fake {
                limits,
                made: Mutex::default(),
                begun: Mutex::default(),
                instances: AtomicUsize::new(0),
                released: Semaphore::new(0),
            }),
            queue: Arc::new(queue),
            jobs: Some(jobs),
        }
    }

    fn start(&mut self) -> JoinHandle<()> {
        let jobs = self.jobs.take().expect("started once");
        tokio::spawn(run(self.fake.clone(), jobs))
    }

    /// Sends a request, which is in the queue when this returns.
    async fn send(&self, path: &str) -> Answering {
        let queue = self.queue.clone();
        let request = Request::builder()
            .uri(path)
            .body(RequestBody::empty())
            .expect("a request");
        let answering = tokio::spawn(async move { queue.request(request, TIME).await });
        settle().await;
        answering
    }
}

/// Lets every task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn outcome(answering: Answering) -> Result<(), Failure> {
    answering.await.expect("no panic").map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_failed_instance_fails_only_its_own_requests() {
    for failing in ["/trap", "/panic"] {
        let mut one = Fixture::new(|_| {});
        let mut other = Fixture::new(|_| {});
        let _workers = (one.start(), other.start());
        let elsewhere = other.send("/wait").await;
        let beside = one.send("/wait").await;
        let failed = one.send(failing).await;
        assert_eq!(outcome(failed).await, Err(Failure::Trap));
        assert_eq!(outcome(beside).await, Err(Failure::Trap));
        // The next instance serves what comes then, and the other worker has noticed nothing.
        assert_eq!(outcome(one.send("/").await).await, Ok(()));
        other.fake.released.add_permits(1);
        assert_eq!(outcome(elsewhere).await, Ok(()));
        assert_eq!(one.fake.instances.load(Ordering::Relaxed), 2);
        assert_eq!(other.fake.instances.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_the_queue_outlives_the_instance() {
    let mut fixture = Fixture::new(|limits| limits.requests_per_instance = 1);
    let failing = fixture.send("/trap").await;
    let waiting = fixture.send("/").await;
    fixture.start();
    assert_eq!(outcome(failing).await, Err(Failure::Trap));
    assert_eq!(outcome(waiting).await, Ok(()));
    assert_eq!(
        fixture.fake.begun(),
        [(0, "/trap".to_owned()), (1, "/".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_be_made_costs_one_request_a_try() {
    let mut one = Fixture::new(|_| {});
    let mut other = Fixture::new(|_| {});
    one.fake
        .made
        .lock()
        .expect("no panic")
        .extend([false, false]);
    let waiting = [
        one.send("/").await,
        one.send("/").await,
        one.send("/").await,
    ];
    let elsewhere = other.send("/").await;
    let _workers = (one.start(), other.start());
    let mut outcomes = Vec::new();
    for waiting in waiting {
        outcomes.push(outcome(waiting).await);
    }
    let overload = Err(Failure::Overload);
    assert_eq!(outcomes, [overload, overload, Ok(())]);
    assert_eq!(outcome(elsewhere).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_client_left_is_not_begun() {
    let mut fixture = Fixture::new(|_| {});
    let left = fixture.send("/left").await;
    let stays = fixture.send("/stays").await;
    left.abort();
    settle().await;
    fixture.start();
    assert_eq!(outcome(stays).await, Ok(()));
    assert_eq!(fixture.fake.begun(), [(0, "/stays".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_at_a_time_than_the_limit() {
    let mut fixture = Fixture::new(|limits| limits.requests_per_instance = 2);
    fixture.start();
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(fixture.send("/wait").await);
    }
    assert_eq!(fixture.fake.begun().len(), 2);
    fixture.fake.released.add_permits(3);
    for answering in sent {
        assert_eq!(outcome(answering).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_ends_after_its_life() {
    let mut fixture = Fixture::new(|limits| limits.instance_life = 2);
    fixture.start();
    for _ in 0..5 {
        assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
    }
    let instances: Vec<_> = fixture.fake.begun().into_iter().map(|(n, _)| n).collect();
    assert_eq!(instances, [0, 0, 1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_instance_is_ended() {
    let mut fixture = Fixture::new(|limits| limits.requests_per_instance = 1);
    fixture.start();
    let hangs = fixture.send("/hang").await;
    let waits = fixture.send("/").await;
    // The time of both is over before it is certain that the instance is stalled: the one was begun, the other was not.
    assert_eq!(outcome(hangs).await, Err(Failure::Timeout));
    assert_eq!(outcome(waits).await, Err(Failure::Overload));
    assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
    assert_eq!(fixture.fake.instances.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn one_request_that_hangs_ends_nobody_elses() {
    let mut fixture = Fixture::new(|_| {});
    fixture.start();
    let hangs = fixture.send("/hang").await;
    for _ in 0..100 {
        assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(outcome(hangs).await, Err(Failure::Timeout));
    assert_eq!(fixture.fake.instances.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_has_just_begun_outlives_one_that_hangs() {
    let mut fixture = Fixture::new(|_| {});
    fixture.start();
    let hangs = fixture.send("/hang").await;
    sleep(TIME - Duration::from_secs(1)).await;
    let begun = fixture.send("/wait").await;
    sleep(Duration::from_secs(10)).await;
    fixture.fake.released.add_permits(1);
    assert_eq!(outcome(begun).await, Ok(()));
    assert_eq!(outcome(hangs).await, Err(Failure::Timeout));
    // They hang one after the other, and nobody is answered.
    let mut hanging = Vec::new();
    for _ in 0..4 {
        hanging.push(fixture.send("/hang").await);
        sleep(TIME / 2).await;
    }
    sleep(TIME / 2).await;
    assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
    assert_eq!(fixture.fake.instances.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_requests_without_spinning() {
    let mut fixture = Fixture::new(|_| {});
    let waiting = fixture.send("/wait").await;
    let fake = fixture.fake.clone();
    let jobs = fixture.jobs.take().expect("not started");
    let mut worker = pin!(run(fake.clone(), jobs));
    let mut polls = 0;
    let mut counted = pin!(poll_fn(|cx| {
        polls += 1;
        worker.as_mut().poll(cx)
    }));
    let wait = |time| sleep(time);
    tokio::select! {
        () = counted.as_mut() => panic!("the queue is still open"),
        () = wait(Duration::from_millis(1)) => {}
    }
    // The request holds the queue, so this closes it only to others; the worker itself must find out.
    drop(fixture);
    tokio::select! {
        () = counted.as_mut() => panic!("a request is in flight"),
        () = wait(Duration::from_secs(20)) => {}
    }
    fake.released.add_permits(1);
    counted.await;
    assert_eq!(outcome(waiting).await, Ok(()));
    // It looks after its instance once a second.
    assert!(polls < 60, "{polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_with_its_queue() {
    let mut fixture = Fixture::new(|limits| limits.instance_life = 1);
    let worker = fixture.start();
    assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
    assert_eq!(outcome(fixture.send("/").await).await, Ok(()));
    drop(fixture);
    worker.await.expect("no panic");
}
