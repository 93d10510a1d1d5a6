//! Requests that arrive together, or while others fail.

use super::super::*;
use super::time::{FakeClock, Requests, sign_in, signing_in};
use super::{FixedRandom, argon2id};

/// How long a verification takes here.
const WORK: Duration = Duration::from_millis(50);

fn authenticator() -> Authenticator {
    let users = (0..40).map(|number| {
        let hash = argon2id("password").parse().unwrap();
        (format!("user{number}").parse().unwrap(), hash)
    });
    Authenticator::new(Users::new(users.collect()), &FixedRandom)
}

/// A clock by which the last verification has just failed.
fn after_a_failure(authenticator: &Authenticator) -> FakeClock {
    let clock = FakeClock::new();
    clock.reading.set(WORK);
    assert_eq!(
        sign_in(authenticator, &clock, "nobody", ""),
        Authentication::Failed(None)
    );
    clock.reading.set(Duration::ZERO);
    clock.readings.set(0);
    clock
}

fn is_valid(answer: &Authentication) -> bool {
    matches!(answer, Authentication::Valid(_))
}

fn user(number: usize) -> Authentication {
    Authentication::Valid(format!("user{number}").parse().unwrap())
}

const BUSY: Authentication = Authentication::Throttled {
    user: None,
    retry_after: Duration::from_secs(1),
};

#[test]
fn after_a_failure_the_next_waits_for_three_times_as_long_as_it_took() {
    for (work, pause) in [(0, 0), (1, 3), (50, 150), (333, 999), (2_000, 1_000)] {
        let authenticator = authenticator();
        let clock = FakeClock::new();
        clock.reading.set(Duration::from_millis(work));
        sign_in(&authenticator, &clock, "user0", "wrong");
        clock.reading.set(Duration::ZERO);
        let ended = clock.time();
        assert_eq!(
            sign_in(&authenticator, &clock, "user1", "password"),
            user(1)
        );
        assert_eq!(clock.since(ended).as_millis(), pause, "{work}");
    }
}

#[test]
fn after_a_success_nobody_waits() {
    let authenticator = authenticator();
    let clock = FakeClock::new();
    clock.reading.set(WORK);
    assert_eq!(
        sign_in(&authenticator, &clock, "user0", "password"),
        user(0)
    );
    clock.reading.set(Duration::ZERO);
    let then = clock.time();
    assert_eq!(
        sign_in(&authenticator, &clock, "user1", "password"),
        user(1)
    );
    assert_eq!(clock.since(then), Duration::ZERO);
}

#[test]
fn who_is_remembered_does_not_wait() {
    let authenticator = authenticator();
    let clock = FakeClock::new();
    sign_in(&authenticator, &clock, "user0", "password");
    clock.reading.set(WORK);
    sign_in(&authenticator, &clock, "user1", "wrong");
    clock.reading.set(Duration::ZERO);
    let then = clock.time();
    assert_eq!(
        sign_in(&authenticator, &clock, "user0", "password"),
        user(0)
    );
    assert_eq!(clock.since(then), Duration::ZERO);
}

#[test]
fn waiting_requests_are_verified_in_the_order_of_their_arrival() {
    let authenticator = authenticator();
    let clock = after_a_failure(&authenticator);
    let mut requests = Requests::new(&clock);
    for number in 0..8 {
        let name = format!("user{number}");
        requests.add(signing_in(&authenticator, &clock, name, "password"));
    }
    let ended = requests.finish();
    let expected: Vec<_> = (0..8).map(|number| (number, user(number))).collect();
    assert_eq!(ended, expected);
}

#[test]
fn the_queue_is_bounded_and_the_same_for_all_users() {
    let authenticator = authenticator();
    let clock = after_a_failure(&authenticator);
    let mut requests = Requests::new(&clock);
    for number in 0..10 {
        let name = format!("user{number}");
        requests.add(signing_in(&authenticator, &clock, name, "password"));
    }
    requests.add(signing_in(&authenticator, &clock, "user10", "wrong"));
    requests.add(signing_in(&authenticator, &clock, "unknown", "password"));
    let refused = requests.poll();
    let expected: Vec<_> = (8..12).map(|number| (number, BUSY)).collect();
    assert_eq!(refused, expected);
    assert!(requests.finish().iter().all(|(_, answer)| is_valid(answer)));
}

#[test]
fn requests_that_are_dropped_leave_the_queue() {
    let authenticator = authenticator();
    let clock = after_a_failure(&authenticator);
    let mut requests = Requests::new(&clock);
    // Two share each ticket.
    for number in 0..16 {
        let name = format!("user{}", number / 2);
        requests.add(signing_in(&authenticator, &clock, name, "password"));
    }
    assert_eq!(requests.poll(), []);

    // One of two: the other still waits.
    requests.abandon(|number| number < 4 && number % 2 == 0);
    requests.add(signing_in(&authenticator, &clock, "user20", "password"));
    assert_eq!(requests.poll(), [(16, BUSY)]);

    // Both, those at the head of the queue among them.
    requests.abandon(|number| number < 4);
    for number in [21, 22, 23] {
        let name = format!("user{number}");
        requests.add(signing_in(&authenticator, &clock, name, "password"));
    }
    assert_eq!(requests.poll(), [(19, BUSY)]);
    let ended = requests.finish();
    assert_eq!(ended.len(), 14);
    assert!(ended.iter().all(|(_, answer)| is_valid(answer)));

    // The queue is empty again.
    let clock = after_a_failure(&authenticator);
    let mut requests = Requests::new(&clock);
    for number in 30..38 {
        let name = format!("user{number}");
        requests.add(signing_in(&authenticator, &clock, name, "password"));
    }
    assert_eq!(requests.poll(), []);
}

#[test]
fn first_sign_ins_with_the_same_password_cost_one_verification() {
    // At once, each looks and the first verifies. After a failure all wait, and then the first looks again and verifies.
    for (name, failed_before, readings) in [("user0", false, 100 + 1), ("user1", true, 100 + 2)] {
        let authenticator = authenticator();
        let clock = match failed_before {
            true => after_a_failure(&authenticator),
            false => FakeClock::new(),
        };
        let mut requests = Requests::new(&clock);
        for _ in 0..100 {
            requests.add(signing_in(&authenticator, &clock, name, "password"));
        }
        let ended = requests.finish();
        assert_eq!(ended.len(), 100);
        assert!(ended.iter().all(|(_, answer)| is_valid(answer)));
        assert_eq!(clock.readings.get(), readings, "{name}");
    }
}

#[test]
fn sign_ins_with_the_same_wrong_password_share_their_failure() {
    let authenticator = authenticator();
    let clock = after_a_failure(&authenticator);
    let mut requests = Requests::new(&clock);
    for _ in 0..100 {
        requests.add(signing_in(&authenticator, &clock, "user0", "wrong"));
    }
    let ended = requests.finish();
    assert_eq!(ended.len(), 100);
    for (_, answer) in ended {
        assert_eq!(answer, Authentication::Failed(None));
    }
    // It was one failure: the password may be tried four times more.
    for _ in 0..4 {
        let failed = sign_in(&authenticator, &clock, "user0", "wrong");
        assert_eq!(failed, Authentication::Failed(None));
    }
    let refused = sign_in(&authenticator, &clock, "user0", "password");
    assert!(matches!(refused, Authentication::Throttled { .. }));
}

#[test]
fn no_more_passwords_are_tried_at_once_than_one_after_the_other() {
    let authenticator = authenticator();
    let clock = FakeClock::new();
    clock.reading.set(Duration::from_micros(1));
    let mut requests = Requests::new(&clock);
    for number in 0..100 {
        let password = format!("guess {number}");
        requests.add(signing_in(&authenticator, &clock, "user0", password));
    }
    let ended = requests.finish();
    let failed = ended
        .iter()
        .filter(|(_, answer)| *answer == Authentication::Failed(None));
    assert_eq!(failed.count(), 5);
}
