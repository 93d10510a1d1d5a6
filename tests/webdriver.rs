//! A headless Chromium, driven through ChromeDriver (W3C WebDriver).

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::http;

use crate::client;
use crate::process::{PATIENCE, Process, Stderr};

/// How keys without a character are written (WebDriver, section 17.4.2).
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// A browser of the test's own, without a past. Its methods wait for what they are to find, and fail when it does not come.
pub struct Browser {
    /// Taken when it ends.
    client: Option<Client>,
    runtime: Runtime,
    /// Of the session, at the driver.
    session: String,
    // The driver goes before the profile that its browser writes to.
    _driver: Process,
    _profile: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts one; `None`, and a line on stderr, where Chromium or its driver is not installed. In CI they always are.
    pub fn start() -> Option<Self> {
        // Several at a time would only slow each other down.
        static TURN: Mutex<()> = Mutex::new(());
        let Some([chromium, chromedriver]) = installed() else {
            let missing = "chromium or chromedriver is not installed";
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            // Past the capture of `eprintln!`.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {missing}");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = tempfile::tempdir().expect("a directory");
        let (driver, url) = start_driver(&chromedriver);
        let data = format!("--user-data-dir={}", profile.path().display());
        let capabilities = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "binary": chromium, "args": [
                "--headless", data, "--window-size=1280,800",
                // So that it ends with the driver, even one that is killed.
                "--remote-debugging-pipe",
                // Its sandbox does not work as root, nor in most containers; and the pages are our own.
                "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                // It is to talk to the server under test, and to nobody else.
                "--disable-background-networking", "--disable-component-update", "--disable-quic",
                "--disable-sync", "--no-first-run",
            ] },
        });
        let runtime = Runtime::new().expect("a runtime");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(serde_json::from_value(capabilities).expect("an object"));
        let client = runtime
            .block_on(builder.connect(&url))
            .expect("the browser starts");
        let id = runtime.block_on(client.session_id()).expect("an answer");
        Some(Self {
            client: Some(client),
            runtime,
            session: format!("{url}/session/{}", id.expect("a session")),
            _driver: driver,
            _profile: profile,
            _turn: turn,
        })
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it has not ended")
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.runtime
            .block_on(self.client().goto(url))
            .expect("the page loads");
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        let url = self.runtime.block_on(self.client().current_url());
        url.expect("an address").to_string()
    }

    /// The document as it is now.
    pub fn source(&self) -> String {
        let source = self.runtime.block_on(self.client().source());
        source.expect("the source")
    }

    /// What `script` returns, a promise or a value.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        let answer = self
            .runtime
            .block_on(self.client().execute(script, Vec::new()));
        answer.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until `question` is answered by something.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut question: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = question() {
                return answer;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain for {what}: {}\n{:?}",
                self.source(),
                self.console()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether there is an element of this selector that can be seen.
    pub fn shows(&self, selector: &str) -> bool {
        self.visible(selector).is_some()
    }

    /// The text, as it can be seen, of the first element that this selector finds.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        self.of(selector, async |element| element.text().await)
    }

    /// Waits until that element says `text` somewhere.
    #[track_caller]
    pub fn says(&self, selector: &str, text: &str) {
        self.wait(&format!("{text:?} in {selector}"), || {
            let element = self.visible(selector)?;
            let said = self.runtime.block_on(element.text()).ok()?;
            said.contains(text).then_some(())
        });
    }

    /// What is filled in.
    #[track_caller]
    pub fn value(&self, selector: &str) -> String {
        let value = self.of(selector, async |element| element.prop("value").await);
        value.expect("a form control")
    }

    /// What an attribute says, if it is there.
    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        self.of(selector, async |element| element.attr(name).await)
    }

    /// Says yes to what the page asks in a dialog of the browser's own.
    pub fn accept(&self) {
        let accepted = self.runtime.block_on(self.client().accept_alert());
        accepted.expect("a dialog");
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.of(selector, async |element| element.click().await);
    }

    /// Fills in `text` instead of what is there.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) {
        self.of(selector, async |element| {
            element.clear().await?;
            element.send_keys(text).await
        });
    }

    /// Presses and releases one key after the other, wherever the focus is.
    pub fn press(&self, keys: &str) {
        let actions = keys
            .chars()
            .fold(KeyActions::new("keys".to_owned()), |actions, key| {
                actions
                    .then(KeyAction::Down { value: key })
                    .then(KeyAction::Up { value: key })
            });
        self.runtime
            .block_on(self.client().perform_actions(actions))
            .expect("keys can be pressed");
    }

    /// Whether the element of this selector has the focus.
    pub fn focused(&self, selector: &str) -> bool {
        self.run(&format!(
            "return document.activeElement.matches({})",
            json!(selector)
        )) == true
    }

    /// What the console says since it was last asked, but for the line that the browser itself writes when an answer to a
    /// request of `path` is an error or does not come: with such answers the page is to cope, silently.
    pub fn complaints(&self, path: &str) -> Vec<Value> {
        let mut entries = self.console();
        entries.retain(|entry| {
            let message = entry["message"].as_str().expect("a message");
            entry["source"] != "network" || !message.contains(path)
        });
        entries
    }

    /// The command is ChromeDriver's own.
    fn console(&self) -> Vec<Value> {
        let request = http::Request::post(format!("{}/se/log", self.session))
            .header("content-type", "application/json")
            .body(r#"{"type":"browser"}"#)
            .expect("a valid request");
        let mut answer = client::agent().run(request).expect("an answer");
        let answer = answer.body_mut().read_to_string().expect("a body");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["value"].as_array().expect("the entries").clone()
    }

    /// Waits for a visible element, and for it to do what is asked of it: it may be covered, or replaced meanwhile.
    #[track_caller]
    fn of<T>(&self, selector: &str, act: impl AsyncFn(&Element) -> Result<T, CmdError>) -> T {
        self.wait(selector, || {
            let element = self.visible(selector)?;
            self.runtime.block_on(act(&element)).ok()
        })
    }

    fn visible(&self, selector: &str) -> Option<Element> {
        self.runtime.block_on(async {
            let element = self.client().find(Locator::Css(selector)).await.ok()?;
            element.is_displayed().await.ok()?.then_some(element)
        })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
    }
}

/// Chromium and its driver.
fn installed() -> Option<[PathBuf; 2]> {
    let path = std::env::var_os("PATH")?;
    let find = |name| {
        std::env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|file| file.is_file())
    };
    Some([find("chromium")?, find("chromedriver")?])
}

/// Starts the driver on a port that it finds itself; answers its address.
fn start_driver(chromedriver: &PathBuf) -> (Process, String) {
    // It finds a port of IPv4 that is free, and ends if the same one of IPv6 is not.
    const ATTEMPTS: usize = 5;
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        let mut command = Command::new(chromedriver);
        command.arg("--port=0");
        let mut driver = Process::start(command, Stderr::Kept);
        while let Some(line) = driver.line(PATIENCE) {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                let port = port.trim_end().trim_end_matches('.');
                return (driver, format!("http://127.0.0.1:{port}"));
            }
            said.push_str(&line);
        }
        said.push_str(&driver.finish().stderr);
    }
    panic!("the driver does not start: {said}");
}
