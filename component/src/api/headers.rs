//! Headers that Latchkey shares with its host.

/// The client's address, from Spin or the native host. If there are several values, the last is the host's.
pub const CLIENT_ADDRESS: &str = "spin-client-addr";

/// The id of a request.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest id of a request that is logged.
pub const MAX_REQUEST_ID: usize = 128;

/// The user whose token was verified, percent-encoded.
pub const USER: &str = "x-latchkey-user";

/// The id of the token that was verified.
pub const TOKEN_ID: &str = "x-latchkey-token-id";

/// The value of `Retry-After` in the one 429 that is not about signing in, in seconds. Nobody waits as long for the next
/// attempt to sign in, so the host tells by it that the credentials are good.
pub const IDEMPOTENCY_RETRY_AFTER: &str = "3600";
