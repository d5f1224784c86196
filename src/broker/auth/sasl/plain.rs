//! PLAIN (RFC 4616): `NUL user NUL password`, without an authorisation identity, as RabbitMQ takes it.

use bytes::Bytes;

use super::Login;

pub(super) fn login(response: &[u8]) -> Option<Login> {
    let mut parts = response.split(|octet| *octet == 0);
    let (authorisation, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    if !authorisation.is_empty() || parts.next().is_some() {
        return None;
    }
    Some(Login::Password { user: Bytes::copy_from_slice(user), password: Bytes::copy_from_slice(password) })
}
