//! Exchanges and queues that deduplicate.

use leveret_protocol::{FieldTable, FieldValue, ReplyCode};

use super::{
    ANN, alternate, bind, declare, declare_new, exchange, exchange_refused, name, queue, queue_refused, refusal, table,
    to_exchange, to_queue, vhost,
};
use crate::broker::exchange::Envelope;
use crate::broker::vhost::{ExchangeDeclaration, QueueDeclaration};

fn deduplicating() -> FieldTable {
    table(&[("x-message-deduplication", FieldValue::Bool(true))])
}

#[test]
fn an_exchange_that_does_not_admit_a_message_routes_it_nowhere() {
    let mut vhost = vhost();
    let arguments = FieldTable::from_iter(deduplicating().into_iter().chain(alternate("amq.fanout")));
    declare(&mut vhost, ExchangeDeclaration { arguments, ..exchange("once", "direct") });
    declare_new(&mut vhost, ANN, queue("q"));
    declare_new(&mut vhost, ANN, queue("unrouted"));
    bind(
        &mut vhost,
        &[to_exchange("amq.direct", "once", "k"), to_queue("once", "q", "k"), to_queue("amq.fanout", "unrouted", "")],
    );
    let envelope = Envelope { routing_keys: &[b"k"], ..Envelope::default() };
    for source in ["once", "amq.direct"] {
        for admitted in [true, false] {
            let mut asked = Vec::new();
            let route = vhost.topology().route_past(source.as_bytes(), &envelope, &mut |exchange| {
                asked.push(exchange.name.clone());
                admitted
            });
            assert_eq!(asked, [name("once")], "only those that deduplicate are asked");
            let expected: &[&str] = if admitted { &["q"] } else { &[] };
            assert_eq!(route.queues.iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>(), expected);
            assert!(route.varies, "the next message may go elsewhere");
        }
    }
}

#[test]
fn arguments_of_deduplication_are_checked_for_exchanges_and_queues() {
    let mut vhost = vhost();
    let arguments =
        FieldTable::from_iter(deduplicating().into_iter().chain(table(&[("x-cache-size", FieldValue::I32(0))])));
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments: arguments.clone(), ..exchange("x", "direct") }),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid arg 'x-cache-size' for exchange 'x' in vhost '/': {value_zero,0}"
        )
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, QueueDeclaration { arguments, ..queue("q") }),
        refusal(ReplyCode::PreconditionFailed, "invalid arg 'x-cache-size' for queue 'q' in vhost '/': {value_zero,0}")
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("x", "x-message-deduplication")),
        refusal(ReplyCode::PreconditionFailed, "invalid arg 'x-cache-size' for exchange 'x' in vhost '/': missing")
    );
}
