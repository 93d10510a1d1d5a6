//! Header names that Latchkey shares with its host, and what it reads from them.

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::ClientNetwork;

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

/// The scope of the token that was verified, if it has one.
pub const SCOPE: &str = "x-latchkey-scope";

/// When the token that was verified ends, in seconds since the Unix epoch.
pub const EXPIRES: &str = "x-latchkey-expires";

/// Tells administrators, with the answer to a list, that they are: for the page.
pub const ADMIN: &str = "x-latchkey-admin";

/// A header that carries a token.
pub const API_KEY: &str = "x-api-key";

/// The client's address: from the header `trusted`, which a proxy sets, or else from the host.
///
/// Of several addresses, the last is that of the proxy, or of the host. A client may have written the others.
pub(super) fn client_address<'a>(
    headers: &'a HeaderMap,
    trusted: Option<&HeaderName>,
) -> Option<&'a str> {
    let by_proxy = || {
        let address = last(headers.get_all(trusted?))?.rsplit(',').next()?.trim();
        address.parse::<ClientNetwork>().is_ok().then_some(address)
    };
    by_proxy().or_else(|| last(headers.get_all(CLIENT_ADDRESS)))
}

fn last(values: GetAll<'_, HeaderValue>) -> Option<&str> {
    values.into_iter().next_back()?.to_str().ok()
}
/// The value of `Retry-After` in the one 429 that is not about signing in, in seconds. Nobody waits as long for the next
/// attempt to sign in, so the host tells by it that the credentials are good.
pub const IDEMPOTENCY_RETRY_AFTER: &str = "3600";
