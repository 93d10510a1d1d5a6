//! Credentials: of a request, and of the configuration.

use latchkey_component::auth::{Credentials, SignIn};
use latchkey_component::config::Config;

/// Stands in front of every password and hash, and must not be shown.
const SECRET: &str = "s3cr3t-never-shown";

/// The input is the value of a header, the text behind the scheme, and the variable `users`.
pub fn check(input: &[u8]) {
    header(input);
    header(&[b"Basic ", input].concat());
    if let Ok(text) = std::str::from_utf8(input) {
        encoded(text);
        users(text);
    }
}

/// What was read can be written and read again.
fn header(value: &[u8]) {
    let Some(credentials) = Credentials::parse(value) else {
        assert!(!matches!(
            SignIn::parse([value].into_iter()),
            SignIn::Credentials(_)
        ));
        return;
    };
    let Credentials { name, password } = &credentials;
    assert!(!name.as_str().contains(':'));
    let again = Credentials::parse(credentials.to_header().as_bytes()).expect("our own header");
    assert_eq!((&again.name, &again.password), (name, password));
    // Of two, neither counts.
    let two = SignIn::parse([value, value].into_iter());
    assert!(matches!(two, SignIn::Malformed));
}

/// A name and a password survive the header.
fn encoded(text: &str) {
    let Some((name, password)) = text.split_once(':') else {
        return;
    };
    let Ok(name) = name.parse() else { return };
    let given = Credentials {
        name,
        password: password.into(),
    };
    assert!(!format!("{given:?}").contains(SECRET));
    let read = Credentials::parse(given.to_header().as_bytes()).expect("our own header");
    assert_eq!((read.name, read.password), (given.name, given.password));
}

/// A configuration has the users that stand in it, and no message shows what stands behind a colon.
fn users(text: &str) {
    // Without comments, all entries are users.
    if let Ok(config) = configured(text)
        && !text.contains('#')
    {
        for entry in text.split_whitespace() {
            let (name, _) = entry.split_once(':').expect("an entry");
            assert!(config.users.named(name).is_some(), "{name}");
        }
    }
    let secret = text.replace(':', &format!(":{SECRET}"));
    match configured(&secret) {
        Ok(config) => assert!(!format!("{config:?}").contains(SECRET)),
        Err(error) => assert!(!error.contains(SECRET), "{error}"),
    }
}

fn configured(users: &str) -> Result<Config, String> {
    let variable = |name| (name == "users").then(|| users.to_owned());
    Config::from_variables(variable).map_err(|error| format!("{error} {error:?}"))
}
