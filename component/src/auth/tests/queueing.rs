//! Requests that arrive together, or while others fail.

use super::time::Requests;
use super::*;

/// How long a verification takes here.
const WORK: Duration = Duration::from_millis(50);

/// An instance with the users `user0` to `user59`, whose password is `password`.
fn instance() -> Instance {
    let names: Vec<_> = (0..60).map(|number| format!("user{number}")).collect();
    let hash = argon2id("password");
    Instance::new(names.iter().map(|name| (name.as_str(), hash.clone())))
}

impl Instance {
    /// Has a verification fail just now, which took as long as [`WORK`].
    fn fail(&self) {
        self.clock.reading.set(WORK);
        assert_eq!(self.sign_in("nobody", ""), FAILED);
        self.clock.reading.set(Duration::ZERO);
    }
}

/// An instance whose last verification has just failed: who comes now waits.
fn after_a_failure() -> Instance {
    let instance = instance();
    instance.fail();
    instance
}

fn is_valid(answer: &Authentication) -> bool {
    matches!(answer, Authentication::Valid(_))
}

const BUSY: Authentication = Authentication::Throttled {
    user: None,
    retry_after: Duration::from_secs(1),
};

#[test]
fn after_a_failure_the_next_waits_for_three_times_as_long_as_it_took() {
    for (work, pause) in [(0, 0), (1, 3), (50, 150), (300, 900), (400, 1_000)] {
        let instance = instance();
        instance.clock.reading.set(Duration::from_millis(work));
        instance.sign_in("nobody", "wrong");
        instance.clock.reading.set(Duration::ZERO);
        let ended = instance.clock.time();
        assert_eq!(instance.sign_in("user1", "password"), valid("user1"));
        assert_eq!(instance.clock.since(ended).as_millis(), pause, "{work}");
    }
}

#[test]
fn after_a_success_nobody_waits() {
    let instance = instance();
    instance.clock.reading.set(WORK);
    assert_eq!(instance.sign_in("user0", "password"), valid("user0"));
    instance.clock.reading.set(Duration::ZERO);
    let then = instance.clock.time();
    assert_eq!(instance.sign_in("user1", "password"), valid("user1"));
    assert_eq!(instance.clock.since(then), Duration::ZERO);
}

#[test]
fn who_is_remembered_does_not_wait() {
    let instance = instance();
    instance.sign_in("user0", "password");
    instance.fail();
    let then = instance.clock.time();
    assert_eq!(instance.sign_in("user0", "password"), valid("user0"));
    assert_eq!(instance.clock.since(then), Duration::ZERO);
}

#[test]
fn a_clock_that_is_set_back_makes_the_pause_no_longer() {
    let instance = after_a_failure();
    instance.clock.set_back(Duration::from_secs(1_000));
    let then = instance.clock.time();
    assert_eq!(instance.sign_in("user1", "password"), valid("user1"));
    assert_eq!(instance.clock.since(then), 3 * WORK);
}

#[test]
fn waiting_requests_are_verified_in_the_order_of_their_arrival() {
    for (prefix, password, expected) in [("user", "password", true), ("nobody", "", false)] {
        let instance = after_a_failure();
        let mut requests = Requests::new(&instance.clock);
        for number in 0..8 {
            requests.add(instance.signing_in(format!("{prefix}{number}"), password));
        }
        let ended = requests.finish();
        let order: Vec<_> = ended.iter().map(|(number, _)| *number).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(ended.iter().all(|(_, answer)| is_valid(answer) == expected));
    }
}

#[test]
fn networks_take_turns() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    for (number, network) in [
        "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.2",
    ]
    .into_iter()
    .enumerate()
    {
        requests.add(instance.signing_in_from(network, format!("nobody{number}"), ""));
    }
    let order: Vec<_> = requests
        .finish()
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(order, [0, 3, 4, 1, 5, 2]);
}

#[test]
fn a_user_is_ahead_of_names_that_nobody_has_and_only_the_right_password_shows_it() {
    for (name, password, answer, place) in [
        ("user0", "password", valid("user0"), 0),
        ("user0", "wrong", FAILED, 20),
        ("nobody", "password", FAILED, 20),
    ] {
        let instance = after_a_failure();
        let mut requests = Requests::new(&instance.clock);
        for number in 0..20 {
            requests.add(instance.signing_in(format!("nobody{number}"), ""));
        }
        requests.add(instance.signing_in(name, password));
        let (ended, verified) = verifications(|| requests.finish());
        assert_eq!(ended[place], (20, answer), "{name} {password}");
        assert_eq!(verified, 21);
    }
}

#[test]
fn the_queue_is_bounded_and_the_same_for_all_names() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    for number in 0..48 {
        requests.add(instance.signing_in(format!("user{number}"), "password"));
    }
    requests.add(instance.signing_in("user50", "password"));
    requests.add(instance.signing_in("user50", "wrong"));
    requests.add(instance.signing_in("unknown", "password"));
    let refused = requests.poll();
    assert_eq!(refused, [(48, BUSY), (49, BUSY), (50, BUSY)]);

    // Another network pushes out the last of this one.
    requests.add(instance.signing_in_from("10.0.0.1", "unknown", "password"));
    let ended = requests.finish();
    assert_eq!(
        ended.iter().filter(|(_, answer)| is_valid(answer)).count(),
        47
    );
    assert!(ended.contains(&(47, BUSY)));
    assert!(ended.contains(&(51, FAILED)));
}

#[test]
fn requests_that_share_a_place_are_bounded_too() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    for _ in 0..100 {
        requests.add(instance.signing_in("nobody", "wrong"));
    }
    assert_eq!(requests.poll().len(), 100 - 56);
    // A user is not kept out by them.
    requests.add(instance.signing_in_from("10.0.0.1", "user0", "password"));
    let ended = requests.finish();
    assert_eq!(ended[0], (100, valid("user0")));
    assert_eq!(ended.len(), 57);
}

#[test]
fn requests_that_are_dropped_leave_the_queue() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    // Two share each place; users are ahead, and so not counted.
    for number in 0..96 {
        requests.add(instance.signing_in(format!("user{}", number / 2), "password"));
    }
    assert_eq!(requests.poll(), []);

    // One of two: the other still waits.
    requests.abandon(|number| number < 4 && number % 2 == 0);
    requests.add(instance.signing_in("user50", "password"));
    assert_eq!(requests.poll(), [(96, BUSY)]);

    // Both, those at the head of the queue among them.
    requests.abandon(|number| number < 4);
    for number in [51, 52, 53] {
        requests.add(instance.signing_in(format!("user{number}"), "password"));
    }
    assert_eq!(requests.poll(), [(99, BUSY)]);
    let ended = requests.finish();
    assert_eq!(ended.len(), 94);
    assert!(ended.iter().all(|(_, answer)| is_valid(answer)));
}

#[test]
fn nobody_waits_for_longer_than_ten_seconds() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    requests.add(instance.signing_in("nobody1", ""));
    assert_eq!(requests.poll(), []);
    instance.clock.advance(Duration::from_secs(10));
    assert_eq!(requests.poll(), [(0, BUSY)]);
    // Its place is free.
    assert_eq!(instance.sign_in("user1", "password"), valid("user1"));
}

#[test]
fn first_sign_ins_with_the_same_password_cost_one_verification() {
    for instance in [instance(), after_a_failure()] {
        let mut requests = Requests::new(&instance.clock);
        for _ in 0..100 {
            requests.add(instance.signing_in("user0", "password"));
        }
        let (ended, verified) = verifications(|| requests.finish());
        assert_eq!(ended.len(), 100);
        assert!(ended.iter().all(|(_, answer)| is_valid(answer)));
        assert_eq!(verified, 1);
    }
}

#[test]
fn sign_ins_with_the_same_wrong_password_share_their_failure() {
    let instance = after_a_failure();
    let mut requests = Requests::new(&instance.clock);
    for _ in 0..100 {
        requests.add(instance.signing_in("user0", "wrong"));
    }
    let ended = requests.finish();
    assert_eq!(ended.len(), 100);
    for (_, answer) in ended {
        assert_eq!(answer, FAILED);
    }
    // It was one failure: the password may be tried four times more.
    for _ in 0..4 {
        assert_eq!(instance.sign_in("user0", "wrong"), FAILED);
    }
    let refused = instance.sign_in("user0", "password");
    assert!(matches!(refused, Authentication::Throttled { .. }));
}

#[test]
fn no_more_passwords_are_tried_at_once_than_one_after_the_other() {
    for name in ["user0", "nobody"] {
        let one = instance();
        let other = Instance::over(
            one.memory.clone(),
            one.clock.clone(),
            [("user0", argon2id("password"))],
        );
        one.clock.reading.set(Duration::from_micros(1));
        let mut requests = Requests::new(&one.clock);
        for number in 0..100 {
            let host = if number % 3 == 0 { &other } else { &one };
            requests.add(host.signing_in(name, format!("guess {number}")));
        }
        let ended = requests.finish();
        let failed = ended.iter().filter(|(_, answer)| *answer == FAILED);
        assert_eq!(failed.count(), 5, "{name}");
    }
}

#[test]
fn a_right_password_among_many_wrong_ones_is_found_within_five_tries_or_not_at_all() {
    for place in [0, 3, 20, 40] {
        let instance = after_a_failure();
        let mut requests = Requests::new(&instance.clock);
        for number in 0..48 {
            let password = match number == place {
                true => "password".to_owned(),
                false => format!("guess {number}"),
            };
            requests.add(instance.signing_in("user0", password));
        }
        let (ended, verified) = verifications(|| requests.finish());
        let found = ended.iter().any(|(_, answer)| is_valid(answer));
        assert_eq!(found, place < 5, "{place}");
        // The right one grants new tries to those behind it.
        let tries = if found { place + 1 + 5 } else { 5 };
        assert!(verified <= tries + 1, "{place}: {verified}");
    }
}
