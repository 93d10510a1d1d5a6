//! `allowed_outbound_hosts`: where a component may send requests to, in Spin's grammar, as far as it is about HTTP.
//!
//! `<scheme>://<host>[:<port>]`, where each may be `*`. A host may be a name, an address, a network (`10.0.0.0/8`), all names
//! below one (`*.example.com`), or `self`, the application itself; a port may be a range (`8000..9000`, without its end).

use std::net::IpAddr;
use std::ops::Range;

use http::Uri;
use http::uri::{Authority, Scheme};
use latchkey_component::secret::Secret;
use url::Host;

/// The domain of chained requests: `http://<component>.spin.internal`.
const CHAINING: &str = ".spin.internal";

/// The host of a request to the application itself.
const SELF: &str = "self.alt";

/// The hosts that a component may send requests to.
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts(Vec<AllowedHost>);

/// One entry.
#[derive(Clone, Debug)]
struct AllowedHost {
    /// `http`, `https`, or any.
    scheme: Option<Scheme>,
    host: AllowedName,
    port: AllowedPort,
}

#[derive(Clone, Debug)]
enum AllowedName {
    Any,
    /// A domain with a dot before it.
    Below(String),
    Application,
    One(Host),
    Network(IpAddr, u8),
}

#[derive(Clone, Debug)]
enum AllowedPort {
    Any,
    Some(Range<u32>),
}

/// Where an allowed request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a component of the application, past its routes.
    Component(String),
    /// To the application, as from outside.
    Application,
    /// Over the network, to this authority.
    Network(Authority),
}

impl AllowedHosts {
    /// Fails if an entry is malformed, or for another protocol than HTTP; the text names it. The entries are not templates.
    pub fn parse<S: AsRef<str>>(hosts: impl IntoIterator<Item = S>) -> Result<Self, String> {
        let parsed = hosts.into_iter().filter_map(|host| {
            let text = host.as_ref();
            parse_unless_blank(text, text)
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// The same for what `templates` stand for. The text names the template: a value in the place of it may be secret.
    pub fn parse_expanded(templates: &[String], expanded: &[Secret]) -> Result<Self, String> {
        let parsed = templates.iter().zip(expanded);
        let parsed =
            parsed.filter_map(|(template, text)| parse_unless_blank(template, text.expose()));
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// Where a request to `uri` goes, if it may be sent.
    pub fn target(&self, uri: &Uri) -> Option<Target> {
        let scheme = uri.scheme().unwrap_or(&Scheme::HTTPS);
        let authority = uri.authority().filter(|authority| {
            // A request to a path alone has an authority without a host.
            !authority.host().is_empty()
        });
        let Some(authority) = authority.filter(|authority| authority.host() != SELF) else {
            let allowed = self.0.iter().any(AllowedHost::allows_application);
            return allowed.then_some(Target::Application);
        };
        let host = Host::parse(authority.host()).ok()?;
        let port = authority.port_u16();
        let known = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        // A port that is no number is none that anybody has allowed.
        if authority.port().is_none() && authority.as_str().ends_with(':') {
            return None;
        }
        let allows = |one: &AllowedHost| one.allows(scheme, &host, port.unwrap_or(known));
        if !self.0.iter().any(allows) {
            return None;
        }
        if let Host::Domain(name) = &host
            && let Some(component) = name.strip_suffix(CHAINING)
        {
            return Some(Target::Component(component.to_owned()));
        }
        // As it was compared, and without a user: nothing is read another way later.
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let authority = Authority::try_from(format!("{host}{port}")).ok()?;
        Some(Target::Network(authority))
    }

    /// Whether a request may be chained to a component, past its routes.
    pub fn reaches(&self, component: &str) -> bool {
        let host = Host::Domain(format!("{component}{CHAINING}"));
        self.0.iter().any(|one| one.host.allows(&host))
    }
}

impl AllowedHost {
    fn allows(&self, scheme: &Scheme, host: &Host, port: u16) -> bool {
        self.scheme.as_ref().is_none_or(|allowed| allowed == scheme)
            && self.host.allows(host)
            && match &self.port {
                AllowedPort::Any => true,
                AllowedPort::Some(ports) => ports.contains(&port.into()),
            }
    }

    fn allows_application(&self) -> bool {
        matches!(self.host, AllowedName::Any | AllowedName::Application)
    }
}

impl AllowedName {
    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Application, _) => false,
            (Self::Below(domain), Host::Domain(name)) => name.ends_with(domain),
            (Self::One(one), _) => one == host,
            (Self::Network(network, length), Host::Ipv4(address)) => {
                is_within((*address).into(), *network, *length)
            }
            (Self::Network(network, length), Host::Ipv6(address)) => {
                is_within((*address).into(), *network, *length)
            }
            (Self::Below(_), Host::Ipv4(_) | Host::Ipv6(_))
            | (Self::Network(..), Host::Domain(_)) => false,
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, length: u8) -> bool {
    // The bits in front, as a number; a shift by all of them leaves none.
    let front = |address: IpAddr| match address {
        IpAddr::V4(address) => {
            let bits = u128::from(address.to_bits()) << 96;
            (false, bits.checked_shr(128 - u32::from(length)))
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            (true, bits.checked_shr(128 - u32::from(length)))
        }
    };
    front(address) == front(network)
}

/// `None` for a template whose variable is empty: the host is optional.
fn parse_unless_blank(name: &str, text: &str) -> Option<Result<AllowedHost, String>> {
    let text = text.trim();
    if matches!(text, "" | "http://" | "https://") {
        return None;
    }
    Some(parse(text).map_err(|why| {
        format!(
            "`{}` in `allowed_outbound_hosts` cannot be served: {why}",
            name.escape_debug()
        )
    }))
}

fn parse(text: &str) -> Result<AllowedHost, &'static str> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it has no scheme, such as https://")?;
    let scheme = match scheme {
        "*" => None,
        "http" => Some(Scheme::HTTP),
        "https" => Some(Scheme::HTTPS),
        _ => return Err("this host sends nothing but HTTP"),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // The colons of an IPv6 address begin no port.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') && name(rest).is_err() => (host, port),
        _ => (rest, ""),
    };
    Ok(AllowedHost {
        port: match (port, &scheme) {
            ("*", _) => AllowedPort::Any,
            ("", None) => return Err("without a scheme it needs a port"),
            ("", Some(scheme)) => {
                let known = if *scheme == Scheme::HTTP { 80 } else { 443 };
                AllowedPort::Some(known..known + 1)
            }
            (port, _) => AllowedPort::Some(ports(port).ok_or("its port is not a number")?),
        },
        scheme,
        host: name(host)?,
    })
}

fn ports(text: &str) -> Option<Range<u32>> {
    let number = |text: &str| text.parse::<u16>().ok().map(u32::from);
    match text.split_once("..") {
        Some((first, end)) => Some(number(first)?..number(end)?),
        None => number(text).map(|port| port..port + 1),
    }
}

fn name(text: &str) -> Result<AllowedName, &'static str> {
    match text {
        "*" => return Ok(AllowedName::Any),
        "self" | SELF => return Ok(AllowedName::Application),
        _ => {}
    }
    if let Some((address, length)) = text.split_once('/') {
        let address: IpAddr = address.parse().map_err(|_| "it has a path")?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.parse().ok().filter(|length| *length <= most);
        let length = length.ok_or("its network has no such length")?;
        return Ok(AllowedName::Network(address, length));
    }
    if let Some(domain) = text.strip_prefix("*.") {
        return match Host::parse(domain) {
            Ok(Host::Domain(domain)) if !domain.contains('*') => {
                Ok(AllowedName::Below(format!(".{domain}")))
            }
            _ => Err("below `*.` there must be a domain"),
        };
    }
    match Host::parse(text) {
        Ok(_) if text.contains('*') => Err("a wildcard is all of a name, or its first part"),
        Ok(host) => Ok(AllowedName::One(host)),
        Err(_) => Err("its host is not a name and not an address"),
    }
}

#[cfg(test)]
mod tests;
