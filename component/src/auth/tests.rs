//! Who is let in; what guessing costs is in the modules below.

mod guessing;
mod queueing;
mod time;

use super::*;
use time::{FakeClock, run};

struct FixedRandom;

impl Random for FixedRandom {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn authenticator() -> Authenticator {
    Authenticator::new(
        Users::new(vec![
            (
                "ada".parse().unwrap(),
                argon2id("password").parse().unwrap(),
            ),
            (
                "bob".parse().unwrap(),
                bcrypt_hash("pässword:x").parse().unwrap(),
            ),
        ]),
        &FixedRandom,
    )
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
    let clock = FakeClock::new();
    let sign_in = SignIn::parse(headers.iter().copied());
    let authentication = run(&clock, authenticator().authenticate(sign_in, &clock));
    time::without_user(authentication)
}

#[test]
fn the_header_proves_its_user_or_nothing() {
    use Authentication::Absent;
    const FAILED: Authentication = Authentication::Failed(None);
    let ada = Authentication::Valid("ada".parse().unwrap());
    let bob = Authentication::Valid("bob".parse().unwrap());
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
    let clock = FakeClock::new();
    let authenticator = authenticator();
    let user = Some("ada".parse().unwrap());
    let attempt = |name: &str| {
        let credentials = Credentials {
            name: name.parse().unwrap(),
            password: "wrong".into(),
        };
        let sign_in = SignIn::Credentials(credentials);
        run(&clock, authenticator.authenticate(sign_in, &clock))
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

#[test]
fn the_password_behind_a_decoy_lets_nobody_in() {
    let users = vec![(
        "ada".parse().unwrap(),
        argon2id("password").parse().unwrap(),
    )];
    let authenticator = Authenticator::new(Users::new(users), &FixedRandom);
    let clock = FakeClock::new();
    let sign_in = |name| time::sign_in(&authenticator, &clock, name, "password");
    assert_eq!(sign_in("eve"), Authentication::Failed(None));
    assert_eq!(
        sign_in("ada"),
        Authentication::Valid("ada".parse().unwrap())
    );
}

#[test]
fn a_verified_password_is_remembered_while_it_is_used() {
    let at = |secs: u64| Timestamp::new(Duration::from_secs(1_000_000 + secs));
    let key = DigestKey::new(&FixedRandom);
    let ada: Username = "ada".parse().unwrap();
    let hash: PasswordHash = argon2id("password").parse().unwrap();
    let digest = key.password(&ada, &"password".into(), &hash);
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
    let key = DigestKey::new(&FixedRandom);
    let [ada, eve]: [Username; 2] = ["ada", "eve"].map(|name| name.parse().unwrap());
    let hash: PasswordHash = argon2id("password").parse().unwrap();
    let other: PasswordHash = bcrypt_hash("password").parse().unwrap();
    let mut remembered = Remembered::new(1);
    remembered.insert(0, key.password(&ada, &"password".into(), &hash), now);
    for (user, password, hash, recognized) in [
        (&ada, "password", &hash, true),
        (&ada, "passwore", &hash, false),
        (&ada, "", &hash, false),
        (&ada, "password", &other, false),
        (&eve, "password", &hash, false),
    ] {
        let digest = key.password(user, &password.into(), hash);
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
    assert_eq!(format!("{:?}", authenticator()), "Authenticator(..)");
    let users = format!("{:?}", authenticator().users);
    assert!(
        !users.contains("c2FsdHNhbHRzYWx0") && !users.contains("saltsalt"),
        "{users}"
    );
}
