//! Why a component cannot be served.

/// Why a component cannot be served. Each text is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A field of [`Limits`](super::Limits), in milliseconds if it is a time, the least that works and the most.
    #[error("the limit {0} must be from {1} to {2}")]
    Limit(&'static str, usize, usize),
    /// The engine does not work on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The file is not a component, or not a valid one.
    #[error("it is not a valid WebAssembly component: {0}")]
    Component(String),
    /// Its middleware does not fit it, or each other.
    #[error("its middleware cannot be put in front of it: {0}")]
    Compose(String),
    /// It needs something that this host does not offer, or does not serve HTTP.
    #[error("it does not fit this host: {0}")]
    Fit(String),
    /// Two routes are for the same paths.
    #[error("{0}")]
    Routes(String),
    /// Of several components this one, and why it cannot be served.
    #[error("the component `{0}`: {1}")]
    Service(String, Box<Self>),
    /// It failed at the first request.
    #[error("it failed at its first request: {0}")]
    Failed(String),
    /// It says that its configuration is no good. The text is its own.
    #[error("{0}")]
    Configuration(String),
}

/// An error and its causes in one line.
pub(super) fn one_line(error: &dyn std::fmt::Display) -> String {
    let text = format!("{error:#}");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
