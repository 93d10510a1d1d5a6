//! What somebody gets who guesses passwords, one after the other.

use super::*;

/// An instance with the users `ada` and `bob`, whose password is `password`.
fn instance() -> Instance {
    Instance::new(users())
}

fn users() -> [(&'static str, String); 2] {
    ["ada", "bob"].map(|name| (name, argon2id("password")))
}

impl Instance {
    /// Another over the same store: another host, or the same after a restart.
    fn another(&self) -> Self {
        Self::over(self.memory.clone(), self.clock.clone(), users())
    }

    fn try_from(&self, network: &str, name: &str, password: &str) -> Authentication {
        run(&self.clock, self.signing_in_from(network, name, password))
    }

    fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// Fails as often as is free.
    fn use_up(&self, name: &str) {
        for _ in 0..5 {
            assert_eq!(self.sign_in(name, "wrong"), FAILED);
        }
    }
}

fn throttled(secs: u64) -> Authentication {
    Authentication::Throttled {
        user: None,
        retry_after: Duration::from_secs(secs),
    }
}

#[test]
fn after_five_failures_the_delay_doubles_with_every_further_one() {
    let instance = instance();
    instance.use_up("ada");
    // In the last delays, one failure is forgotten.
    for delay in [2, 4, 8, 16, 32, 64, 128, 128, 128] {
        assert_eq!(instance.sign_in("ada", "wrong"), throttled(delay));
        // Neither does refusing make it longer, nor is the right password looked at.
        instance.pass(1);
        assert_eq!(instance.sign_in("ada", "password"), throttled(delay - 1));
        instance.pass(delay - 1);
        assert_eq!(instance.sign_in("ada", "wrong"), FAILED);
    }
}

#[test]
fn fewer_than_forty_guesses_an_hour_are_looked_at() {
    let instance = instance();
    for (hour, most) in [(0, 39), (1, 28), (2, 28)] {
        let mut looked_at = 0;
        for _ in 0..3_600 {
            looked_at += usize::from(instance.sign_in("ada", "wrong") == FAILED);
            instance.pass(1);
        }
        assert!((25..=most).contains(&looked_at), "hour {hour}: {looked_at}");
    }
}

#[test]
fn the_right_password_after_the_delay_ends_the_row_in_its_network() {
    let instance = instance();
    instance.use_up("ada");
    for _ in 0..5 {
        instance.try_from("10.0.0.1", "ada", "wrong");
    }
    instance.pass(2);
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
    instance.use_up("ada");
    assert_eq!(instance.sign_in("ada", "wrong"), throttled(2));
    assert_eq!(instance.try_from("10.0.0.1", "ada", "wrong"), FAILED);
    assert_eq!(instance.try_from("10.0.0.1", "ada", "wrong"), throttled(4));
}

#[test]
fn a_user_who_signs_in_all_the_time_grants_no_endless_tries() {
    let one = instance();
    let mut looked_at = 0;
    for _ in 0..1_000 {
        // An instance that remembers nothing.
        let another = one.another();
        another.sign_in("ada", "password");
        looked_at += usize::from(another.sign_in("ada", "wrong") == FAILED);
    }
    assert_eq!(looked_at, 100);
}

#[test]
fn failures_are_forgotten_one_by_one() {
    let instance = instance();
    instance.use_up("ada");
    instance.pass(2 * 130);
    for _ in 0..2 {
        assert_eq!(instance.sign_in("ada", "wrong"), FAILED);
    }
    assert_eq!(instance.sign_in("ada", "wrong"), throttled(2));
    instance.pass(5 * 130);
    instance.use_up("ada");
    assert_eq!(instance.sign_in("ada", "wrong"), throttled(2));
}

#[test]
fn five_tries_are_five_on_all_hosts_and_after_a_restart() {
    let one = instance();
    let other = one.another();
    for host in [&one, &other, &other, &one, &one.another()] {
        assert_eq!(host.sign_in("ada", "wrong"), FAILED);
    }
    for host in [&one, &other, &one.another()] {
        assert_eq!(host.sign_in("ada", "password"), throttled(2));
    }
}

#[test]
fn guessing_from_one_network_keeps_nobody_elsewhere_out() {
    let instance = instance();
    for _ in 0..3_600 {
        instance.try_from("2001:db8::1", "ada", "wrong");
        instance.pass(1);
    }
    let answer = instance.try_from("2001:db8::2", "ada", "password");
    assert!(
        matches!(answer, Authentication::Throttled { .. }),
        "{answer:?}"
    );
    assert_eq!(
        instance.try_from("2001:db8:0:1::1", "ada", "password"),
        valid("ada")
    );
}

#[test]
fn guessing_from_many_networks_is_bounded_too() {
    let instance = instance();
    let mut looked_at = 0;
    for number in 0..1_000 {
        let network = format!("10.0.{}.{}", number / 250, number % 250);
        looked_at += usize::from(instance.try_from(&network, "ada", "wrong") == FAILED);
    }
    assert_eq!(looked_at, 100);
    let answer = instance.try_from(HOME, "ada", "password");
    assert!(
        matches!(answer, Authentication::Throttled { .. }),
        "{answer:?}"
    );
    // Its document stays small.
    let documents = instance.memory.documents.borrow();
    let failures = documents
        .iter()
        .filter(|(key, _)| key.starts_with("latchkey-failures-"));
    for (key, value) in failures {
        assert!(value.len() < 2_048, "{key}: {}", value.len());
    }
}

#[test]
fn failures_under_other_names_wash_nothing_out() {
    let instance = instance();
    instance.use_up("ada");
    for number in 0..5_000 {
        instance.sign_in(format!("name {number}"), "wrong");
        instance.clock.advance(Duration::from_millis(50));
    }
    // 250 s later, one failure is forgotten.
    assert_eq!(instance.sign_in("ada", "wrong"), FAILED);
    assert_eq!(instance.sign_in("ada", "wrong"), throttled(2));
    // There are documents for the slots, and no more.
    let documents = instance.memory.documents.borrow();
    let slots = documents
        .keys()
        .filter(|key| key.starts_with("latchkey-failures-"));
    assert!(slots.count() <= 4_096);
}

#[test]
fn a_flood_of_names_locks_nobody_out() {
    let instance = instance();
    // 20 failures a second are more than the queue lets through.
    for number in 0..20 * 3_600 {
        let name = format!("name {number}").parse().unwrap();
        let key = DigestKey::new(&instance.secret);
        let client = key.client(&name, HOME.parse().ok());
        run(
            &instance.clock,
            failures::count(&instance.store, key.slot(&name), client),
        )
        .unwrap();
        instance.clock.advance(Duration::from_millis(50));
    }
    let delayed = |number: &usize| {
        let name = format!("user {number}").parse().unwrap();
        let key = DigestKey::new(&instance.secret);
        let client = key.client(&name, HOME.parse().ok());
        let failures = failures::load(&instance.store, key.slot(&name));
        let failures = run(&instance.clock, failures).unwrap();
        failures.delay(client, instance.clock.now()).is_some()
    };
    assert_eq!((0..1_000).filter(delayed).count(), 0);
}

#[test]
fn who_has_signed_in_stays_signed_in_while_others_guess() {
    let instance = instance();
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
    instance.use_up("ada");
    for _ in 0..20 {
        assert!(matches!(
            instance.sign_in("ada", "wrong"),
            Authentication::Throttled { .. } | Authentication::Failed(_)
        ));
        assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
        instance.pass(299);
    }
}

#[test]
fn one_user_is_not_refused_for_another() {
    let instance = instance();
    instance.use_up("bob");
    instance.use_up("eve");
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
}

#[test]
fn whether_there_is_such_a_user_does_not_show() {
    let (known, unknown) = (instance(), instance());
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
            verifications(|| instance.sign_in(name, password))
        });
        assert_eq!(answers[0], answers[1], "step {step}");
    }
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_the_longest_delay() {
    let instance = instance();
    instance.use_up("ada");
    instance.clock.set_back(Duration::from_secs(100_000));
    assert_eq!(instance.sign_in("ada", "password"), throttled(300));
    let another = instance.another();
    another.pass(100_000 + 2);
    assert_eq!(another.sign_in("ada", "password"), valid("ada"));
}
