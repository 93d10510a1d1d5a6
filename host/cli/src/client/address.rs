//! Where a server is: `--url`, or `LATCHKEY_URL`.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use latchkey_host::secret::Secret;

/// What the routes of the tokens begin with.
const BASE: &str = "/api/v1alpha";

/// The address of a server's API. It holds no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// With `/api/v1alpha`, without a slash behind it.
    base: String,
    /// Without the brackets that an IPv6 address has in a URL.
    host: String,
    secure: bool,
}

/// Why an address is refused. No text repeats it: there may be a password in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL, or one without a host.
    #[error("the address of the server is not a URL such as https://example.org")]
    Form,
    /// Neither `http` nor `https`.
    #[error("the address of the server must begin with https:// or http://")]
    Scheme,
    /// A name or a password in front of the host.
    #[error("the address of the server must not hold a name or a password: use LATCHKEY_USER")]
    Credentials,
    /// A query or a fragment.
    #[error("the address of the server must have no ? and no #")]
    Query,
}

impl Address {
    /// Parses a URL. A path is kept; a slash at its end makes no difference.
    pub fn parse(url: &Secret) -> Result<Self, AddressError> {
        let url = url.expose().trim();
        if url.contains(['?', '#']) {
            return Err(AddressError::Query);
        }
        let uri: Uri = url.parse().map_err(|_| AddressError::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(AddressError::Scheme),
            None => return Err(AddressError::Form),
        };
        let authority = uri.authority().ok_or(AddressError::Form)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        let host = authority.host().trim_matches(['[', ']']);
        if host.is_empty() {
            return Err(AddressError::Form);
        }
        // What is no port would be left out, and the password sent to another.
        if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none() {
            return Err(AddressError::Form);
        }
        let path = uri.path().trim_end_matches('/');
        let base = if path.ends_with(BASE) { "" } else { BASE };
        Ok(Self {
            base: format!(
                "{}://{authority}{path}{base}",
                if secure { "https" } else { "http" }
            ),
            host: host.to_ascii_lowercase(),
            secure,
        })
    }

    /// The URL of a route, such as `/token`.
    pub fn route(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the connection is encrypted.
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
        f.write_str(self.base.strip_suffix(BASE).unwrap_or(&self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, AddressError> {
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
            ("", AddressError::Form),
            ("example.org", AddressError::Form),
            ("example.org:80", AddressError::Form),
            ("/token", AddressError::Form),
            ("http://", AddressError::Form),
            ("http://:80", AddressError::Form),
            ("http://a b", AddressError::Form),
            ("http://localhost:65536", AddressError::Form),
            ("http://localhost:0080x", AddressError::Form),
            ("ftp://h", AddressError::Scheme),
            ("file://h/hunter2", AddressError::Scheme),
            ("https://a:hunter2@h", AddressError::Credentials),
            ("https://hunter2@h", AddressError::Credentials),
            ("https://h?a=hunter2", AddressError::Query),
            ("https://h/#hunter2", AddressError::Query),
        ] {
            let refused = parse(url).unwrap_err();
            assert!(!refused.to_string().contains("hunter2"));
            assert_eq!(refused, error, "{url}");
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
