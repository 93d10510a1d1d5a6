//! Where a server is: `--url`, or `LATCHKEY_URL`.

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use latchkey_component::api::route::BASE;
use latchkey_component::secret::Secret;
use latchkey_component::text;

use super::error::ClientError;

const FORM: &str = "is not a URL such as https://example.org";
const SCHEME: &str = "must begin with https:// or http://";
const CREDENTIALS: &str = "must not hold a name or a password: use LATCHKEY_USER";
const QUERY: &str = "must have no ? and no #";

/// The address of a server. It holds no credentials.
#[derive(Debug)]
pub struct Address {
    /// Without [`BASE`].
    root: String,
    /// In lower case; an IPv6 address without its brackets.
    host: String,
    secure: bool,
}

impl Address {
    /// Parses a URL. A path is kept; a slash at its end makes no difference.
    pub fn parse(url: &Secret) -> Result<Self, ClientError> {
        // No message repeats the URL: there may be a password in it.
        let wrong = |what| ClientError::Usage(format!("the address of the server {what}"));
        let url = text::trim(url.expose());
        if url.contains(['?', '#']) {
            return Err(wrong(QUERY));
        }
        let uri: Uri = url.parse().map_err(|_| wrong(FORM))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(wrong(FORM));
        };
        if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP {
            return Err(wrong(SCHEME));
        }
        if authority.as_str().contains('@') {
            return Err(wrong(CREDENTIALS));
        }
        let host = authority.host();
        // ureq takes a port that is none for no port, and would send the password to another.
        let has_port = authority.as_str() != host;
        if host.is_empty() || has_port && authority.port_u16().is_none() {
            return Err(wrong(FORM));
        }
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(BASE).unwrap_or(path);
        Ok(Self {
            root: format!("{scheme}://{authority}{path}"),
            host: host.trim_matches(['[', ']']).to_ascii_lowercase(),
            secure: *scheme == Scheme::HTTPS,
        })
    }

    /// The URL of a route, such as `/token`.
    pub fn route(&self, path: &str) -> String {
        format!("{self}{BASE}{path}")
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether the host is this machine, so that no network sees what is sent.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            // RFC 6761, section 6.3.
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, ClientError> {
        Address::parse(&url.into())
    }

    #[test]
    fn finds_the_api() {
        for (url, route) in [
            (
                "http://127.0.0.1:25441",
                "http://127.0.0.1:25441/api/v1alpha/token",
            ),
            ("HTTPS://h/", "https://h/api/v1alpha/token"),
            ("\u{feff}https://h\r\n", "https://h/api/v1alpha/token"),
            ("https://h/a/b//", "https://h/a/b/api/v1alpha/token"),
            ("https://h/api/v1alpha", "https://h/api/v1alpha/token"),
            ("https://h/a/api/v1alpha/", "https://h/a/api/v1alpha/token"),
            ("http://[::1]:3", "http://[::1]:3/api/v1alpha/token"),
        ] {
            assert_eq!(parse(url).unwrap().route("/token"), route, "{url}");
        }
        assert_eq!(parse("https://h/a/").unwrap().to_string(), "https://h/a");
    }

    #[test]
    fn refuses_what_it_cannot_reach() {
        for (url, error) in [
            ("", FORM),
            ("example.org", FORM),
            ("example.org:80", FORM),
            ("/token", FORM),
            ("http://", FORM),
            ("http://:80", FORM),
            ("http://a b", FORM),
            ("http://localhost:65536", FORM),
            ("http://localhost:0080x", FORM),
            ("ftp://h", SCHEME),
            ("file://h/hunter2", SCHEME),
            ("https://a:hunter2@h", CREDENTIALS),
            ("https://hunter2@h", CREDENTIALS),
            ("https://h?a=hunter2", QUERY),
            ("https://h/#hunter2", QUERY),
        ] {
            let said = format!("the address of the server {error}");
            assert_eq!(parse(url).unwrap_err(), ClientError::Usage(said), "{url}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (url, loopback) in [
            ("http://127.0.0.1", true),
            ("http://127.8.9.10:80", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://LOCALHOST", true),
            ("http://a.localhost", true),
            ("http://127.0.0.1.example.org", false),
            ("http://localhost.example.org", false),
            ("http://0.0.0.0", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(parse(url).unwrap().is_loopback(), loopback, "{url}");
        }
    }
}
