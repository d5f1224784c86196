//! Properties to octets.

use bytes::{BufMut, BytesMut};

use super::{Properties, flag};
use crate::ShortString;
use crate::field::encode;

pub(super) fn flags(properties: &Properties) -> u16 {
    let present = [
        (flag::CONTENT_TYPE, properties.content_type.is_some()),
        (flag::CONTENT_ENCODING, properties.content_encoding.is_some()),
        (flag::HEADERS, properties.headers.is_some()),
        (flag::DELIVERY_MODE, properties.delivery_mode.is_some()),
        (flag::PRIORITY, properties.priority.is_some()),
        (flag::CORRELATION_ID, properties.correlation_id.is_some()),
        (flag::REPLY_TO, properties.reply_to.is_some()),
        (flag::EXPIRATION, properties.expiration.is_some()),
        (flag::MESSAGE_ID, properties.message_id.is_some()),
        (flag::TIMESTAMP, properties.timestamp.is_some()),
        (flag::KIND, properties.kind.is_some()),
        (flag::USER_ID, properties.user_id.is_some()),
        (flag::APP_ID, properties.app_id.is_some()),
        (flag::CLUSTER_ID, properties.cluster_id.is_some()),
    ];
    let set = present.iter().filter(|(_, present)| *present);
    set.fold(0, |flags, (bit, _)| flags | bit)
}

pub(super) fn properties(properties: &Properties, out: &mut BytesMut) {
    out.put_u16(flags(properties));
    text(properties.content_type.as_ref(), out);
    text(properties.content_encoding.as_ref(), out);
    if let Some(headers) = &properties.headers {
        headers.encode(out);
    }
    octet(properties.delivery_mode, out);
    octet(properties.priority, out);
    text(properties.correlation_id.as_ref(), out);
    text(properties.reply_to.as_ref(), out);
    text(properties.expiration.as_ref(), out);
    text(properties.message_id.as_ref(), out);
    if let Some(timestamp) = properties.timestamp {
        out.put_u64(timestamp);
    }
    text(properties.kind.as_ref(), out);
    text(properties.user_id.as_ref(), out);
    text(properties.app_id.as_ref(), out);
    text(properties.cluster_id.as_ref(), out);
}

fn text(property: Option<&ShortString>, out: &mut BytesMut) {
    if let Some(text) = property {
        encode::short_string(text, out);
    }
}

fn octet(property: Option<u8>, out: &mut BytesMut) {
    if let Some(octet) = property {
        out.put_u8(octet);
    }
}
