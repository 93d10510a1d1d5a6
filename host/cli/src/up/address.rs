//! Where to listen: `--listen` and `--metrics`.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// An address as it is given: `127.0.0.1:25441`, `[::1]:25441`, `localhost:25441`, or `:25441`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Address(SocketAddr),
    Name(String),
}

/// The text is no [`ListenAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write HOST:PORT, such as 127.0.0.1:25441, localhost:25441 or [::1]:25441, or :25441 for all IPv4 addresses"
)]
pub struct NotAnAddress;

impl FromStr for ListenAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: Host::Address(address),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or(NotAnAddress)?;
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if !host.chars().all(is_of_name) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotAnAddress);
        }
        let port = port.parse().map_err(|_| NotAnAddress)?;
        let host = match host {
            // Not [::]: there, an IPv4 client would have an IPv6 address in every log.
            "" => Host::Address((Ipv4Addr::UNSPECIFIED, port).into()),
            name => Host::Name(name.to_owned()),
        };
        Ok(Self { host, port })
    }
}

impl ListenAddress {
    /// The address to bind. Of those of a name it is one, IPv4 first: clients that find several try one after the other.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let name = match &self.host {
            Host::Address(address) => return Ok(*address),
            Host::Name(name) => name,
        };
        let found: Vec<_> = (name.as_str(), self.port).to_socket_addrs()?.collect();
        let first = found.iter().find(|address| address.is_ipv4());
        let first = first.or(found.first()).copied();
        first.ok_or_else(|| io::Error::other("the name has no address"))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => address.fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, resolved) in [
            ("127.0.0.1:25441", "127.0.0.1:25441"),
            ("[::1]:0", "[::1]:0"),
            (":9464", "0.0.0.0:9464"),
            ("localhost:25441", "127.0.0.1:25441"),
            ("LOCALHOST:0", "127.0.0.1:0"),
        ] {
            let address: ListenAddress = text.parse().expect("an address");
            let seen = address.resolve().map(|address| address.to_string());
            assert_eq!(seen.ok().as_deref(), Some(resolved), "{text}");
        }
        for text in [
            "",
            ":",
            "25441",
            "localhost",
            "127.0.0.1",
            "::1:80",
            "localhost:",
            "localhost:+80",
            "localhost:65536",
            "http://localhost:80",
            "a b:80",
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(NotAnAddress), "{text}");
        }
    }
}
