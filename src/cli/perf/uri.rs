//! AMQP URIs: `amqp://user:password@host:port/vhost`, each part but the host optional.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::percent::decode;

const DEFAULT_PORT: u16 = 5672;

/// A broker's address, and as whom to log in to which vhost.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::cli) struct AmqpUri {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) vhost: String,
}

#[derive(Debug, PartialEq, Eq, Error)]
pub(in crate::cli) enum UriError {
    #[error("it has to begin with amqp://")]
    Scheme,
    #[error("TLS (amqps://) is not supported; name a port that speaks plain AMQP, as in amqp://HOST:5672")]
    Tls,
    #[error("there is no host in it; write amqp://USER:PASSWORD@HOST:PORT/VHOST")]
    Host,
    #[error("'{0}' is no port")]
    Port(String),
    #[error("'{0}' is not percent-encoded; the vhost / is written %2f")]
    Encoding(String),
    #[error("'{0}' comes after the vhost; a slash in its name is written %2f")]
    Path(String),
}

impl FromStr for AmqpUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = match text.split_once("://") {
            Some(("amqp", rest)) => rest,
            Some(("amqps", _)) => return Err(UriError::Tls),
            _ => return Err(UriError::Scheme),
        };
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('/') {
            return Err(UriError::Path(path.to_owned()));
        }
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let (host, port) = host_and_port(address)?;
        let decoded = |part: &str| decode(part).ok_or_else(|| UriError::Encoding(part.to_owned()));
        let vhost = if path.is_empty() { "/".to_owned() } else { decoded(path)? };
        Ok(Self { host, port, user: decoded(user)?, password: decoded(password)?, vhost })
    }
}

fn host_and_port(address: &str) -> Result<(String, u16), UriError> {
    let (host, port) = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match address.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    if host.is_empty() {
        return Err(UriError::Host);
    }
    let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| UriError::Port(port.to_owned())))?;
    Ok((host.to_owned(), port))
}

/// Without the password: URIs stand in reports and errors.
impl fmt::Display for AmqpUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, vhost, .. } = self;
        let vhost = vhost.replace('%', "%25").replace('/', "%2f");
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        write!(formatter, "amqp://{user}@{host}:{port}/{vhost}")
    }
}

impl fmt::Debug for AmqpUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> (String, u16, String, String, String) {
        let AmqpUri { host, port, user, password, vhost } = uri.parse().unwrap();
        (host, port, user, password, vhost)
    }

    fn expected(
        host: &str,
        port: u16,
        user: &str,
        password: &str,
        vhost: &str,
    ) -> (String, u16, String, String, String) {
        (host.to_owned(), port, user.to_owned(), password.to_owned(), vhost.to_owned())
    }

    #[test]
    fn all_parts_but_the_host_may_be_left_out() {
        assert_eq!(parts("amqp://h"), expected("h", 5672, "guest", "guest", "/"));
        assert_eq!(parts("amqp://h/"), expected("h", 5672, "guest", "guest", "/"));
        assert_eq!(parts("amqp://app:s@h:1/v"), expected("h", 1, "app", "s", "v"));
        assert_eq!(parts("amqp://[::1]:1/v?heartbeat=3"), expected("::1", 1, "guest", "guest", "v"));
        assert_eq!(parts("amqp://[::1]"), expected("::1", 5672, "guest", "guest", "/"));
    }

    #[test]
    fn credentials_and_vhost_are_percent_decoded() {
        assert_eq!(parts("amqp://a%40b:p%2Fw%25@h/%2f"), expected("h", 5672, "a@b", "p/w%", "/"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |uri: &str| uri.parse::<AmqpUri>().unwrap_err();
        assert_eq!(refused("localhost:5672"), UriError::Scheme);
        assert_eq!(refused("http://h"), UriError::Scheme);
        assert_eq!(refused("amqps://h"), UriError::Tls);
        assert_eq!(refused("amqp://"), UriError::Host);
        assert_eq!(refused("amqp://h:x"), UriError::Port("x".to_owned()));
        assert_eq!(refused("amqp://h/%zz"), UriError::Encoding("%zz".to_owned()));
        assert_eq!(refused("amqp://h/a/b"), UriError::Path("a/b".to_owned()));
    }

    #[test]
    fn a_shown_uri_has_no_password() {
        let uri: AmqpUri = "amqp://app:secret@[::1]:5673/%2f".parse().unwrap();
        assert_eq!(uri.to_string(), "amqp://app@[::1]:5673/%2f");
        assert_eq!(format!("{uri:?}"), "amqp://app@[::1]:5673/%2f");
    }
}
