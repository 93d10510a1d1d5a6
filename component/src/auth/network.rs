//! Where a client is, for a fair share among clients.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The network that a client is taken for: an IPv4 address, or the /64 of an IPv6 address, which one customer of a
/// provider has (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork(IpAddr);

impl ClientNetwork {
    /// Its first address.
    pub const fn address(self) -> IpAddr {
        self.0
    }

    /// The bytes that tell it from all others.
    pub(super) fn octets(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}

impl From<IpAddr> for ClientNetwork {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                IpAddr::V6(network.into())
            }
            address => address,
        })
    }
}

/// The text is no IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAddress;

impl FromStr for ClientNetwork {
    type Err = NoAddress;

    /// Parses an address with or without a port, as hosts and proxies write them.
    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.ip().into());
        }
        let address = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        let address: IpAddr = address.unwrap_or(text).parse().map_err(|_| NoAddress)?;
        Ok(address.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_client_are_one_network() {
        let network = |text: &str| text.parse::<ClientNetwork>();
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1:4711", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "[2001:db8:0:0:ffff::2]:443", true),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let (one, other) = (network(one).unwrap(), network(other).unwrap());
            assert_eq!(one == other, same, "{one:?} {other:?}");
            assert_eq!(one.octets() == other.octets(), same, "{one:?} {other:?}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "192.0.2.1:",
            "192.0.2",
            "[192.0.2.1",
        ] {
            assert_eq!(network(text), Err(NoAddress), "{text}");
        }
    }
}
