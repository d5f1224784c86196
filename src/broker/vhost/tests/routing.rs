//! Where messages go, over bindings between exchanges and alternate exchanges.

use std::collections::BTreeMap;

use leveret_protocol::ShortString;

use super::{ANN, alternate, bind, declare, declare_new, exchange, queue, routed, to_exchange, to_queue, vhost};
use crate::broker::exchange::Envelope;
use crate::broker::vhost::ExchangeDeclaration;

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("a"));
    declare_new(&mut vhost, ANN, queue("b"));
    assert_eq!(routed(&vhost, "", &["b", "missing", "a", "b"]), ["b", "a"]);
    assert!(routed(&vhost, "missing", &["a"]).is_empty());
}

#[test]
fn a_queue_bound_several_times_gets_one_copy() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    declare(&mut vhost, exchange("x", "fanout"));
    bind(
        &mut vhost,
        &[
            to_queue("amq.topic", "q", "#"),
            to_queue("amq.topic", "q", "a.*"),
            to_exchange("amq.topic", "x", "a.#"),
            to_queue("x", "q", ""),
        ],
    );
    assert_eq!(routed(&vhost, "amq.topic", &["a.b", "c"]), ["q"]);
}

#[test]
fn every_exchange_on_the_way_matches_with_the_same_routing_key() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("a"));
    declare_new(&mut vhost, ANN, queue("b"));
    bind(
        &mut vhost,
        &[
            to_exchange("amq.fanout", "amq.topic", "ignored"),
            to_exchange("amq.topic", "amq.direct", "x.*"),
            to_queue("amq.direct", "a", "x.y"),
            to_queue("amq.direct", "b", "x.z"),
        ],
    );
    assert_eq!(routed(&vhost, "amq.fanout", &["x.y"]), ["a"]);
}

#[test]
fn cycles_of_exchange_bindings_end() {
    let mut vhost = vhost();
    for exchange_name in ["a", "b", "c"] {
        declare(&mut vhost, exchange(exchange_name, "fanout"));
    }
    declare_new(&mut vhost, ANN, queue("q"));
    bind(
        &mut vhost,
        &[
            to_exchange("a", "b", ""),
            to_exchange("b", "c", ""),
            to_exchange("c", "a", ""),
            to_exchange("c", "c", ""),
            to_queue("c", "q", ""),
        ],
    );
    for exchange_name in ["a", "b", "c"] {
        assert_eq!(routed(&vhost, exchange_name, &[""]), ["q"]);
    }
}

#[test]
fn an_alternate_exchange_gets_what_its_exchange_cannot_route() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") });
    declare_new(&mut vhost, ANN, queue("q"));
    declare_new(&mut vhost, ANN, queue("unrouted"));
    bind(&mut vhost, &[to_queue("x", "q", "k")]);
    assert!(routed(&vhost, "x", &["other"]).is_empty(), "the alternate exchange is not there yet");
    declare(&mut vhost, exchange("ae", "fanout"));
    bind(&mut vhost, &[to_queue("ae", "unrouted", "")]);
    assert_eq!(routed(&vhost, "x", &["other"]), ["unrouted"]);
    assert_eq!(routed(&vhost, "x", &["k"]), ["q"]);
    assert_eq!(routed(&vhost, "x", &["other", "k"]), ["q"], "one key of several is enough");
}

#[test]
fn alternate_exchanges_are_asked_per_exchange_on_the_way() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("second"), ..exchange("first", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("third"), ..exchange("second", "direct") });
    declare(&mut vhost, exchange("third", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("third", "q", ""), to_exchange("amq.fanout", "second", "")]);
    assert_eq!(routed(&vhost, "first", &["k"]), ["q"]);
    assert_eq!(routed(&vhost, "amq.fanout", &["k"]), ["q"]);
}

#[test]
fn a_binding_to_an_exchange_counts_as_routed_even_when_nothing_is_bound_to_that() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") });
    declare(&mut vhost, exchange("ae", "fanout"));
    declare(&mut vhost, exchange("empty", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("ae", "q", ""), to_exchange("x", "empty", "k")]);
    assert!(routed(&vhost, "x", &["k"]).is_empty());
    assert_eq!(routed(&vhost, "x", &["other"]), ["q"]);
}

#[test]
fn cycles_of_alternate_exchanges_end() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("b"), ..exchange("a", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("a"), ..exchange("b", "direct") });
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("self"), ..exchange("self", "direct") });
    for exchange_name in ["a", "b", "self"] {
        assert!(routed(&vhost, exchange_name, &["k"]).is_empty());
    }
}

#[test]
fn a_route_tells_whether_headers_had_a_say() {
    let mut vhost = vhost();
    bind(&mut vhost, &[to_exchange("amq.fanout", "amq.headers", "")]);
    let envelope = Envelope { routing_keys: &[b"k"], headers: None, ..Envelope::default() };
    assert!(vhost.topology().route(b"amq.fanout", &envelope).varies);
    assert!(!vhost.topology().route(b"amq.direct", &envelope).varies);
}

#[test]
fn a_choice_at_random_is_free_of_the_one_before_it() {
    let mut vhost = vhost();
    for exchange_name in ["first", "left", "right"] {
        declare(&mut vhost, exchange(exchange_name, "x-random"));
    }
    bind(&mut vhost, &[to_exchange("first", "left", ""), to_exchange("first", "right", "")]);
    for (source, queue_name) in [("left", "a"), ("left", "b"), ("right", "c"), ("right", "d")] {
        declare_new(&mut vhost, ANN, queue(queue_name));
        bind(&mut vhost, &[to_queue(source, queue_name, "")]);
    }
    let mut counts: BTreeMap<ShortString, u32> = BTreeMap::new();
    for random in 0..4000 {
        let route = vhost.topology().route(b"first", &Envelope { random, ..Envelope::default() });
        assert!(route.varies);
        assert_eq!(route.queues.len(), 1);
        *counts.entry(route.queues[0].name.clone()).or_default() += 1;
    }
    assert!(counts.len() == 4 && counts.values().all(|count| count.abs_diff(1000) < 100), "{counts:?}");
}
