//! The headers that Latchkey has names for, and shares with its host.

/// The client's address, as Spin and the native host give it. If there are several, the last is theirs.
pub const CLIENT_ADDRESS: &str = "spin-client-addr";

/// The id by which proxies tell requests apart.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest id of a request that is written down.
pub const MAX_REQUEST_ID: usize = 128;

/// The user whose token was verified, percent-encoded.
pub const USER: &str = "x-latchkey-user";

/// The id of the token that was verified.
pub const TOKEN_ID: &str = "x-latchkey-token-id";
