//! What a request is for, as far as the host has to know it: to keep strangers apart, and to count by route.

use http::{Method, Uri};
use latchkey_component::api::route::{Action, Route};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The path as a template, of which there are few.
    pub(super) route: &'static str,
    /// Whether nothing is answered there but 401, 429 or 503 without good credentials.
    pub(super) signs_in: bool,
}

impl Target {
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        let route = Route::parse(uri.path(), uri.query());
        let action = route.and_then(|route| route.action(method));
        Self {
            route: route.map_or("unmatched", Route::template),
            signs_in: matches!(action, Some(Action::Managed(_))),
        }
    }
}
