//! Events of queues, exchanges and bindings.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Events, PERFORMED_BY, headers, performer, text};
use crate::broker::exchange::{Binding, Exchange};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Change;

impl Events {
    /// Tells what has changed in a vhost.
    pub(in crate::node) fn tell_changes(&self, vhost: &ShortString, changes: &[Change], by: Option<&ShortString>) {
        for change in changes {
            let key = match change {
                Change::QueueCreated(_) => "queue.created",
                Change::QueueDeleted(_) => "queue.deleted",
                Change::ExchangeCreated(_) => "exchange.created",
                Change::ExchangeDeleted(_) => "exchange.deleted",
                Change::Bound(_) => "binding.created",
                Change::Unbound(_) => "binding.deleted",
            };
            self.tell(key, || {
                let mut told = describe(change);
                told.insert("vhost", text(vhost.as_bytes()));
                told.insert(PERFORMED_BY, performer(by));
                told
            });
        }
    }
}

fn describe(change: &Change) -> FieldTable {
    match change {
        Change::QueueCreated(entry) => queue(entry),
        Change::QueueDeleted(entry) => headers([("name", text(entry.name.as_bytes()))]),
        Change::ExchangeCreated(created) => exchange(created),
        Change::ExchangeDeleted(exchange) => headers([("name", text(exchange.name.as_bytes()))]),
        Change::Bound(made) | Change::Unbound(made) => binding(made),
    }
}

fn queue(entry: &QueueEntry) -> FieldTable {
    headers([
        ("name", text(entry.name.as_bytes())),
        ("durable", entry.durable.into()),
        ("auto_delete", entry.auto_delete.into()),
        ("exclusive", entry.owner.is_some().into()),
        ("arguments", FieldValue::Table(entry.arguments.clone())),
    ])
}

fn exchange(exchange: &Exchange) -> FieldTable {
    headers([
        ("name", text(exchange.name.as_bytes())),
        ("type", text(exchange.kind.name())),
        ("durable", exchange.durable.into()),
        ("auto_delete", exchange.auto_delete.into()),
        ("internal", exchange.internal.into()),
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
