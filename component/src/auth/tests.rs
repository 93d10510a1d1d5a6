//! Who is let in; what guessing costs is in the modules below.

mod guessing;
mod queueing;
mod time;

use std::cell::Cell;

use super::*;
use crate::ports::Random;
use crate::store::Documents;
use crate::testing::Memory;
use time::{FakeClock, run};

struct FixedRandom;

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// No two draws of a test are the same.
struct Counting;

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        thread_local! {
            static DRAWN: Cell<u64> = const { Cell::new(0) };
        }
        DRAWN.set(DRAWN.get() + 1);
        bytes.fill(0);
        let number = DRAWN.get().to_le_bytes();
        bytes
            .iter_mut()
            .zip(number)
            .for_each(|(byte, digit)| *byte = digit);
    }
}

/// An instance, its clock and the store that it shares with others.
struct Instance {
    clock: FakeClock,
    memory: Memory,
    authenticator: Authenticator,
    store: Documents<(Memory, FakeClock, Counting)>,
    secret: [u8; 32],
}

impl Instance {
    /// With these users and the hashes of their passwords.
    fn new<'a>(users: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        Self::over(Memory::default(), FakeClock::new(), users)
    }

    fn over<'a>(
        memory: Memory,
        clock: FakeClock,
        users: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let users = users.into_iter();
        let users = users.map(|(name, hash)| user(name, &hash));
        Self {
            authenticator: Authenticator::new(
                Users::new(users.collect()),
                DigestKey::random(&FixedRandom),
            ),
            store: Documents::new((memory.clone(), clock.clone(), Counting)),
            clock,
            memory,
            secret: [7; 32],
        }
    }

    async fn answer(&self, sign_in: SignIn, network: &str) -> Result<Authentication, StoreError> {
        match self.authenticator.recognize(sign_in, self.clock.now()) {
            Recognition::Known(authentication) => Ok(authentication),
            Recognition::Unknown(attempt) => {
                let network = network.parse().ok();
                let (secret, store) = (&self.secret, &self.store);
                self.authenticator
                    .verify(&attempt, network, secret, store)
                    .await
            }
        }
    }

    /// The request of somebody who signs in from a network.
    async fn signing_in_from(
        &self,
        network: impl AsRef<str>,
        name: impl AsRef<str>,
        password: impl AsRef<str>,
    ) -> Authentication {
        let credentials = Credentials {
            name: name.as_ref().parse().unwrap(),
            password: password.as_ref().into(),
        };
        let answer = self.answer(SignIn::Credentials(credentials), network.as_ref());
        time::without_user(answer.await.unwrap())
    }

    async fn signing_in(&self, name: impl AsRef<str>, password: impl AsRef<str>) -> Authentication {
        self.signing_in_from(HOME, name, password).await
    }

    /// Signs in.
    fn sign_in(&self, name: impl AsRef<str>, password: impl AsRef<str>) -> Authentication {
        run(&self.clock, self.signing_in(name, password))
    }
}

/// Where clients are if it does not matter.
const HOME: &str = "192.0.2.1";

fn instance() -> Instance {
    Instance::new([
        ("ada", argon2id("password")),
        ("bob", bcrypt_hash("pässword:x")),
    ])
}

/// How many passwords `work` verifies.
fn verifications<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let count = || VERIFICATIONS.get();
    let before = count();
    (work(), count() - before)
}

fn argon2id(password: &str) -> String {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_with_salt(password.as_bytes(), b"saltsaltsalt")
        .unwrap()
        .to_string()
}

fn bcrypt_hash(password: &str) -> String {
    bcrypt::hash_with_salt(password, 4, *b"saltsaltsaltsalt")
        .unwrap()
        .to_string()
}

/// Authenticates a request with these `Authorization` headers by an instance that has seen nothing yet.
fn ask(headers: &[&[u8]]) -> Authentication {
    let instance = instance();
    let sign_in = SignIn::parse(headers.iter().copied());
    let answer = run(&instance.clock, instance.answer(sign_in, HOME));
    time::without_user(answer.unwrap())
}

#[test]
fn the_header_proves_its_user_or_nothing() {
    use Authentication::Absent;
    let (ada, bob) = (valid("ada"), valid("bob"));
    for (headers, expected) in [
        (&[][..], Absent),
        // ada:password
        (&[&b"Basic YWRhOnBhc3N3b3Jk"[..]], ada.clone()),
        (&[b"bAsIc YWRhOnBhc3N3b3Jk"], ada.clone()),
        (&[b"Basic   YWRhOnBhc3N3b3Jk "], ada),
        // bob:pässword:x, with and without padding
        (&["Basic Ym9iOnDDpHNzd29yZDp4".as_bytes()], bob),
        // ada:Password
        (&[b"Basic YWRhOlBhc3N3b3Jk"], FAILED),
        // eve:password
        (&[b"Basic ZXZlOnBhc3N3b3Jk"], FAILED),
        // :password
        (&[b"Basic OnBhc3N3b3Jk"], FAILED),
        // bob: in Latin-1
        (&[b"Basic Ym9iOnDkc3N3b3JkOng="], FAILED),
        // no colon
        (&[b"Basic YWRh"], FAILED),
        (&[b"Basic"], FAILED),
        (&[b"Basic "], FAILED),
        (&[b"Basic !!!!"], FAILED),
        (&[b"YWRhOnBhc3N3b3Jk"], FAILED),
        (&[b"Bearer YWRhOnBhc3N3b3Jk"], FAILED),
        (&["Basic ä".as_bytes()], FAILED),
        (
            &[b"Basic YWRhOnBhc3N3b3Jk", b"Basic YWRhOnBhc3N3b3Jk"],
            FAILED,
        ),
    ] {
        let shown: Vec<_> = headers.iter().map(|h| String::from_utf8_lossy(h)).collect();
        assert_eq!(ask(headers), expected, "{shown:?}");
    }
}

#[test]
fn what_fails_keeps_the_name_of_its_user() {
    let instance = instance();
    let user = Some("ada".parse().unwrap());
    let attempt = |name: &str| {
        let credentials = Credentials {
            name: name.parse().unwrap(),
            password: "wrong".into(),
        };
        let answer = instance.answer(SignIn::Credentials(credentials), HOME);
        run(&instance.clock, answer).unwrap()
    };
    for _ in 0..5 {
        assert_eq!(attempt("ada"), Authentication::Failed(user.clone()));
        assert_eq!(attempt("eve"), Authentication::Failed(None));
    }
    let throttled = |name| match attempt(name) {
        Authentication::Throttled { user, .. } => user,
        other => panic!("{other:?}"),
    };
    assert_eq!(throttled("ada"), user);
    assert_eq!(throttled("eve"), None);
}

fn valid(name: &str) -> Authentication {
    Authentication::Valid(name.parse::<Username>().unwrap().into())
}

const FAILED: Authentication = Authentication::Failed(None);

#[test]
fn the_password_behind_a_decoy_lets_nobody_in() {
    let instance = Instance::new([("ada", argon2id("password"))]);
    assert_eq!(instance.sign_in("eve", "password"), FAILED);
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
}

fn user(name: &str, hash: &str) -> User {
    User {
        name: name.parse().unwrap(),
        hash: hash.parse().unwrap(),
        since: 0,
    }
}

#[test]
fn decoys_cannot_be_predicted_and_stay_the_same() {
    let users = ["ada", "bob", "eve", "joe"].map(|name| user(name, &argon2id(name)));
    let users = Users::new(users.into());
    let decoys = |secret: u8| {
        let key = DigestKey::new(&[secret; 32]);
        let names = (0..40).map(|number| format!("name {number}").parse().unwrap());
        let decoy = |name: Username| users.decoy(|count| key.decoy(&name, count)).clone();
        names.map(decoy).collect::<Vec<_>>()
    };
    assert!(decoys(1) == decoys(1));
    assert!(decoys(1) != decoys(2));
    for index in 0..users.count() {
        assert!(decoys(1).contains(users.hash(index)));
    }
}

#[test]
fn a_bcrypt_password_has_one_spelling() {
    let long = "0123456789".repeat(8);
    let instance = Instance::new([
        ("ada", bcrypt_hash("pw")),
        ("bob", bcrypt_hash(&long[..72])),
        ("eve", argon2id(&long)),
    ]);
    for (name, password, right) in [
        ("ada", "pw\0pw", false),
        ("ada", "pw\0", false),
        ("ada", "pw", true),
        ("bob", &long[..73], false),
        ("bob", &long, false),
        ("bob", &long[..72], true),
        ("eve", &long[..72], false),
        ("eve", &long, true),
    ] {
        let (answer, verified) = verifications(|| instance.sign_in(name, password));
        assert_eq!(
            answer,
            if right { valid(name) } else { FAILED },
            "{name} {password:?}"
        );
        assert_eq!(verified, 1);
    }
}

#[test]
fn a_password_may_be_typed_in_another_normal_form_or_encoded_as_in_a_form() {
    let users = |name| {
        [
            (name, argon2id("p\u{e4}ss word+%41")),
            ("old", argon2id("a\u{308}")),
        ]
    };
    for (name, typed_name, password, right) in [
        ("ada", "ada", "p\u{e4}ss word+%41", true),
        ("ada", "ada", "pa\u{308}ss\u{a0}word+%41", true),
        ("ada", "ada", "p%C3%A4ss+word%2B%2541", true),
        ("ada", "ada", "p%C3%A4ss+word%2B%41", false),
        ("ada", "a%64a", "p%C3%A4ss+word%2B%2541", true),
        ("a+b c", "a%2Bb+c", "p%C3%A4ss+word%2B%2541", true),
        ("a+b c", "a+b c", "p\u{e4}ss word+%41", true),
        // A hash that was made of another form goes on working.
        ("ada", "old", "a\u{308}", true),
        ("ada", "old", "\u{e4}", false),
    ] {
        let instance = Instance::new(users(name));
        let answer = instance.sign_in(typed_name, password);
        let user = if typed_name == "old" { "old" } else { name };
        assert_eq!(
            answer,
            if right { valid(user) } else { FAILED },
            "{typed_name} {password}"
        );
    }
}

#[test]
fn a_generated_password_costs_nothing_and_cannot_be_locked_out() {
    let generated = |fill: u8| {
        struct Filled(u8);
        impl Random for Filled {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(self.0);
            }
        }
        GeneratedPassword::new(&Filled(fill))
    };
    let [right, wrong] = [1, 2].map(generated);
    let instance = Instance::new([("ada", argon2id("password")), ("ci", right.hash())]);
    // Nothing of this reads or writes the store.
    instance.memory.broken.set(true);
    let (_, verified) = verifications(|| {
        for _ in 0..20 {
            for name in ["ci", "ada", "eve"] {
                assert_eq!(instance.sign_in(name, wrong.secret().expose()), FAILED);
            }
            assert_eq!(instance.sign_in("ci", right.secret().expose()), valid("ci"));
            assert_eq!(instance.sign_in("eve", right.secret().expose()), FAILED);
        }
    });
    assert_eq!(verified, 0);

    // A password of another form is refused as that of an unknown user is, and what is right for a decoy is not right.
    instance.memory.broken.set(false);
    for name in ["ci", "eve"] {
        let (answer, verified) = verifications(|| instance.sign_in(name, "password"));
        assert_eq!((answer, verified), (FAILED, 1), "{name}");
    }

    // Where all passwords are generated, no others are verified at all.
    let instance = Instance::new([("ci", right.hash())]);
    for name in ["ci", "eve"] {
        let (answer, verified) = verifications(|| instance.sign_in(name, "password"));
        assert_eq!((answer, verified), (FAILED, 0), "{name}");
    }
}

#[test]
fn where_the_store_fails_nobody_is_told_whether_the_password_is_right() {
    let instance = instance();
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
    instance.memory.broken.set(true);
    for (name, password) in [("ada", "wrong"), ("bob", "pässword:x"), ("eve", "")] {
        let credentials = Credentials {
            name: name.parse().unwrap(),
            password: password.into(),
        };
        let answer = instance.answer(SignIn::Credentials(credentials), HOME);
        assert!(run(&instance.clock, answer).is_err(), "{name}");
    }
    // Who has signed in needs nothing of the store.
    assert_eq!(instance.sign_in("ada", "password"), valid("ada"));
}

#[test]
fn a_verified_password_is_remembered_while_it_is_used() {
    let at = |secs: u64| Timestamp::new(Duration::from_secs(1_000_000 + secs));
    let key = DigestKey::random(&FixedRandom);
    let ada: Username = "ada".parse().unwrap();
    let hash: PasswordHash = argon2id("password").parse().unwrap();
    let digest = key.password(&ada, &"password".into(), Some(&hash));
    let mut remembered = Remembered::new(2);
    assert!(!remembered.recognizes(1, &digest, at(0)));

    remembered.insert(1, digest, at(0));
    assert!(remembered.recognizes(1, &digest, at(0)));
    assert!(!remembered.recognizes(0, &digest, at(0)));
    assert!(remembered.recognizes(1, &digest, at(299)));
    assert!(remembered.recognizes(1, &digest, at(299 + 299)));
    assert!(!remembered.recognizes(1, &digest, at(299 + 299 + 300)));
}

#[test]
fn a_password_is_remembered_for_its_user_and_its_hash_alone() {
    let now = Timestamp::new(Duration::from_secs(1_000_000));
    let key = DigestKey::random(&FixedRandom);
    let [ada, eve]: [Username; 2] = ["ada", "eve"].map(|name| name.parse().unwrap());
    let hash: PasswordHash = argon2id("password").parse().unwrap();
    let other: PasswordHash = bcrypt_hash("password").parse().unwrap();
    let mut remembered = Remembered::new(1);
    remembered.insert(0, key.password(&ada, &"password".into(), Some(&hash)), now);
    for (user, password, hash, recognized) in [
        (&ada, "password", &hash, true),
        (&ada, "passwore", &hash, false),
        (&ada, "", &hash, false),
        (&ada, "password", &other, false),
        (&eve, "password", &hash, false),
    ] {
        let digest = key.password(user, &password.into(), Some(hash));
        let seen = remembered.recognizes(0, &digest, now);
        assert_eq!(seen, recognized, "{user} {password}");
    }
}

#[test]
fn hashes_that_cannot_work_are_refused() {
    use PasswordHashError::*;
    let good = argon2id("x");
    let short = &good[..good.len() - 40];
    for (hash, error) in [
        ("", Unknown),
        ("password", Unknown),
        (
            "$2a$10$abcdefghijklmnopqrstuuKOfpmNcAcCvAHpoXFPQ1z3l6JKsDIt2",
            Bcrypt2a,
        ),
        (
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaA",
            OtherKind,
        ),
        ("$6$salt$hash", OtherKind),
        ("{SSHA}hash", OtherKind),
        ("$argon2id$", MalformedArgon2),
        (
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0",
            MalformedArgon2,
        ),
        (short.trim_end_matches('$'), MalformedArgon2),
        (&good.replace("m=8", "m=1048576"), Argon2TooCostly),
        (&good.replace("m=8", "m=131072"), Argon2TooCostly),
        (&good.replace("m=8,t=1", "m=65536,t=100"), Argon2TooCostly),
        (&good.replace("m=8", "m=7"), MalformedArgon2),
        ("$2b$", MalformedBcrypt),
        ("$2b$04$tooshort", MalformedBcrypt),
        (&bcrypt_hash("x").replace("$04$", "$03$"), MalformedBcrypt),
        (&bcrypt_hash("x").replace("$04$", "$17$"), BcryptTooCostly),
    ] {
        assert_eq!(hash.parse::<PasswordHash>(), Err(error), "{hash}");
    }
    assert!(
        bcrypt_hash("x")
            .replace("$2b$", "$2y$")
            .parse::<PasswordHash>()
            .is_ok()
    );
}

#[test]
fn nothing_secret_is_shown() {
    let credentials = Credentials::parse(b"Basic YWRhOnBhc3N3b3Jk").unwrap();
    assert_eq!(
        format!("{credentials:?}"),
        r#"Credentials { name: Username("ada"), password: Secret(..) }"#
    );
    assert_eq!(
        format!("{:?}", instance().authenticator),
        "Authenticator(..)"
    );
    let users = format!("{:?}", instance().authenticator.users);
    assert!(
        !users.contains("c2FsdHNhbHRzYWx0") && !users.contains("saltsalt"),
        "{users}"
    );
}
