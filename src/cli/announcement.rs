//! What a server says on standard output once it listens: where and how to connect.

use std::{fmt, fmt::Write as _, net::SocketAddr};

use crate::config::Config;

/// The text, of a few lines. Scripts wait for `AMQP on HOST:PORT` and read `management API on http://HOST:PORT`; keep
/// them word for word.
pub(super) struct Announcement<'a> {
    pub(super) config: &'a Config,
    /// The addresses as bound.
    pub(super) listeners: &'a [SocketAddr],
    /// The management API's, if it is on.
    pub(super) management: Option<SocketAddr>,
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { default_user: user, default_vhost: vhost, data_dir, .. } = self.config;
        writeln!(formatter, "Leveret {}", env!("CARGO_PKG_VERSION"))?;
        for address in self.listeners {
            writeln!(formatter, "  AMQP on {address}")?;
        }
        if let Some(address) = self.management {
            writeln!(formatter, "  management API on http://{address}/api/")?;
        }
        let Some(address) = self.listeners.first() else {
            writeln!(formatter, "  no AMQP listener (listeners.tcp = none)")?;
            return writeln!(formatter, "  data in {}", data_dir.display());
        };
        let here_only = if self.config.loopback_users.contains(user) { " (from this machine only)" } else { "" };
        writeln!(formatter, "  user {user}{here_only}, vhost {vhost}")?;
        writeln!(formatter, "  {}", self.uri(*address))?;
        writeln!(formatter, "  data in {}", data_dir.display())
    }
}

impl Announcement<'_> {
    /// RabbitMQ's URI form. The password stands in it only when everybody knows it.
    fn uri(&self, address: SocketAddr) -> String {
        let Config { default_user: user, default_pass: pass, default_vhost: vhost, .. } = self.config;
        let well_known = user == "guest" && pass.expose() == "guest";
        let user = if well_known { "guest:guest".to_owned() } else { escaped(user) };
        let address =
            if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address };
        format!("amqp://{user}@{address}/{}", escaped(vhost))
    }
}

/// Percent-encodes what is not unreserved (RFC 3986 2.3), with small digits as RabbitMQ's documentation writes `%2f`.
pub(super) fn escaped(text: &str) -> String {
    let mut uri = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02x}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn announced(config: &Config, listeners: &[&str]) -> String {
        let listeners: Vec<_> = listeners.iter().map(|address| address.parse().unwrap()).collect();
        let management = Some("127.0.0.1:15672".parse().unwrap());
        Announcement { config, listeners: &listeners, management }.to_string()
    }

    #[test]
    fn says_where_and_how_to_connect() {
        let text = announced(&Config::default(), &["[::]:5672", "127.0.0.1:5673"]);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  AMQP on [::]:5672",
                "  AMQP on 127.0.0.1:5673",
                "  management API on http://127.0.0.1:15672/api/",
                "  user guest (from this machine only), vhost /",
                "  amqp://guest:guest@127.0.0.1:5672/%2f",
                "  data in leveret-data",
            ]
        );
    }

    #[test]
    fn shows_no_password_but_the_one_that_everybody_knows() {
        let config = Config {
            default_user: "a@b".to_owned(),
            default_pass: Secret::new("hunter2"),
            default_vhost: "jobs/1".to_owned(),
            ..Config::default()
        };
        let text = announced(&config, &["[::1]:5672"]);
        assert!(text.contains("  amqp://a%40b@[::1]:5672/jobs%2f1\n"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn says_so_when_nothing_listens() {
        assert!(announced(&Config::default(), &[]).contains("no AMQP listener"));
    }
}
