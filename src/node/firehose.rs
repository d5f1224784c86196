//! The firehose: copies of what is published and delivered in a vhost, for who looks for a mistake (docs/firehose.md of
//! RabbitMQ's server). Owns what a copy looks like; sessions say when one is made.

use leveret_protocol::{ContentHeader, FieldTable, FieldValue, Properties, ShortString};

use super::vhost::RunningVhost;
use crate::broker::channel::compose::compose;
use crate::broker::message::Message;
use crate::broker::time::Timestamp;
use crate::broker::vhost::TRACE_EXCHANGE;

/// Who published or got a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced<'a> {
    /// The node's name.
    pub(super) node: &'a str,
    /// The connection's name.
    pub(super) connection: &'a str,
    pub(super) channel: u16,
    pub(super) user: &'a ShortString,
}

impl RunningVhost {
    /// A message is published, to these queues.
    pub(super) fn trace_publish<'a>(
        &self,
        now: Timestamp,
        who: &Traced<'_>,
        message: &Message,
        queues: impl Iterator<Item = &'a ShortString>,
    ) {
        let queues = queues.map(|queue| text(queue.as_bytes())).collect();
        let further = ("routed_queues", FieldValue::Array(queues));
        self.copy(now, who, message, ("publish", message.exchange()), further);
    }

    /// A message of a queue is delivered.
    pub(super) fn trace_delivery(
        &self,
        now: Timestamp,
        who: &Traced<'_>,
        message: &Message,
        queue: &ShortString,
        redelivered: bool,
    ) {
        let further = ("redelivered", FieldValue::I32(i32::from(redelivered)));
        self.copy(now, who, message, ("deliver", queue.as_bytes()), further);
    }

    fn copy(
        &self,
        now: Timestamp,
        who: &Traced<'_>,
        message: &Message,
        (what, name): (&str, &[u8]),
        further: (&str, FieldValue),
    ) {
        // Or every copy that is delivered would lead to another one.
        if message.exchange() == TRACE_EXCHANGE.as_bytes() {
            return;
        }
        let routing_key = [what.as_bytes(), b".", name].concat();
        // As long as a routing key can be.
        let routing_key = ShortString::new(routing_key.get(..255).unwrap_or(&routing_key)).unwrap_or_default();
        let mut headers = self.headers(who, message);
        headers.insert(further.0, further.1);
        let properties = Properties { headers: Some(headers), ..Properties::default() };
        let exchange = ShortString::from_static(TRACE_EXCHANGE);
        if let Ok(copy) = compose(&exchange, &routing_key, properties, message.body(), u64::MAX, now) {
            self.publish_own(now, copy);
        }
    }

    fn headers(&self, who: &Traced<'_>, message: &Message) -> FieldTable {
        let properties = ContentHeader::decode(message.header()).map(|header| header.properties).unwrap_or_default();
        let copies = properties.headers.as_ref().and_then(|headers| headers.get("CC")?.as_array()).unwrap_or_default();
        let routing_keys = std::iter::once(text(message.routing_key())).chain(copies.iter().cloned()).collect();
        let mut headers = FieldTable::new();
        headers.insert("exchange_name", text(message.exchange()));
        headers.insert("routing_keys", FieldValue::Array(routing_keys));
        headers.insert("properties", FieldValue::Table(by_name(properties)));
        headers.insert("node", text(who.node.as_bytes()));
        headers.insert("vhost", text(self.name.as_bytes()));
        headers.insert("connection", text(who.connection.as_bytes()));
        headers.insert("channel", FieldValue::I32(i32::from(who.channel)));
        headers.insert("user", text(who.user.as_bytes()));
        headers
    }
}

/// The properties that there are, by RabbitMQ's names.
fn by_name(properties: Properties) -> FieldTable {
    let mut named = FieldTable::new();
    let mut add = |name: &str, value: Option<FieldValue>| {
        if let Some(value) = value {
            named.insert(name, value);
        }
    };
    let word = |word: Option<ShortString>| word.map(|word| text(word.as_bytes()));
    add("content_type", word(properties.content_type));
    add("content_encoding", word(properties.content_encoding));
    add("headers", properties.headers.map(FieldValue::Table));
    add("delivery_mode", properties.delivery_mode.map(|mode| FieldValue::I32(i32::from(mode))));
    add("priority", properties.priority.map(|priority| FieldValue::I32(i32::from(priority))));
    add("correlation_id", word(properties.correlation_id));
    add("reply_to", word(properties.reply_to));
    add("expiration", word(properties.expiration));
    add("message_id", word(properties.message_id));
    let timestamp = properties.timestamp.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
    add("timestamp", timestamp.map(FieldValue::I32));
    add("type", word(properties.kind));
    add("user_id", word(properties.user_id));
    add("app_id", word(properties.app_id));
    add("cluster_id", word(properties.cluster_id));
    named
}

fn text(octets: &[u8]) -> FieldValue {
    FieldValue::LongString(bytes::Bytes::copy_from_slice(octets))
}
