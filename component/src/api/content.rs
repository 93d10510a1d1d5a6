//! What a request body may be.

/// The most bytes that a request body may have.
pub const MAX_BYTES: usize = 16 * 1024;

/// The types of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    Json,
    Form,
}

impl MediaType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}
