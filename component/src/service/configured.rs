//! The service of an instance, by the newest configuration that works.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::Service;
use crate::config::{Config, ConfigError, REFUSED, REVISION, Values};
use crate::store::Store;
use crate::token::Timestamp;

/// After this time a request reads the variables again, and others go on with what was read before.
const LOOK_AGAIN: Duration = Duration::from_secs(25);

/// No request goes on with values that are older: this is promised, and an instance may have been idle for longer.
const OLDEST: Duration = Duration::from_secs(30);

/// The service of an instance. It looks at the variables [again and again](LOOK_AGAIN); values that cannot work change
/// nothing.
pub struct Configured<S>(RefCell<Option<State<S>>>);

struct State<S> {
    service: Rc<Service<S>>,
    /// That of the values that were read last, good or bad; `None` if they could not be read.
    digest: Option<[u8; 32]>,
    /// Their revision, where the host has one.
    revision: Option<String>,
    read_at: Timestamp,
    is_reading: bool,
    /// Why the newest values are not in use.
    problem: Option<ConfigError>,
}

impl<S> Default for Configured<S> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<S: Store> Configured<S> {
    /// The service, by the variables that `get` reads. `make` makes the first; a bad configuration is read again at every
    /// request until there is one. `log` gets a line when values are refused, once.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there was no configuration that can work since the instance began.
    pub async fn service(
        &self,
        get: impl AsyncFn(&'static str) -> Result<Option<String>, ConfigError>,
        make: impl FnOnce(Config) -> Result<Service<S>, ConfigError>,
        log: impl FnOnce(&str),
    ) -> Result<Rc<Service<S>>, ConfigError> {
        let known = self
            .0
            .borrow()
            .as_ref()
            .map(|state| state.revision.is_some());
        let revision = match known {
            None => return self.begin(Values::read(get).await?, make),
            Some(true) => get(REVISION).await.unwrap_or_default(),
            Some(false) => None,
        };
        let begun = match &mut *self.0.borrow_mut() {
            Some(state) => state.begin_reading(revision),
            None => None,
        };
        if let Some(begun) = begun {
            let values = Values::read(get).await;
            if let Some(state) = &mut *self.0.borrow_mut()
                && let Some(problem) = state.take(values, begun)
            {
                log(&format!(
                    "the configuration has changed, and the one before stays in use: {problem}"
                ));
            }
        }
        let state = self.0.borrow();
        state
            .as_ref()
            .map(|state| state.service.clone())
            .ok_or(ConfigError::NoUsers)
    }

    fn begin(
        &self,
        values: Values,
        make: impl FnOnce(Config) -> Result<Service<S>, ConfigError>,
    ) -> Result<Rc<Service<S>>, ConfigError> {
        let service = make(values.config()?)?;
        service.refuses.set(refused_by_host(&values));
        let mut state = self.0.borrow_mut();
        // Another request may have been faster while this one waited.
        let state = state.get_or_insert_with(|| State {
            read_at: service.now(),
            service: Rc::new(service),
            digest: Some(values.digest()),
            revision: values.get(REVISION).map(str::to_owned),
            is_reading: false,
            problem: None,
        });
        Ok(state.service.clone())
    }
}

fn refused_by_host(values: &Values) -> bool {
    values.get(REFUSED).is_some()
}

impl<S: Store> State<S> {
    /// The time, if a request has to read the variables now.
    fn begin_reading(&mut self, revision: Option<String>) -> Option<Timestamp> {
        let now = self.service.now();
        let age = now.since(self.read_at);
        // A clock that was set back says nothing of the age.
        let is_old = age >= OLDEST || now < self.read_at || self.revision != revision;
        if !is_old && (age < LOOK_AGAIN || self.is_reading) {
            return None;
        }
        // Should the host give up this request, another one reads when the values are [too old](OLDEST).
        self.is_reading = true;
        Some(now)
    }

    /// Takes what was read since `begun`, unless another request has read later. Returns why it cannot be used, if that is new.
    fn take(
        &mut self,
        values: Result<Values, ConfigError>,
        begun: Timestamp,
    ) -> Option<ConfigError> {
        self.is_reading = false;
        if begun < self.read_at && self.read_at <= self.service.now() {
            return None;
        }
        self.read_at = begun;
        let digest = values.as_ref().ok().map(Values::digest);
        if let Ok(values) = &values {
            self.revision = values.get(REVISION).map(str::to_owned);
        }
        if digest.is_some() && digest == self.digest {
            return None;
        }
        self.digest = digest;
        let refused = values.as_ref().is_ok_and(refused_by_host);
        let former = self.problem.take();
        match values.and_then(|values| values.config()) {
            Ok(config) => self.service = Rc::new(self.service.reconfigured(config)),
            Err(problem) => self.problem = Some(problem),
        }
        self.service.refuses.set(refused || self.problem.is_some());
        self.problem.clone().filter(|_| self.problem != former)
    }
}

impl<S> fmt::Debug for Configured<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configured(..)")
    }
}

#[cfg(test)]
#[path = "tests/configured.rs"]
mod tests;
