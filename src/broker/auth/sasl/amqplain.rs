//! AMQPLAIN: a field table without its length prefix that holds LOGIN and PASSWORD.

use bytes::Bytes;
use leveret_protocol::FieldTable;

use super::Login;

pub(super) fn login(response: &[u8]) -> Option<Login> {
    let table = FieldTable::decode_entries(response).ok()?;
    let text = |name| table.get(name)?.as_bytes().map(Bytes::copy_from_slice);
    Some(Login::Password { user: text("LOGIN")?, password: text("PASSWORD")? })
}
