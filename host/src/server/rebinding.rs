//! Requests of web pages that reach a loopback address by a name of their own (DNS rebinding).
//!
//! A browser lets a page talk to the server that its name leads to. Whoever owns the name can have it lead to 127.0.0.1, and then
//! the page reads what was meant for this machine alone. Such a request names the page's host, and the port of the listener: the
//! page has the same. A proxy on this machine passes on the name and the port that it is reached by itself, and is let through.
//! A browser does not name port 80, so there is no protection there.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;

/// Whether a request for `authority` at a listener on this address comes from such a page.
pub(crate) fn is_rebound(authority: &Authority, listener: SocketAddr) -> bool {
    listener.ip().is_loopback()
        && authority.port_u16() == Some(listener.port())
        && !is_of_this_machine(authority.host())
}

/// Whether `Host` names at most one host, and one that can be read (RFC 9112, section 3.2).
pub(crate) fn is_host_clear(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let first = hosts
        .next()
        .is_none_or(|host| host.is_empty() || Authority::try_from(host.as_bytes()).is_ok());
    first && hosts.next().is_none()
}

/// Whether nobody can have the host lead elsewhere first: an address, or `localhost` (RFC 6761, section 6.3).
fn is_of_this_machine(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.is_ok() || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_that_can_be_read() {
        for (hosts, expected) in [
            (&[][..], true),
            (&[""], true),
            (&["localhost:25441"], true),
            (&["a{b.evil.example:25441"], false),
            (&["evil.example:25441/x"], false),
            (&["localhost", "evil.example:25441"], false),
        ] {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, host.parse().expect("a value"));
            }
            assert_eq!(is_host_clear(&headers), expected, "{hosts:?}");
        }
    }

    #[test]
    fn pages_of_other_names() {
        for (authority, listener, expected) in [
            ("evil.example:25441", "127.0.0.1:25441", true),
            ("evil.example:25441", "[::1]:25441", true),
            ("localhost.evil.example:25441", "127.0.0.1:25441", true),
            ("evillocalhost:25441", "127.0.0.1:25441", true),
            ("user@evil.example:25441", "127.0.0.1:25441", true),
            // As a proxy on this machine passes it on.
            ("id.example", "127.0.0.1:25441", false),
            ("id.example:8443", "127.0.0.1:25441", false),
            ("latchkey", "127.0.0.1:25441", false),
            ("localhost:25441", "127.0.0.1:25441", false),
            ("LocalHost.:25441", "127.0.0.1:25441", false),
            ("app.localhost:25441", "127.0.0.1:25441", false),
            ("127.0.0.1:25441", "127.0.0.1:25441", false),
            ("[::1]:25441", "[::1]:25441", false),
            // Who listens for others has other names.
            ("id.example:25441", "0.0.0.0:25441", false),
            ("id.example:25441", "192.0.2.1:25441", false),
        ] {
            let parsed = authority.parse().expect("an authority");
            let listener = listener.parse().expect("an address");
            assert_eq!(
                is_rebound(&parsed, listener),
                expected,
                "{authority} {listener}"
            );
        }
    }
}
