//! Header names that Latchkey shares with its host, and what it reads from them.

use http::header::GetAll;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::ClientNetwork;
use crate::token::Username;

/// The client's address, from Spin or the native host. If there are several values, the last is the host's.
pub const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("spin-client-addr");

/// The id of a request, by which it is found again: in the log, in audit lines, at a proxy and at the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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

/// A user name as the value of a header: all bytes but letters, digits and `-._~@` are percent-encoded (RFC 3986,
/// section 2.1). So it is the same to every proxy, and one value.
pub(super) fn header_text(user: &Username) -> HeaderValue {
    let mut text = String::with_capacity(user.as_str().len());
    for byte in user.as_str().bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' | b'@' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    HeaderValue::try_from(text).expect("visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_in_headers() {
        for (user, text) in [
            ("admin", "admin"),
            ("ada.L-1_x~@example.org", "ada.L-1_x~@example.org"),
            ("Ada Lovelace", "Ada%20Lovelace"),
            ("a,b;c=\"d\"%+", "a%2Cb%3Bc%3D%22d%22%25%2B"),
            ("\u{e9}\u{65e5}", "%C3%A9%E6%97%A5"),
        ] {
            assert_eq!(header_text(&user.parse().unwrap()), text);
        }
    }
}
