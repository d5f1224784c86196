//! From an exchange and a routing key to queues, in a topology as publishers see it. Sessions remember where messages went
//! last, so this is what the first message costs after that has changed.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has to stop")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use leveret::broker::auth::{Actor, Permissions, User};
use leveret::broker::exchange::Envelope;
use leveret::broker::ids::{ConnectionId, QueueId};
use leveret::broker::resource::ResourceKind;
use leveret::broker::vhost::{Link, QueueDeclaration, Vhost};
use leveret_protocol::{FieldTable, FieldValue, ShortString};

/// Queues that bindings lead to in turn.
const QUEUES: usize = 100;

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn actor() -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn queue_name(number: usize) -> String {
    format!("queue-{number:03}")
}

/// A vhost in which an exchange has these bindings, each to the next queue.
fn bound(exchange: &str, bindings: impl Iterator<Item = (String, FieldTable)>) -> Vhost {
    let (mut vhost, actor) = (Vhost::new(name("/")), actor());
    for number in 0..QUEUES {
        let wanted = QueueDeclaration {
            name: name(&queue_name(number)),
            durable: false,
            exclusive: false,
            auto_delete: false,
            arguments: FieldTable::new(),
            id: QueueId(number as u64 + 1),
            generated: String::new(),
        };
        vhost.declare_queue(&actor, wanted, &mut Vec::new()).unwrap();
    }
    for (number, (binding_key, arguments)) in bindings.enumerate() {
        let link = Link {
            source: name(exchange),
            destination_kind: ResourceKind::Queue,
            destination: name(&queue_name(number % QUEUES)),
            binding_key: name(&binding_key),
            arguments,
        };
        vhost.bind(&actor, &link, &mut Vec::new()).unwrap();
    }
    vhost
}

fn keys(count: usize, key: impl Fn(usize) -> String) -> impl Iterator<Item = (String, FieldTable)> {
    (0..count).map(move |number| (key(number), FieldTable::new()))
}

/// Routes messages with a routing key that leads to so many queues.
fn route(
    criterion: &mut Criterion,
    what: &str,
    vhost: &Vhost,
    (exchange, routing_key): (&str, &str),
    headers: Option<&FieldTable>,
    queues: usize,
) {
    let topology = vhost.topology();
    let routing_keys: [&[u8]; 1] = [routing_key.as_bytes()];
    let envelope = Envelope { routing_keys: &routing_keys, headers, ..Envelope::default() };
    assert_eq!(topology.route(exchange.as_bytes(), &envelope).queues.len(), queues, "{what}");
    criterion.bench_function(&format!("routing/{what}"), |bencher| {
        bencher.iter(|| topology.route(exchange.as_bytes(), black_box(&envelope)));
    });
}

fn bench(criterion: &mut Criterion) {
    let direct = bound("amq.direct", keys(1_000, |number| format!("key-{number}")));
    route(criterion, "default exchange", &direct, ("", "queue-050"), None, 1);
    route(criterion, "direct, 1,000 bindings", &direct, ("amq.direct", "key-500"), None, 1);
    for (count, text) in [(10, "10"), (1_000, "1,000"), (100_000, "100,000")] {
        let topic = bound("amq.topic", keys(count, |number| format!("orders.{number}.*")));
        let routing_key = format!("orders.{}.created", count / 2);
        route(
            criterion,
            &format!("topic, {text} bindings, one that matches"),
            &topic,
            ("amq.topic", &routing_key),
            None,
            1,
        );
    }
    let wild = bound("amq.topic", keys(QUEUES, |number| format!("#.{number}.#")));
    route(criterion, "topic, 100 bindings with # at both ends", &wild, ("amq.topic", "a.b.50.c.d"), None, 1);
    let fanout = bound("amq.fanout", keys(QUEUES, |_| String::new()));
    route(criterion, "fanout to 100 queues", &fanout, ("amq.fanout", "any"), None, QUEUES);
    let tenant = |number: usize| {
        let mut arguments = FieldTable::new();
        arguments.insert("x-match", FieldValue::text("all"));
        arguments.insert("tenant", FieldValue::text(&format!("tenant-{number}")));
        arguments.insert("kind", FieldValue::text("order"));
        arguments
    };
    let headers = bound("amq.headers", (0..QUEUES).map(|number| (String::new(), tenant(number))));
    route(criterion, "headers, 100 bindings of two fields", &headers, ("amq.headers", ""), Some(&tenant(50)), 1);
}

criterion_group!(benches, bench);
criterion_main!(benches);
