//! AMQPLAIN: a field table without its length prefix that holds LOGIN and PASSWORD.

use bytes::Bytes;
use leveret_protocol::FieldTable;

use super::Login;

pub(super) fn login(response: &[u8]) -> Option<Login> {
    let table = FieldTable::decode_entries(response).ok()?;
    let (user, password) = (table.get("LOGIN")?, table.get("PASSWORD")?);
    let (Some(user), Some(password)) = (user.as_bytes(), password.as_bytes()) else {
        // RabbitMQ: not malformed, but no password of anybody, as the empty one.
        return Some(Login::Password { user: Bytes::new(), password: Bytes::new() });
    };
    Some(Login::Password { user: Bytes::copy_from_slice(user), password: Bytes::copy_from_slice(password) })
}
