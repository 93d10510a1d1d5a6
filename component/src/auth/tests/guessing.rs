//! What somebody gets who guesses passwords, one after the other.

use super::super::*;
use super::time::{FakeClock, sign_in};
use super::{FixedRandom, argon2id};

/// An instance with the user `ada`, whose password is `password`.
struct Instance {
    clock: FakeClock,
    authenticator: Authenticator,
}

impl Instance {
    fn new() -> Self {
        let users = ["ada", "bob"].map(|name| {
            let hash = argon2id("password").parse().unwrap();
            (name.parse().unwrap(), hash)
        });
        Self {
            clock: FakeClock::new(),
            authenticator: Authenticator::new(Users::new(users.into()), &FixedRandom),
        }
    }

    fn try_as(&self, name: &str, password: &str) -> Authentication {
        sign_in(&self.authenticator, &self.clock, name, password)
    }

    fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// Fails as often in a row as is free.
    fn use_up(&self, name: &str) {
        for _ in 0..5 {
            assert_eq!(self.try_as(name, "wrong"), Authentication::Failed(None));
        }
    }
}

fn throttled(secs: u64) -> Authentication {
    Authentication::Throttled {
        user: None,
        retry_after: Duration::from_secs(secs),
    }
}

fn ada() -> Authentication {
    Authentication::Valid("ada".parse().unwrap())
}

#[test]
fn after_five_failures_in_a_row_the_delay_doubles_with_every_further_one() {
    let instance = Instance::new();
    instance.use_up("ada");
    for delay in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(instance.try_as("ada", "wrong"), throttled(delay));
        // Neither does refusing make it longer, nor is the right password looked at.
        instance.pass(1);
        assert_eq!(instance.try_as("ada", "password"), throttled(delay - 1));
        instance.pass(delay - 1);
        assert_eq!(
            instance.try_as("ada", "wrong"),
            Authentication::Failed(None)
        );
    }
}

#[test]
fn the_right_password_after_the_delay_ends_the_row() {
    let instance = Instance::new();
    instance.use_up("ada");
    instance.pass(2);
    assert_eq!(instance.try_as("ada", "password"), ada());
    instance.use_up("ada");
    assert_eq!(instance.try_as("ada", "wrong"), throttled(2));
}

#[test]
fn a_row_that_ended_a_quarter_of_an_hour_ago_is_forgotten() {
    let instance = Instance::new();
    instance.use_up("ada");
    instance.pass(899);
    assert_eq!(
        instance.try_as("ada", "wrong"),
        Authentication::Failed(None)
    );
    assert_eq!(instance.try_as("ada", "wrong"), throttled(4));
    instance.pass(900);
    instance.use_up("ada");
    assert_eq!(instance.try_as("ada", "wrong"), throttled(2));
}

#[test]
fn who_has_signed_in_stays_signed_in_while_others_guess() {
    let instance = Instance::new();
    assert_eq!(instance.try_as("ada", "password"), ada());
    instance.use_up("ada");
    for _ in 0..20 {
        assert!(matches!(
            instance.try_as("ada", "wrong"),
            Authentication::Throttled { .. } | Authentication::Failed(_)
        ));
        assert_eq!(instance.try_as("ada", "password"), ada());
        instance.pass(299);
    }
}

#[test]
fn who_stays_signed_in_does_not_end_the_row_of_those_who_guess() {
    let instance = Instance::new();
    assert_eq!(instance.try_as("ada", "password"), ada());
    instance.use_up("ada");
    for delay in [2, 4, 8, 16] {
        assert_eq!(instance.try_as("ada", "password"), ada());
        assert_eq!(instance.try_as("ada", "wrong"), throttled(delay));
        instance.pass(delay);
        assert_eq!(instance.try_as("ada", "password"), ada());
        assert_eq!(
            instance.try_as("ada", "wrong"),
            Authentication::Failed(None)
        );
    }
}

#[test]
fn one_user_is_not_refused_for_another() {
    let instance = Instance::new();
    instance.use_up("bob");
    instance.use_up("eve");
    assert_eq!(instance.try_as("ada", "password"), ada());
}

#[test]
fn whether_there_is_such_a_user_does_not_show() {
    let (known, unknown) = (Instance::new(), Instance::new());
    for (step, secs) in [0; 12]
        .into_iter()
        .chain([
            1, 1, 0, 3, 1, 0, 7, 1, 0, 20, 899, 0, 900, 0, 0, 0, 0, 0, 0, 2, 0,
        ])
        .enumerate()
    {
        let answers = [(&known, "ada"), (&unknown, "eve")].map(|(instance, name)| {
            instance.pass(secs);
            // What is right for one of the users is no different for who is none.
            let password = if step % 2 == 0 { "wrong" } else { "guess" };
            instance.try_as(name, password)
        });
        assert_eq!(answers[0], answers[1], "step {step}");
    }
    let readings = |instance: &Instance| instance.clock.readings.get();
    assert_eq!(readings(&known), readings(&unknown));
}

#[test]
fn known_and_unknown_names_are_forgotten_alike_where_there_are_too_many() {
    let instance = Instance::new();
    for name in ["ada", "eve"] {
        instance.use_up(name);
        let mut throttle = instance.authenticator.throttle.borrow_mut();
        for number in 0..throttle::MAX_NAMES {
            let name = format!("{name}-{number}").parse().unwrap();
            let digest = instance.authenticator.key.name(&name);
            throttle.failed(digest, instance.clock.now());
        }
        drop(throttle);
        assert_eq!(instance.try_as(name, "wrong"), Authentication::Failed(None));
    }
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let instance = Instance::new();
    instance.clock.reading.set(Duration::from_millis(50));
    instance.use_up("ada");
    instance.clock.reading.set(Duration::ZERO);
    instance.clock.set_back(Duration::from_secs(100_000));
    assert_eq!(instance.try_as("ada", "password"), throttled(2));
    instance.pass(1);
    assert_eq!(instance.try_as("ada", "password"), throttled(1));
    instance.pass(1);
    assert_eq!(instance.try_as("ada", "password"), ada());
}
