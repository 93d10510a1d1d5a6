//! Who is served where, with workers that answer what the request asks for.

use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use http_body_util::Either;

use super::*;
use crate::server::Limits;
use crate::server::worker::{self, Progress};

/// A dispatcher over two serving workers and a sign-in worker, and the workers that were asked, in order.
struct Fixture {
    dispatcher: Dispatcher,
    asked: Arc<Mutex<Vec<Worker>>>,
}

/// In the request: the status of the answer.
const STATUS: &str = "status";

impl Fixture {
    fn new() -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let worker = |worker| {
            let (queue, mut jobs) = worker::queue();
            let asked = asked.clone();
            tokio::spawn(async move {
                let respond = async |request: Request<RequestBody>| {
                    asked.lock().expect("no panic").push(worker);
                    let mut response = Response::new(Either::Left(Default::default()));
                    *response.status_mut() =
                        StatusCode::from_bytes(request.headers()[STATUS].as_bytes())
                            .expect("a status");
                    Ok(Ok(response))
                };
                let limits = Limits::default();
                worker::serve_jobs(&mut jobs, &limits, &Progress::default(), respond).await
            });
            queue
        };
        let sign_in = worker(Worker::SignIn);
        let serving = vec![worker(Worker::Serving(0)), worker(Worker::Serving(1))];
        Self {
            dispatcher: Dispatcher::new(Some(sign_in), serving, Duration::from_secs(30)),
            asked,
        }
    }

    /// The worker that answers a request over a connection of the worker `home`.
    async fn request(&self, home: usize, credentials: Option<&str>, status: &str) -> Worker {
        let credentials = credentials.map(|credentials| {
            let (name, password) = credentials.split_once(':').expect("a colon");
            Credentials {
                name: name.parse().expect("a user name"),
                password: password.into(),
            }
        });
        let body = RequestBody::empty();
        let request = Request::builder().header(STATUS, status).body(body);
        let request = request.expect("a request");
        let answer = self
            .dispatcher
            .dispatch(home, credentials.as_ref(), request);
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status().as_str(), status);
        let mut asked = self.asked.lock().expect("no panic");
        assert_eq!(asked.len(), 1);
        asked.remove(0)
    }
}

const ADA: Option<&str> = Some("ada:right");

#[tokio::test]
async fn who_does_not_sign_in_is_served_at_home() {
    let fixture = Fixture::new();
    for home in [0, 1, 0] {
        let worker = fixture.request(home, None, "200").await;
        assert_eq!(worker, Worker::Serving(home));
    }
}

#[tokio::test]
async fn unknown_credentials_are_for_the_sign_in_worker() {
    let fixture = Fixture::new();
    // Where they are refused, or nobody knows, they stay unknown.
    for status in ["401", "429", "500", "503", "401"] {
        let worker = fixture.request(0, ADA, status).await;
        assert_eq!(worker, Worker::SignIn, "{status}");
    }
}

#[tokio::test]
async fn accepted_credentials_are_served_at_home() {
    let fixture = Fixture::new();
    assert_eq!(fixture.request(0, ADA, "404").await, Worker::SignIn);
    assert_eq!(fixture.request(0, ADA, "200").await, Worker::Serving(0));
    assert_eq!(fixture.request(1, ADA, "503").await, Worker::Serving(1));
    assert_eq!(fixture.request(1, ADA, "200").await, Worker::Serving(1));
    for other in ["ada:wrong", "bob:right"] {
        let worker = fixture.request(0, Some(other), "401").await;
        assert_eq!(worker, Worker::SignIn, "{other}");
    }
    assert_eq!(fixture.request(0, ADA, "200").await, Worker::Serving(0));
}

#[tokio::test]
async fn refused_credentials_are_forgotten() {
    for status in ["401", "429"] {
        let fixture = Fixture::new();
        assert_eq!(fixture.request(0, ADA, "200").await, Worker::SignIn);
        assert_eq!(fixture.request(1, ADA, status).await, Worker::Serving(1));
        for home in [1, 0] {
            let worker = fixture.request(home, ADA, status).await;
            assert_eq!(worker, Worker::SignIn, "{status}");
        }
    }
}
