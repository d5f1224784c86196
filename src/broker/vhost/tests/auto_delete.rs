//! Exchanges that go with their last binding.

use super::{
    ANN, actor, bind, declare, declare_new, exchange, has_exchange, name, queue, remove, to_exchange, to_queue, unbind,
    vhost,
};
use crate::broker::vhost::{Effect, ExchangeDeclaration};

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding_and_takes_its_sources_along() {
    let mut vhost = vhost();
    let auto_delete = |exchange_name| ExchangeDeclaration { auto_delete: true, ..exchange(exchange_name, "fanout") };
    for exchange_name in ["top", "middle", "bottom", "idle"] {
        declare(&mut vhost, auto_delete(exchange_name));
    }
    declare(&mut vhost, exchange("lasting", "fanout"));
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    bind(
        &mut vhost,
        &[
            to_exchange("top", "middle", ""),
            to_exchange("middle", "bottom", ""),
            to_exchange("lasting", "bottom", ""),
            to_exchange("lasting", "idle", ""),
            to_queue("bottom", "q", "one"),
            to_queue("bottom", "q", "two"),
        ],
    );
    unbind(&mut vhost, &to_queue("bottom", "q", "one"));
    assert!(has_exchange(&vhost, "bottom"), "one binding is left");
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    for exchange_name in ["top", "middle", "bottom"] {
        assert!(!has_exchange(&vhost, exchange_name), "{exchange_name}");
    }
    assert!(has_exchange(&vhost, "lasting"));
    assert!(has_exchange(&vhost, "idle"), "it never was a source");
}

#[test]
fn deleting_an_exchange_removes_auto_delete_exchanges_that_led_to_it_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("source", "fanout") });
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("destination", "fanout") });
    declare(&mut vhost, exchange("x", "fanout"));
    bind(&mut vhost, &[to_exchange("source", "x", ""), to_exchange("x", "destination", "")]);
    vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "source"));
    assert!(has_exchange(&vhost, "destination"));
}

#[test]
fn auto_delete_exchanges_in_a_cycle_end_together() {
    let mut vhost = vhost();
    for exchange_name in ["a", "b"] {
        declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange(exchange_name, "fanout") });
    }
    bind(&mut vhost, &[to_exchange("a", "b", ""), to_exchange("b", "a", ""), to_exchange("a", "a", "")]);
    vhost.delete_exchange(&actor(ANN), &name("a"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "a"));
    assert!(!has_exchange(&vhost, "b"));
}
