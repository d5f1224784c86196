//! SASL mechanisms: one file each, one line in the table. They turn a client's response into a login; whether the
//! login is good is the node's to say.

mod amqplain;
mod anonymous;
mod plain;

use std::fmt;

use bytes::Bytes;

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: user and password in one string.
    Plain,
    /// RabbitMQ extension of AMQP 0-8 heritage: user and password in a field table. php-amqplib's default.
    AmqPlain,
    /// RFC 4505: the broker's configured anonymous user. Off by default.
    Anonymous,
}

impl Mechanism {
    /// Every mechanism the broker knows.
    pub const ALL: [Self; 3] = [Self::Plain, Self::AmqPlain, Self::Anonymous];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::Anonymous => "ANONYMOUS",
        }
    }

    /// The mechanism of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Reads connection.start-ok's response. `None`: it is malformed.
    #[must_use]
    pub fn login(self, response: &[u8]) -> Option<Login> {
        match self {
            Self::Plain => plain::login(response),
            Self::AmqPlain => amqplain::login(response),
            Self::Anonymous => Some(anonymous::login()),
        }
    }
}

/// What a client says about itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with a password.
    Password {
        /// User name.
        user: Bytes,
        /// Password, never logged.
        password: Bytes,
    },
    /// The configured anonymous user.
    Anonymous,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password {{ user: {user:?}, password: .. }}"),
            Self::Anonymous => f.write_str("Anonymous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &'static str, password: &'static str) -> Option<Login> {
        Some(Login::Password { user: user.into(), password: password.into() })
    }

    #[test]
    fn plain_takes_user_and_password_between_two_zero_octets() {
        assert_eq!(Mechanism::Plain.login(b"\0guest\0secret"), password("guest", "secret"));
    }

    #[test]
    fn plain_refuses_an_authorisation_identity_and_stray_zero_octets() {
        for response in [&b""[..], b"me\0guest\0secret", b"\0guest", b"\0guest\0se\0cret"] {
            assert_eq!(Mechanism::Plain.login(response), None, "{response:?}");
        }
    }

    #[test]
    fn amqplain_reads_a_table_without_its_length() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x06secret\x05otherI\0\0\0\x01";
        assert_eq!(Mechanism::AmqPlain.login(response), password("guest", "secret"));
    }

    #[test]
    fn amqplain_needs_both_entries() {
        assert_eq!(Mechanism::AmqPlain.login(b"\x05LOGINS\0\0\0\x05guest"), None);
        assert_eq!(Mechanism::AmqPlain.login(b"garbage"), None);
    }

    #[test]
    fn amqplain_takes_what_is_no_string_for_the_empty_password_which_nobody_has() {
        for response in [
            &b"\x05LOGINI\0\0\0\x05\x08PASSWORDS\0\0\0\x06secret"[..],
            b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDI\0\0\0\x05",
        ] {
            assert_eq!(Mechanism::AmqPlain.login(response), password("", ""), "{response:?}");
        }
    }

    #[test]
    fn anonymous_ignores_the_response() {
        assert_eq!(Mechanism::Anonymous.login(b"whatever"), Some(Login::Anonymous));
    }

    #[test]
    fn a_password_is_not_shown_when_a_login_is_printed() {
        let shown = format!("{:?}", Mechanism::Plain.login(b"\0guest\0secret"));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
