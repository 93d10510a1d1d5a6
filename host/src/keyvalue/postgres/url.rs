//! The URL of a PostgreSQL store, as libpq means it.
//!
//! What the library below does not know (`verify-ca`, `verify-full`, `sslrootcert`) is read here. What nobody knows is refused: an
//! option that is ignored may have been the one that kept a password safe.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use super::super::StoreError;

/// How long to wait for a connection to one server, signing in included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long what was sent may stay without an acknowledgement by TCP. As long as a statement may stay without an answer.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(3);

/// An idle connection is looked after this often, so that one whose other end has vanished does not wait for a request.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Options that are handed on as they are. `host` is one only where no host stands in front.
const HANDED_ON: [&str; 9] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "host",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "options",
];

/// The servers of one store, of which one takes writes.
pub(super) struct Servers {
    pub(super) servers: Vec<Server>,
    pub(super) tls: Tls,
    /// Whether none of them is on another machine.
    pub(super) are_local: bool,
}

/// One server, and how to sign in there.
pub(super) struct Server {
    /// For messages: host and port.
    pub(super) name: String,
    pub(super) config: Config,
}

/// What is demanded of the connection: `sslmode` and `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Disable,
    /// Where the server offers it; of no certificate is anything demanded.
    Prefer,
    /// Of no certificate is anything demanded.
    Require,
    /// A certificate by one of the authorities in this file, for any name.
    VerifyCa(PathBuf),
    /// A certificate for this host, by an authority in this file or else by one that the system trusts.
    VerifyFull(Option<PathBuf>),
}

impl Tls {
    /// Whether another machine can read or change what goes over the connection.
    pub(super) fn is_weak(&self) -> bool {
        matches!(self, Self::Disable | Self::Prefer | Self::Require)
    }
}

impl FromStr for Servers {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Self, StoreError> {
        let parts = Parts::split(url)?;
        let mut handed_on = Vec::new();
        let (mut sslmode, mut sslrootcert, mut host, mut tcp_user_timeout) =
            (None, None, None, None);
        let mut seen = Vec::new();
        for option in parts.query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if seen.contains(&name) {
                return Err(StoreError::Url(
                    "an option of the PostgreSQL URL is given twice",
                ));
            }
            seen.push(name);
            match name {
                "sslmode" => sslmode = Some(value),
                "sslrootcert" => sslrootcert = Some(value),
                "target_session_attrs" if ["read-write", "primary"].contains(&value) => {}
                "target_session_attrs" => {
                    return Err(StoreError::Url(
                        "`target_session_attrs` of the PostgreSQL URL can only be `read-write`: only a server that takes writes is of use",
                    ));
                }
                // In milliseconds to libpq, in seconds to the library.
                "tcp_user_timeout" => tcp_user_timeout = Some(milliseconds(value)?),
                _ if HANDED_ON.contains(&name) => {
                    if name == "host" {
                        host = Some(value);
                    }
                    handed_on.push(option);
                }
                _ => {
                    return Err(StoreError::Url(
                        "the PostgreSQL URL has an option that is not known here: known are `sslmode`, `sslrootcert`, `target_session_attrs`, `connect_timeout`, `tcp_user_timeout`, `keepalives`, `keepalives_idle`, `keepalives_interval`, `keepalives_retries`, `channel_binding`, `application_name`, `options` and `host`",
                    ));
                }
            }
        }
        let hosts: Vec<_> = match host {
            // As one: it stands among the options that are handed on.
            Some(_) if parts.hosts.is_empty() => vec![""],
            None if !parts.hosts.is_empty() => parts.hosts.split(',').collect(),
            _ => {
                return Err(StoreError::Url(
                    "the PostgreSQL URL needs one host or several, as in `postgres://user@host1,host2/database`",
                ));
            }
        };
        let is_local = |name: &&str| {
            is_local(if name.is_empty() {
                host.unwrap_or("")
            } else {
                name
            })
        };
        let are_local = hosts.iter().all(is_local);
        let tls = tls(sslmode, sslrootcert, are_local)?;
        let server = |name: &&str| {
            let url = format!(
                "postgres://{}{name}{}?{}",
                parts.credentials,
                parts.path,
                handed_on.join("&")
            );
            let malformed = || {
                StoreError::Url(
                    "the PostgreSQL URL is not postgres://[user[:password]@]host[:port][,host…][/database][?option=value&…]",
                )
            };
            let mut config: Config = url.parse().map_err(|_| malformed())?;
            if config.get_hosts().len() != 1 || config.get_hosts()[0] == tcp("") {
                return Err(malformed());
            }
            let is_socket = matches!(config.get_hosts()[0], tokio_postgres::config::Host::Unix(_));
            config.ssl_mode(match tls {
                // There is no TLS on a socket of this machine, whatever is demanded elsewhere.
                _ if is_socket => SslMode::Disable,
                Tls::Disable => SslMode::Disable,
                Tls::Prefer => SslMode::Prefer,
                Tls::Require | Tls::VerifyCa(_) | Tls::VerifyFull(_) => SslMode::Require,
            });
            config.tcp_user_timeout(tcp_user_timeout.unwrap_or(TCP_USER_TIMEOUT));
            if config.get_connect_timeout().is_none() {
                config.connect_timeout(CONNECT_TIMEOUT);
            }
            if !seen.contains(&"keepalives_idle") {
                config.keepalives_idle(KEEPALIVE);
            }
            if config.get_keepalives_interval().is_none() {
                config.keepalives_interval(KEEPALIVE);
            }
            if config.get_application_name().is_none() {
                config.application_name("latchkey");
            }
            let name = if name.is_empty() {
                host.unwrap_or("")
            } else {
                name
            };
            Ok(Server {
                name: name.to_owned(),
                config,
            })
        };
        let servers = hosts.iter().map(server).collect::<Result<_, _>>()?;
        Ok(Self {
            servers,
            tls,
            are_local,
        })
    }
}

fn tcp(host: &str) -> tokio_postgres::config::Host {
    tokio_postgres::config::Host::Tcp(host.to_owned())
}

/// What a URL consists of, without its scheme.
struct Parts<'a> {
    /// With the `@` behind them, or empty.
    credentials: &'a str,
    hosts: &'a str,
    /// With the `/` in front of it, or empty.
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn split(url: &'a str) -> Result<Self, StoreError> {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(end);
        // Behind the host there is no @, and before it only one: it was a password that such a character ended, and the host
        // may be another.
        if behind.contains('@') || behind.contains('#') || authority.matches('@').count() > 1 {
            return Err(StoreError::Url(
                "the user and the password of a PostgreSQL URL must be percent-encoded: write # as %23, / as %2F, ? as %3F, @ as %40",
            ));
        }
        let (credentials, hosts) = match authority.find('@') {
            Some(at) => authority.split_at(at + 1),
            None => ("", authority),
        };
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        Ok(Self {
            credentials,
            hosts,
            path,
            query,
        })
    }
}

/// What is demanded where `sslmode` is missing: of a server on another machine, all that there is. libpq would be content with
/// less.
fn tls(
    sslmode: Option<&str>,
    sslrootcert: Option<&str>,
    is_local: bool,
) -> Result<Tls, StoreError> {
    let root = match sslrootcert {
        None | Some("system") => None,
        Some(path) => Some(PathBuf::from(decoded(path)?)),
    };
    let is_system = sslrootcert == Some("system");
    Ok(match (sslmode, root) {
        (Some("disable"), None) if !is_system => Tls::Disable,
        (Some("prefer"), None) if !is_system => Tls::Prefer,
        (None, None) if is_local && !is_system => Tls::Prefer,
        (Some("require"), None) if !is_system => Tls::Require,
        // libpq does so, too.
        (Some("require" | "verify-ca"), Some(root)) => Tls::VerifyCa(root),
        (Some("verify-ca"), None) if !is_system => {
            return Err(StoreError::Url(
                "`sslmode=verify-ca` in the PostgreSQL URL needs `sslrootcert=FILE`: any public authority would do otherwise",
            ));
        }
        (Some("verify-full") | None, root) => Tls::VerifyFull(root),
        (Some("require" | "verify-ca"), None) => {
            return Err(StoreError::Url(
                "`sslrootcert=system` in the PostgreSQL URL needs `sslmode=verify-full`: anybody has a certificate for some name",
            ));
        }
        (Some("disable" | "prefer"), _) => {
            return Err(StoreError::Url(
                "`sslrootcert` in the PostgreSQL URL needs `sslmode=verify-ca` or `sslmode=verify-full`: nothing would be verified",
            ));
        }
        (Some(_), _) => {
            return Err(StoreError::Url(
                "`sslmode` of the PostgreSQL URL is `disable`, `prefer`, `require`, `verify-ca` or `verify-full`",
            ));
        }
    })
}

fn milliseconds(value: &str) -> Result<Duration, StoreError> {
    match value.parse() {
        Ok(number) if number > 0 => Ok(Duration::from_millis(number)),
        _ => Err(StoreError::Url(
            "`tcp_user_timeout` of the PostgreSQL URL is a number of milliseconds",
        )),
    }
}

/// A value without its percent-encoding.
fn decoded(value: &str) -> Result<String, StoreError> {
    // The library has the same, and does not show it: a database of this name.
    let config: Result<Config, _> = format!("postgres://h/{value}").parse();
    let decoded = config
        .ok()
        .and_then(|config| config.get_dbname().map(str::to_owned));
    decoded.ok_or(StoreError::Url(
        "`sslrootcert` of the PostgreSQL URL is the path of a file, or `system`",
    ))
}

/// Whether what is sent to this host stays on this machine. Of a name only `localhost` is known to.
fn is_local(host: &str) -> bool {
    let is_socket = host.starts_with('/')
        || host
            .get(..3)
            .is_some_and(|start| start.eq_ignore_ascii_case("%2F"));
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    is_socket
        || name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_demanded_of_the_connection() {
        let file = || PathBuf::from("/a b.pem");
        for (rest, expected) in [
            ("h/d", Tls::VerifyFull(None)),
            ("localhost,h/d", Tls::VerifyFull(None)),
            ("localhost", Tls::Prefer),
            ("127.0.0.2:1,[::1]:2/d", Tls::Prefer),
            ("%2Frun%2Fpostgresql/d", Tls::Prefer),
            ("/d?host=/run/postgresql", Tls::Prefer),
            ("localhost.example.org", Tls::VerifyFull(None)),
            ("h?sslmode=disable", Tls::Disable),
            ("h?sslmode=prefer", Tls::Prefer),
            ("h?sslmode=require", Tls::Require),
            (
                "h?sslmode=require&sslrootcert=/a%20b.pem",
                Tls::VerifyCa(file()),
            ),
            (
                "h?sslrootcert=/a%20b.pem&sslmode=verify-ca",
                Tls::VerifyCa(file()),
            ),
            ("h?sslrootcert=/a%20b.pem", Tls::VerifyFull(Some(file()))),
            (
                "localhost?sslrootcert=/a%20b.pem",
                Tls::VerifyFull(Some(file())),
            ),
            ("localhost?sslrootcert=system", Tls::VerifyFull(None)),
            ("h?sslmode=verify-full", Tls::VerifyFull(None)),
        ] {
            let url = format!("postgres://u:hunter2@{rest}");
            let servers: Servers = url.parse().unwrap_or_else(|e| panic!("{url}: {e}"));
            assert_eq!(servers.tls, expected, "{url}");
        }
    }

    #[test]
    fn several_hosts() {
        let url = "postgresql://u:p%40ss@h1,h2:6432,[2001:db8::1]:1/d?target_session_attrs=read-write&connect_timeout=7&tcp_user_timeout=1500";
        let servers: Servers = url.parse().unwrap();
        let names: Vec<_> = servers.servers.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["h1", "h2:6432", "[2001:db8::1]:1"]);
        let ports: Vec<_> = servers
            .servers
            .iter()
            .map(|s| s.config.get_ports()[0])
            .collect();
        assert_eq!(ports, [5432, 6432, 1]);
        for Server { config, .. } in &servers.servers {
            assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
            assert_eq!(config.get_dbname(), Some("d"));
            assert_eq!(config.get_ssl_mode(), SslMode::Require);
            assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(7)));
            let unanswered = config.get_tcp_user_timeout();
            assert_eq!(unanswered, Some(&Duration::from_millis(1500)));
        }
    }

    #[test]
    fn what_is_refused() {
        for (rest, says) in [
            ("", "host"),
            ("u:hunter2@", "host"),
            ("u:hunter2@/d", "host"),
            ("u:hunter2@h1,/d", "postgres://"),
            ("u:hunter2@h:port/d", "postgres://"),
            ("u:hunter2@h?host=/run", "host"),
            ("u:hunter2@h?sslmode=verify_full", "`sslmode`"),
            ("u:hunter2@h?sslmode=allow", "`sslmode`"),
            ("u:hunter2@h?sslmode=", "`sslmode`"),
            ("u:hunter2@h?sslmode=verify-ca", "sslrootcert=FILE"),
            (
                "u:hunter2@h?sslmode=require&sslrootcert=system",
                "verify-full",
            ),
            (
                "u:hunter2@h?sslmode=prefer&sslrootcert=/a",
                "nothing would be verified",
            ),
            (
                "u:hunter2@h?sslmode=disable&sslrootcert=system",
                "nothing would be verified",
            ),
            ("u:hunter2@h?sslmode=require&sslmode=disable", "twice"),
            ("u:hunter2@h?ssl_mode=verify-full", "not known here"),
            ("u:hunter2@h?sslcert=a", "not known here"),
            ("u:hunter2@h?target_session_attrs=any", "read-write"),
            ("u:hunter2@h?target_session_attrs=standby", "read-write"),
            ("u:hunter2@h?connect_timeout=soon", "postgres://"),
            ("u:hunter2@h?tcp_user_timeout=3s", "milliseconds"),
            ("u:hunter2/3@h/d", "percent-encoded"),
            ("u:hunter2?3@h/d", "percent-encoded"),
            ("u:hunter2#3@h/d", "percent-encoded"),
            ("u:hunter2@3@h/d", "percent-encoded"),
        ] {
            let url = format!("postgres://{rest}");
            let error = match url.parse::<Servers>() {
                Ok(_) => panic!("{url} is taken"),
                Err(error) => error.to_string(),
            };
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{url}: {error}");
        }
    }
}
