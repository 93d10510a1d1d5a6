//! HTTP Basic (RFC 7617): who is let in. That every route asks is in `authorization.rs`.

use insta::assert_snapshot;

use crate::cases::Cases;
use crate::client::basic;
use crate::raw::ask;
use crate::response::Response;
use crate::server::{HASH, Server, TOKENS, host_only};

#[test]
fn no_credentials() {
    assert_snapshot!(Server::shared().request("GET", TOKENS).send().snapshot(), @r#"
    401
    content-type: application/json
    www-authenticate: Basic realm="latchkey", charset="UTF-8"

    {"message":"The server could not verify that you are authorized to access the URL requested. Sign in with HTTP Basic authentication: the credentials are missing or wrong.","code":"unauthorized"}
    "#);
}

#[test]
fn the_scheme_is_case_insensitive() {
    let user = Server::shared().user();
    let good = basic(&user.name, &user.password);
    let credentials = good.strip_prefix("Basic ").expect("the scheme");
    let mut cases = Cases::default();
    for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
        let header = format!("Authorization: {scheme} {credentials}");
        cases.check(
            scheme,
            ask(user.server, &format!("GET {TOKENS}"), &[&header]).status,
            404,
        );
    }
    let header = format!("aUTHORIZATION: {good}");
    cases.check(
        &header,
        ask(user.server, &format!("GET {TOKENS}"), &[&header]).status,
        404,
    );
}

#[test]
fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let user = Server::shared().user();
    let absent = user.server.request("GET", TOKENS).send();
    let unknown = user.server.named("nobody", &user.password).list();
    assert_eq!(unknown.snapshot(), absent.snapshot());
    if !host_only("a user at whom nobody has guessed") {
        return;
    }
    let wrong = user.server.named(&user.name, "wrong").list();
    assert_eq!(unknown.snapshot(), wrong.snapshot());
    let names = |response: &Response| {
        let mut names: Vec<_> = response
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&unknown), names(&wrong));
}

#[test]
fn almost_the_right_credentials() {
    type Almost = fn(&str, &str) -> (String, String);
    let wrong: [Almost; 18] = [
        |name, _| (name.to_owned(), String::new()),
        |name, password| (name.to_owned(), format!("{password} ")),
        |name, password| (name.to_owned(), format!(" {password}")),
        |name, password| (name.to_owned(), format!("{password}\0")),
        |name, password| (name.to_owned(), format!("{password}{password}")),
        |name, password| (name.to_owned(), password[..password.len() - 1].to_owned()),
        |name, password| (name.to_owned(), password.to_uppercase()),
        |name, password| (name.to_owned(), format!(":{password}")),
        |name, _| (name.to_owned(), "p".repeat(5000)),
        |name, password| (name.to_uppercase(), password.to_owned()),
        |name, password| (format!("{name} "), password.to_owned()),
        |name, password| (format!(" {name}"), password.to_owned()),
        |name, password| (format!("{name}\0"), password.to_owned()),
        |name, password| (name[1..].to_owned(), password.to_owned()),
        |_, password| (String::new(), password.to_owned()),
        |_, _| (String::new(), String::new()),
        |name, password| (password.to_owned(), name.to_owned()),
        |_, password| ("n".repeat(5000), password.to_owned()),
    ];
    let mut cases = Cases::default();
    for almost in wrong {
        // One each: after a few failures a user is refused unseen.
        let user = Server::shared().user();
        let (name, password) = almost(&user.name, &user.password);
        let case = format!("{name:.40}:{password:.40}");
        cases.check(
            &case,
            user.server.named(&name, &password).list().refusal(),
            (401, "unauthorized".to_owned()),
        );
        cases.check((case, "then the right ones"), user.signs_in(), true);
    }
}

#[test]
fn the_hash_is_no_password() {
    if !host_only("users of its own") {
        return;
    }
    let user = Server::shared().user();
    assert!(!user.server.named(&user.name, HASH).signs_in());
}

#[test]
fn passwords_may_hold_colons_and_names_and_passwords_are_utf_8() {
    if !host_only("users of its own") {
        return;
    }
    let server = Server::shared();
    let mut cases = Cases::default();
    for (name, password, accepted) in [
        ("colon", "pass:word::", true),
        ("colon", "pass:word:", false),
        ("colon", "pass", false),
        ("colon:pass", "word::", true),
        ("zoë", "pässwörd ☃", true),
        ("zoë", "password ☃", false),
        ("zoe", "pässwörd ☃", false),
        // The same text to the eye, other bytes: nothing is normalised.
        ("zoe\u{308}", "pässwörd ☃", false),
    ] {
        cases.check(
            (name, password),
            server.named(name, password).signs_in(),
            accepted,
        );
    }
}

#[test]
fn a_user_never_sees_another_ones_tokens() {
    if !host_only("two users") {
        return;
    }
    let [one, other] = [Server::shared().user(), Server::shared().user()];
    one.issue("Token", 360);
    other.list().refused(404, "no_tokens");
    let issued = other.issue("Other", 360);
    assert_eq!(other.ids(), [issued.id]);
}
