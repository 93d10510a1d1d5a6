//! The page for people, in a real browser.

use serde_json::json;

use crate::client::basic;
use crate::relay::Relay;
use crate::server::{HASH, Launch, Server, TOKENS, User, host_only};
use crate::webdriver::{Browser, ENTER, ESCAPE, TAB};

/// A browser that shows the page, at `url`.
fn opened(url: &str) -> Option<Browser> {
    let browser = Browser::start()?;
    browser.open(&format!("{url}/"));
    Some(browser)
}

/// A browser in which `user` has signed in at `url`.
pub fn signed_in(user: &User, url: &str) -> Option<Browser> {
    let browser = opened(url)?;
    sign_in(&browser, user);
    Some(browser)
}

fn sign_in(browser: &Browser, user: &User) {
    browser.fill("#user", &user.name);
    browser.fill("#password", &user.password);
    browser.click("#sign-in button");
    browser.says("#account", &user.name);
}

/// Sends the form for a new token.
fn create(browser: &Browser, name: &str, life: &str) {
    browser.fill("#name", name);
    browser.fill("#life", life);
    browser.click("#create .main");
}

/// The token that is shown, which is hidden then.
fn take_token(browser: &Browser) -> String {
    let token = browser.text(".fresh .token");
    browser.click(".fresh .dismiss");
    browser.wait("the token to go", || {
        (!browser.shows(".fresh")).then_some(())
    });
    let source = browser.source();
    assert!(!source.contains(&token), "{source}");
    token
}

/// What the server answers to who shows `token`.
fn verified(server: &Server, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let request = server.request("GET", "/api/v1alpha/verify");
    request.header("authorization", &bearer).send().status
}

/// What the page says of itself about a field: that it is wrong, and why.
#[track_caller]
fn blamed(browser: &Browser, field: &str, why: &str) {
    browser.says(&format!("#{field}-error"), why);
    let field = format!("#{field}");
    let attribute = |name| browser.attribute(&field, name);
    assert_eq!(attribute("aria-invalid").as_deref(), Some("true"));
    let described = attribute("aria-describedby").unwrap_or_default();
    assert!(described.contains(&format!("{}-error", &field[1..])));
    assert!(browser.focused(&field));
}

#[track_caller]
fn no_complaints(browser: &Browser) {
    assert_eq!(browser.complaints(TOKENS), [] as [serde_json::Value; 0]);
}

#[test]
fn a_token_that_can_do_less_and_when_it_was_used() {
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    create(&browser, "Phone", "1 hour");
    take_token(&browser);
    // What limits it is out of the way until it is wanted.
    assert!(!browser.shows("#scope"));
    browser.click("#limits summary");
    browser.fill("#scope", "é");
    create(&browser, "Backup", "30 days");
    blamed(&browser, "scope", "Must be words");
    browser.fill("#scope", " read   write ");
    browser.fill("#audience", "git.example, pip");
    browser.click("#create .main");
    let token = take_token(&browser);
    let row = "#rows li:nth-child(1)";
    browser.says(
        &format!("{row} .limits"),
        "Only to read write. Only at git.example, pip",
    );
    browser.says(&format!("{row} .used"), "No known use");
    for (query, status) in [("scope=read&audience=pip", 200), ("scope=admin", 403)] {
        let request = server.request("GET", &format!("/api/v1alpha/verify?{query}"));
        let answer = request.header("x-api-key", &token).send();
        answer.expect(status);
    }
    // Written after the answer.
    browser.wait("the use", || {
        browser.click("#refresh");
        let text = browser.text(&format!("{row} .used"));
        text.starts_with("Last used ").then_some(())
    });
    create(&browser, "Laptop", "1 day");
    take_token(&browser);
    for (order, first) in [("ends", "Phone"), ("used", "Backup"), ("", "Laptop")] {
        browser.run(&format!(
            "const sort = document.getElementById('sort');
             sort.value = '{order}';
             sort.dispatchEvent(new Event('input', {{ bubbles: true }}));"
        ));
        browser.says(&format!("{row} .name"), first);
    }
    // The ones of the form are those that were wrong.
    no_complaints(&browser);
}

#[test]
fn the_life_of_a_token() {
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    browser.says("#empty", "No tokens yet");

    create(&browser, "Phone", "50 minutes");
    browser.says(".fresh", "not shown again");
    browser.click(".fresh .copy");
    browser.says("#said", "copied");
    let first = take_token(&browser);
    assert_eq!(verified(server, &first), 200);

    browser.says("#rows li", "Phone");
    browser.says("#rows li", "50 minutes");
    let left = browser.text("#rows .left");
    assert!(left.contains("49 minutes"), "{left}");
    browser.wait("the countdown", || {
        (browser.text("#rows .left") != left).then_some(())
    });

    browser.click("[aria-label='Rotate Phone']");
    browser.says("#rotate h2", "“Phone”");
    browser.click("#rotate [value='10 minutes']");
    assert_eq!(browser.value("#overlap"), "10 minutes");
    browser.click("#rotate .main");
    let second = take_token(&browser);
    assert_ne!(first, second);
    assert_eq!(
        [&first, &second].map(|token| verified(server, token)),
        [200; 2]
    );
    browser.says("#rows li:nth-child(2) .badge", "Replaced");
    browser.says("#rows li:nth-child(2) .left", "9 minutes");
    assert!(!browser.shows("#rows li:nth-child(2) .rotate"));

    let revoke = "#rows li:nth-child(1) .revoke";
    browser.click(revoke);
    browser.says("#revoke h2", "Revoke “Phone”?");
    browser.click("#revoke .cancel");
    browser.wait("the dialog to close", || {
        browser.focused(revoke).then_some(())
    });
    assert_eq!(verified(server, &second), 200);
    browser.click(revoke);
    browser.click("#revoke-yes");
    browser.says("#said", "“Phone” is revoked");
    assert_eq!(
        [&first, &second].map(|token| verified(server, token)),
        [200, 401]
    );
    assert_eq!(user.ids().len(), 1);
    browser.says("#count", "(1)");

    create(&browser, "Laptop", "1 day");
    take_token(&browser);
    browser.click("#revoke-all");
    browser.says("#revoke-text", "2 tokens");
    browser.click("#revoke-yes");
    browser.says("#empty", "No tokens yet");
    assert_eq!(user.ids(), [] as [String; 0]);
    no_complaints(&browser);
}

#[test]
fn what_is_refused_is_said_beside_its_field() {
    let server = Server::shared();
    let user = server.user();
    user.issue("Phone", 360);
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    create(&browser, "Phone", "6 hours");
    blamed(
        &browser,
        "name",
        "Token description already exists or is blank",
    );
    create(&browser, "", "6 hours");
    blamed(
        &browser,
        "name",
        "Token description already exists or is blank",
    );
    create(&browser, &"x".repeat(257), "6 hours");
    blamed(&browser, "name", "256");
    create(&browser, "Laptop", "six hours");
    blamed(&browser, "life", "A number must come before 'six'");
    assert!(browser.attribute("#name", "aria-invalid").is_none());
    create(&browser, "Laptop", "");
    blamed(&browser, "life", "Must not be empty");
    assert_eq!(browser.value("#name"), "Laptop");
    // It is not held against who mends it.
    browser.click("#create [value='1 day']");
    assert!(browser.attribute("#life", "aria-invalid").is_none());

    browser.click("[aria-label='Rotate Phone']");
    browser.fill("#overlap", "long");
    browser.click("#rotate .main");
    blamed(&browser, "overlap", "A number must come before 'long'");
    browser.click("#rotate .cancel");

    browser.click("#create .main");
    take_token(&browser);
    assert_eq!(user.ids().len(), 2);
    no_complaints(&browser);
}

#[test]
fn wrong_passwords() {
    if !host_only("a user of its own") {
        return;
    }
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = opened(&server.url) else {
        return;
    };
    browser.fill("#user", &user.name);
    let mut told = Vec::new();
    // The wait begins with the fifth failure, and is longer after each one that comes when it is over.
    while told.len() < 20
        && !told
            .last()
            .is_some_and(|told: &String| told.contains("Wait"))
    {
        browser.fill("#password", "wrong");
        browser.click("#sign-in button");
        told.push(browser.text("#sign-in [role=alert]"));
        assert!(!browser.shows("#work"));
    }
    assert!(
        told.len() > 5 && told[..5].iter().all(|told| told.contains("wrong")),
        "{told:?}"
    );
    // What was refused without a look may be right: it need not be filled in again.
    assert_eq!(browser.value("#password"), "wrong");
    browser.fill("#password", &user.password);
    browser.wait("the end of the wait", || {
        browser.run(
            "const form = document.querySelector('#sign-in');
            if (!form.hidden && form.ariaBusy !== 'true') form.requestSubmit()",
        );
        browser.shows("#work").then_some(())
    });
    assert_eq!(
        browser.run("return document.querySelector('#password').value"),
        ""
    );
    no_complaints(&browser);
}

#[test]
fn a_lost_answer_makes_no_second_token() {
    if !host_only("a network of its own") {
        return;
    }
    let server = Server::shared();
    let user = server.user();
    let relay = Relay::to(server);
    let Some(browser) = signed_in(&user, &relay.url) else {
        return;
    };
    relay.lose_answers(true);
    create(&browser, "Phone", "6 hours");
    browser.says("#create [role=alert]", "does not answer");
    assert_eq!(user.ids().len(), 1, "it was made all the same");
    assert_eq!(browser.value("#name"), "Phone");
    assert_eq!(browser.value("#life"), "6 hours");

    relay.lose_answers(false);
    browser.click("#create .main");
    let token = take_token(&browser);
    assert_eq!(verified(server, &token), 200);
    assert_eq!(user.ids().len(), 1);

    // Another of the same content is another.
    create(&browser, "Phone", "6 hours");
    blamed(&browser, "name", "already exists");
    no_complaints(&browser);
}

#[test]
fn another_password_meanwhile() {
    if !host_only("hosts of its own") {
        return;
    }
    let [before, after] = [format!("ada:{HASH}"), format!("eve:{HASH}")]
        .map(|users| Server::start(Launch::new().users(Some(&users))));
    let relay = Relay::to(&before);
    let user = before.named("ada", crate::server::PASSWORD);
    let Some(browser) = signed_in(&user, &relay.url) else {
        return;
    };
    create(&browser, "Phone", "1 day");
    let token = browser.text(".fresh .token");
    browser.fill("#name", "Laptop");
    relay.lead_to(&after);
    browser.click("#refresh");
    browser.says("#sign-in [role=alert]", "sign in again");
    assert!(browser.focused("#password"));
    let source = browser.source();
    assert!(
        !source.contains(&token) && !source.contains("Phone"),
        "{source}"
    );
    relay.lead_to(&before);
    sign_in(&browser, &user);
    assert_eq!(browser.value("#name"), "Laptop", "what was half written");
    browser.says("#rows li", "Phone");
    no_complaints(&browser);
}

#[test]
fn a_token_that_is_revoked_is_not_offered_any_more() {
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    create(&browser, "Phone", "1 day");
    browser.text(".fresh .token");
    browser.says("#rows li", "Phone");
    browser.click("#rows .revoke");
    browser.click("#revoke-yes");
    browser.wait("the end of what is of no use", || {
        (!browser.shows(".fresh")).then_some(())
    });
    assert!(user.ids().is_empty());
    no_complaints(&browser);
}

#[test]
fn nothing_is_kept() {
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    create(&browser, "Phone", "1 day");
    browser.text(".fresh .token");
    let kept = "return indexedDB.databases().then((databases) => [
        localStorage.length, sessionStorage.length, document.cookie, databases.length, history.state, location.href,
        document.querySelector('#password').value])";
    let url = format!("{}/", server.url);
    assert_eq!(browser.run(kept), json!([0, 0, "", 0, null, url, ""]));
    assert_eq!(browser.url(), url);

    // There is a token that nobody may have copied.
    browser.click("#leave");
    browser.accept();
    assert!(browser.focused("#user"));
    let source = browser.source();
    let authorization = basic(&user.name, &user.password);
    for secret in ["Phone", "eyJ0", authorization.trim_start_matches("Basic ")] {
        assert!(!source.contains(secret), "{secret}: {source}");
    }
    assert_eq!(browser.run(kept), json!([0, 0, "", 0, null, url, ""]));
    assert_eq!(browser.value("#user"), "");
    // Nor does it come back.
    browser.open(&url);
    assert!(browser.shows("#sign-in") && !browser.shows("#work"));
    no_complaints(&browser);
}

#[test]
fn names_are_text() {
    let server = Server::shared();
    let user = server.user();
    // Markup, and an override that would reverse the text after it.
    let name = "<img src=x onerror=document.title='owned'>\u{202e}<b>";
    user.issue(name, 360);
    let Some(browser) = signed_in(&user, &server.url) else {
        return;
    };
    browser.says("#rows .name", name);
    browser.click("#rows .rotate");
    browser.says("#rotate h2", name);
    browser.click("#rotate .main");
    browser.says(".fresh h2", name);
    take_token(&browser);
    browser.click("#rows .revoke");
    browser.says("#revoke h2", name);
    browser.click("#revoke-yes");
    browser.says("#said", name);
    let made = "return [document.title, document.querySelectorAll('img, #rows b').length]";
    assert_eq!(browser.run(made), json!(["Latchkey", 0]));
    no_complaints(&browser);
}

#[test]
fn by_keyboard_alone() {
    let server = Server::shared();
    let user = server.user();
    let Some(browser) = opened(&server.url) else {
        return;
    };
    let arrives = |selector: &str| {
        browser.wait(&format!("the focus on {selector}"), || {
            browser.focused(selector).then_some(())
        });
    };
    arrives("#user");
    browser.press(&format!("{}{TAB}{}{ENTER}", user.name, user.password));
    arrives("#create-title");
    browser.press(&format!("{TAB}Phone{TAB}1 day{ENTER}"));
    arrives(".fresh h2");
    browser.press(TAB);
    arrives(".token");
    browser.press(&format!("{TAB}{TAB}{ENTER}"));
    arrives("#list-title");
    assert!(!browser.shows(".fresh"));
    browser.says("#rows li", "Phone");
    // Refresh, copy the id, rotate.
    browser.press(&TAB.repeat(4));
    let revoke = "[aria-label='Revoke Phone']";
    arrives(revoke);
    browser.press(ENTER);
    arrives("#revoke .cancel");
    browser.press(ESCAPE);
    arrives(revoke);
    assert_eq!(user.ids().len(), 1);
    browser.press(ENTER);
    arrives("#revoke .cancel");
    browser.press(&format!("{TAB}{ENTER}"));
    arrives("#list-title");
    assert_eq!(user.ids(), [] as [String; 0]);
    no_complaints(&browser);
}
