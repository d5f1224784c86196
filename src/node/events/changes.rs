//! Events of queues, exchanges and bindings.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Events, PERFORMED_BY, headers, performer, text};
use crate::broker::exchange::{Binding, Exchange};
use crate::broker::queue::{QueueEntry, QueueType};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Change;

impl Events {
    /// Tells what has changed in a vhost.
    pub(in crate::node) fn tell_changes(&self, vhost: &ShortString, changes: &[Change], by: Option<&ShortString>) {
        for change in changes {
            let key = match change {
                Change::QueueCreated(_) => "queue.created",
                Change::QueueDeleted(_) => "queue.deleted",
                Change::ExchangeCreated(..) => "exchange.created",
                Change::ExchangeDeleted(_) => "exchange.deleted",
                Change::Bound(_) => "binding.created",
                Change::Unbound(_) => "binding.deleted",
            };
            self.tell(key, || {
                let mut told = self.describe(change);
                told.insert("vhost", text(vhost.as_bytes()));
                told.insert(PERFORMED_BY, performer(by));
                told
            });
        }
    }

    fn describe(&self, change: &Change) -> FieldTable {
        match change {
            Change::QueueCreated(entry) => self.queue(entry),
            Change::QueueDeleted(entry) => {
                headers([("name", text(entry.name.as_bytes())), ("type", text(type_of(entry)))])
            }
            Change::ExchangeCreated(created, policy) => exchange(created, policy.as_ref()),
            Change::ExchangeDeleted(exchange) => headers([("name", text(exchange.name.as_bytes()))]),
            Change::Bound(made) | Change::Unbound(made) => binding(made),
        }
    }

    fn queue(&self, entry: &QueueEntry) -> FieldTable {
        let mut told = headers([
            ("name", text(entry.name.as_bytes())),
            ("type", text(type_of(entry))),
            ("durable", entry.durable.into()),
            ("auto_delete", entry.auto_delete.into()),
            ("exclusive", entry.owner.is_some().into()),
            ("arguments", FieldValue::Table(entry.arguments.clone())),
        ]);
        // RabbitMQ tells this of classic queues alone.
        if entry.queue_type() == QueueType::Classic {
            told.insert("leader", text(&self.node));
            told.insert("members", FieldValue::Array(vec![text(&self.node)]));
        }
        told
    }
}

/// RabbitMQ's names of types in events are those of its modules.
fn type_of(entry: &QueueEntry) -> &'static str {
    match entry.queue_type() {
        QueueType::Classic => "rabbit_classic_queue",
        QueueType::Quorum => "rabbit_quorum_queue",
        QueueType::Stream => "rabbit_stream_queue",
    }
}

fn exchange(exchange: &Exchange, policy: Option<&ShortString>) -> FieldTable {
    headers([
        ("name", text(exchange.name.as_bytes())),
        ("type", text(exchange.kind.name())),
        ("durable", exchange.durable.into()),
        ("auto_delete", exchange.auto_delete.into()),
        ("internal", exchange.internal.into()),
        ("policy", text(policy.map_or(&b""[..], ShortString::as_bytes))),
        ("arguments", FieldValue::Table(exchange.arguments.clone())),
    ])
}

fn binding(binding: &Binding) -> FieldTable {
    let destination = binding.destination.key();
    let kind = match destination.kind {
        ResourceKind::Queue => "queue",
        ResourceKind::Exchange => "exchange",
    };
    headers([
        ("source_name", text(binding.source.as_bytes())),
        ("source_kind", text("exchange")),
        ("destination_name", text(destination.name.as_bytes())),
        ("destination_kind", text(kind)),
        ("routing_key", text(binding.binding_key.as_bytes())),
        ("arguments", FieldValue::Table(binding.arguments.clone())),
    ])
}
