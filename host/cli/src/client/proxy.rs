//! Which proxy a request goes through: the variables that curl reads, with the meaning that they have there.

use std::env::VarError;
use std::net::IpAddr;

use http::uri::Authority;
use ureq::Proxy;

use super::address::Address;
use super::error::ClientError;

/// The proxy for `address`, by the `environment` (in life [`std::env::var`]); `None` if there is none, or if the host is
/// this machine: no proxy may see what is sent to it, and none finds it.
pub fn find(
    address: &Address,
    environment: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Option<Proxy>, ClientError> {
    let get = |name: &'static str| {
        let value = environment(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    };
    let first = |names: &[&'static str]| names.iter().copied().find_map(get);
    // The lower case wins. `HTTP_PROXY` is not read: where requests become variables, as in CGI, anybody may set it.
    let names: &[&str] = match address.is_secure() {
        true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = first(names) else {
        return Ok(None);
    };
    let exceptions = first(&["no_proxy", "NO_PROXY"]);
    if address.is_loopback()
        || exceptions.is_some_and(|(_, exceptions)| is_exempt(address.host(), &exceptions))
    {
        return Ok(None);
    }
    // No message repeats the value: there may be a password in it.
    parse(&value)
        .map(Some)
        .map_err(|problem| ClientError::Usage(format!("the proxy in {name} {problem}")))
}

fn parse(value: &str) -> Result<Proxy, &'static str> {
    const FORM: &str = "is not [http[s]://][user:password@]host[:port]";
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let port = match scheme.to_ascii_lowercase().as_str() {
        // As curl has it.
        "http" => 1080,
        "https" => 443,
        "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
            return Err("is a SOCKS proxy, which this client cannot use; give an HTTP proxy");
        }
        _ => return Err("is of a kind that this client cannot use; give an HTTP proxy"),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let parsed: Authority = authority.parse().map_err(|_| FORM)?;
    let place = authority.rsplit('@').next().unwrap_or_default();
    let url = match (parsed.port_u16(), place == parsed.host()) {
        (Some(_), _) => format!("{scheme}://{authority}"),
        (None, true) => format!("{scheme}://{authority}:{port}"),
        (None, false) => return Err(FORM),
    };
    match parsed.host() {
        "" => Err(FORM),
        _ => Proxy::new(&url).map_err(|_| FORM),
    }
}

/// Whether `host` is in the list `exceptions`: hosts, domains with all hosts in them, addresses and networks in CIDR
/// notation, separated by commas or white space; or `*` alone, which is every host.
fn is_exempt(host: &str, exceptions: &str) -> bool {
    let mut entries = exceptions.split([',', ' ', '\t']);
    let is_in = |entry: &str| match host.parse::<IpAddr>() {
        Ok(address) => is_in_network(address, entry),
        Err(_) => is_in_domain(host.trim_end_matches('.'), entry),
    };
    exceptions == "*" || entries.any(|entry| !entry.is_empty() && is_in(entry))
}

fn is_in_domain(host: &str, entry: &str) -> bool {
    let entry = entry.trim_end_matches('.');
    let domain = entry
        .strip_prefix('.')
        .unwrap_or(entry)
        .to_ascii_lowercase();
    let above = host.strip_suffix(&domain);
    !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn is_in_network(address: IpAddr, entry: &str) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (entry, None),
    };
    let Ok(network) = network.trim_matches(['[', ']']).parse() else {
        return false;
    };
    let (width, difference): (u32, u128) = match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (32, (one.to_bits() ^ other.to_bits()).into()),
        (IpAddr::V6(one), IpAddr::V6(other)) => (128, one.to_bits() ^ other.to_bits()),
        _ => return false,
    };
    match bits.map_or(Ok(width), str::parse) {
        Ok(0) => true,
        Ok(bits) if bits <= width => difference >> (width - bits) == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host and port of the proxy, if there is one.
    fn found(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let address = Address::parse(&url.into()).unwrap();
        let environment = |name: &str| {
            let mut set = variables.iter().filter(|(set, _)| *set == name);
            let value = set.next().ok_or(VarError::NotPresent)?.1;
            Ok(value.to_owned())
        };
        let proxy = find(&address, environment).map_err(|error| error.to_string())?;
        Ok(proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port())))
    }

    #[test]
    fn the_variables_of_curl() {
        let all = [
            ("http_proxy", "http://a:1"),
            ("HTTP_PROXY", "http://b:1"),
            ("https_proxy", "http://c:1"),
            ("HTTPS_PROXY", "http://d:1"),
            ("all_proxy", "http://e:1"),
            ("ALL_PROXY", "http://f:1"),
        ];
        for (url, first, proxy) in [
            ("http://h", 0, Some("a:1")),
            ("https://h", 0, Some("c:1")),
            // Only in lower case.
            ("http://h", 1, Some("e:1")),
            ("https://h", 3, Some("d:1")),
            ("https://h", 4, Some("e:1")),
            ("http://h", 5, Some("f:1")),
            ("http://localhost", 0, None),
            ("http://127.0.0.1:1", 0, None),
        ] {
            let expected = Ok(proxy.map(str::to_owned));
            assert_eq!(found(url, &all[first..]), expected, "{url} {first}");
        }
        // Empty is unset.
        let unset = [
            ("https_proxy", ""),
            ("HTTPS_PROXY", " "),
            ("ALL_PROXY", "f:1"),
        ];
        assert_eq!(found("https://h", &unset), Ok(Some("f:1".to_owned())));
        assert_eq!(found("http://h", &all[1..2]), Ok(None));
        assert_eq!(found("http://h", &[]), Ok(None));
    }

    #[test]
    fn addresses_of_proxies() {
        for (value, proxy) in [
            ("p", "p:1080"),
            ("p:3128", "p:3128"),
            ("http://p/", "p:1080"),
            ("HTTPS://p", "p:443"),
            ("http://u:pw%40@p:8080/x", "p:8080"),
            ("http://u:pw@[::1]", "[::1]:1080"),
        ] {
            let seen = found("https://h", &[("ALL_PROXY", value)]);
            assert_eq!(seen, Ok(Some(proxy.to_owned())), "{value}");
        }
        for (value, problem) in [
            ("socks5h://u:hunter2@p", "is a SOCKS proxy"),
            ("ftp://hunter2", "is of a kind"),
            ("http://", "is not ["),
            ("http://:3128", "is not ["),
            ("http://p:hunter2", "is not ["),
            ("p p", "is not ["),
        ] {
            let error = found("https://h", &[("HTTPS_PROXY", value)]).unwrap_err();
            let expected = format!("the proxy in HTTPS_PROXY {problem}");
            assert!(error.starts_with(&expected), "{value}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn hosts_without_a_proxy() {
        for (host, exceptions, exempt) in [
            ("a.example", "*", true),
            ("a.example", "*,b.example", false),
            ("a.example", "*.example", false),
            ("a.example", "a.example", true),
            ("A.example", "a.EXAMPLE.", true),
            ("a.example.", "a.example", true),
            ("a.example", "b.example, .example", true),
            ("a.example", "x  example\tb", true),
            ("example", ".example", true),
            ("aexample", "example", false),
            ("example", "a.example", false),
            ("a.example", ",.,", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("10.1.2.3", "192.0.2.1,10.1.2.0/24", true),
            ("10.1.3.3", "10.1.2.0/24", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3/32", true),
            ("10.1.2.3", "10.0.0.0/x", false),
            ("10.1.2.3", "10.1.2.3/33", false),
            ("10.1.2.3", "10.1.2.3/-1", false),
            ("10.1.2.3", "2.3", false),
            ("10.1.2.3", "0.0.0.0/0", true),
            ("[2001:db8::1]", "2001:db8::/32", true),
            ("[2001:db8::1]", "[2001:db8:0::1]", true),
            ("[2001:db9::1]", "2001:db8::/32", false),
            ("[2001:db8::1]", "10.0.0.0/8", false),
        ] {
            for name in ["no_proxy", "NO_PROXY"] {
                let variables = [("https_proxy", "p:1"), (name, exceptions)];
                let seen = found(&format!("https://{host}"), &variables).unwrap();
                assert_eq!(seen.is_none(), exempt, "{host} {exceptions}");
            }
        }
        let both = [("https_proxy", "p:1"), ("no_proxy", "b"), ("NO_PROXY", "*")];
        assert_eq!(found("https://a", &both), Ok(Some("p:1".to_owned())));
    }
}
