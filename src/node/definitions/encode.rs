//! Definitions to rows: `decode` reads them back. A row's key says which object it is, so that a declaration or a bind
//! is one row; its value begins with the version of its form. docs/storage-format.md describes every byte.

use bytes::BytesMut;
use leveret_protocol::{FieldTable, ShortString};
use sha2::{Digest, Sha256};

use crate::broker::ids::QueueId;
use crate::broker::policy::{Policy, PolicyKind};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::{Definition, ExchangeDefinition, Link};
use crate::store::meta::Change;

/// The form of values that is written, and the only one that is read.
pub(super) const VERSION: u8 = 1;

pub(super) const QUEUE_IDS: u8 = b'n';
pub(super) const VHOST: u8 = b'v';
pub(super) const EXCHANGE: u8 = b'e';
pub(super) const QUEUE: u8 = b'q';
pub(super) const BINDING: u8 = b'b';
pub(super) const POLICY: u8 = b'p';

pub(super) const USER: u8 = b'u';
pub(super) const OPERATOR: u8 = b'o';

pub(super) const AUTO_DELETE: u8 = 1;
pub(super) const INTERNAL: u8 = 2;
pub(super) const DELAYS: u8 = 4;
pub(super) const KEEPS_KEYS: u8 = 8;

/// Bytes of the digest that tells bindings between the same two ends apart. A digest and not the arguments themselves,
/// since those may be large; a cryptographic one, since clients choose what goes in.
pub(super) const DIGEST: usize = 16;

/// All queue ids below this one may be in use.
pub(super) fn queue_ids(reserved: u64) -> Change {
    Change::Put { key: vec![QUEUE_IDS], value: [&[VERSION], reserved.to_le_bytes().as_slice()].concat() }
}

/// That there is a vhost.
pub(super) fn vhost(name: &ShortString) -> Change {
    Change::Put { key: Writer::row(VHOST).name(name).0, value: vec![VERSION] }
}

/// That something durable is there.
pub(super) fn stored(vhost: &ShortString, definition: &Definition) -> Change {
    let value = match definition {
        Definition::Exchange(exchange) => exchange_value(exchange),
        Definition::Queue(entry) => queue_value(entry),
        Definition::Binding(link) => Writer::row(VERSION).name(&link.binding_key).table(&link.arguments),
        Definition::Policy(_, policy) => policy_value(policy),
    };
    Change::Put { key: key(vhost, definition), value: value.0 }
}

/// That it is gone.
pub(super) fn forgotten(vhost: &ShortString, definition: &Definition) -> Change {
    Change::Remove { key: key(vhost, definition) }
}

fn key(vhost: &ShortString, definition: &Definition) -> Vec<u8> {
    match definition {
        Definition::Exchange(exchange) => Writer::row(EXCHANGE).name(vhost).name(&exchange.name).0,
        Definition::Queue(entry) => Writer::row(QUEUE).name(vhost).name(&entry.name).0,
        Definition::Binding(link) => {
            let kind = match link.destination_kind {
                ResourceKind::Exchange => EXCHANGE,
                ResourceKind::Queue => QUEUE,
            };
            let ends = Writer::row(BINDING).name(vhost).name(&link.source).octet(kind).name(&link.destination);
            ends.octets(&digest(link)).0
        }
        Definition::Policy(kind, policy) => {
            let kind = match kind {
                PolicyKind::User => USER,
                PolicyKind::Operator => OPERATOR,
            };
            Writer::row(POLICY).name(vhost).octet(kind).name(&policy.name).0
        }
    }
}

fn digest(link: &Link) -> Vec<u8> {
    let identity = Writer(Vec::new()).name(&link.binding_key).table(&link.arguments);
    Sha256::digest(identity.0).iter().copied().take(DIGEST).collect()
}

fn exchange_value(exchange: &ExchangeDefinition) -> Writer {
    let flags = flag(exchange.auto_delete, AUTO_DELETE)
        | flag(exchange.internal, INTERNAL)
        | flag(exchange.delay_queue.is_some(), DELAYS)
        | flag(exchange.key_queue.is_some(), KEEPS_KEYS);
    let id = |queue: Option<QueueId>| queue.map_or_else(Vec::new, |id| id.0.to_le_bytes().to_vec());
    let kind = ShortString::from_static(exchange.kind.name());
    Writer::row(VERSION)
        .octet(flags)
        .octets(&id(exchange.delay_queue))
        .octets(&id(exchange.key_queue))
        .name(&kind)
        .table(&exchange.arguments)
}

fn queue_value(entry: &QueueEntry) -> Writer {
    let flags = flag(entry.auto_delete, AUTO_DELETE);
    Writer::row(VERSION).octet(flags).octets(&entry.id.0.to_le_bytes()).table(&entry.arguments)
}

fn policy_value(policy: &Policy) -> Writer {
    let apply_to = ShortString::from_static(policy.apply_to.name());
    let row = Writer::row(VERSION).octets(&policy.priority.to_le_bytes()).name(&apply_to);
    row.text(policy.pattern.as_str()).table(&policy.definition)
}

fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// Bytes that grow field by field.
struct Writer(Vec<u8>);

impl Writer {
    fn row(first: u8) -> Self {
        Self(vec![first])
    }

    fn octet(mut self, octet: u8) -> Self {
        self.0.push(octet);
        self
    }

    fn octets(mut self, octets: &[u8]) -> Self {
        self.0.extend_from_slice(octets);
        self
    }

    fn name(self, name: &ShortString) -> Self {
        // At most 255 bytes by its type.
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        self.octet(length).octets(name.as_bytes())
    }

    fn text(self, text: &str) -> Self {
        // A pattern has at most 1024 bytes.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.octets(&length.to_le_bytes()).octets(text.as_bytes())
    }

    fn table(self, table: &FieldTable) -> Self {
        let mut bytes = BytesMut::with_capacity(table.encoded_len());
        table.encode(&mut bytes);
        self.octets(&bytes)
    }
}
