//! Declaring and deleting exchanges.

use leveret_protocol::{FieldValue, ReplyCode};

use super::{
    ANN, actor, alternate, bind, declare, declare_new, exchange, exchange_refused, has_exchange, name, permitted,
    queue, refusal, routed, table, text, to_exchange, to_queue, told, vhost,
};
use crate::broker::vhost::ExchangeDeclaration;

#[test]
fn begins_with_the_predeclared_exchanges() {
    let vhost = vhost();
    let expected = [
        ("", "direct", false),
        ("amq.direct", "direct", false),
        ("amq.fanout", "fanout", false),
        ("amq.topic", "topic", false),
        ("amq.match", "headers", false),
        ("amq.headers", "headers", false),
        ("amq.rabbitmq.trace", "topic", true),
    ];
    for (exchange, kind, internal) in expected {
        let exchange = vhost.topology().exchange(exchange.as_bytes()).unwrap();
        assert_eq!(
            (exchange.kind.name(), exchange.internal, exchange.durable, exchange.auto_delete),
            (kind, internal, true, false),
            "{}",
            exchange.name
        );
    }
}

#[test]
fn declaring_the_same_exchange_again_changes_nothing() {
    let mut vhost = vhost();
    let wanted = ExchangeDeclaration { durable: true, arguments: alternate("ae"), ..exchange("x", "topic") };
    declare(&mut vhost, wanted.clone());
    let number = vhost.topology().number;
    declare(&mut vhost, wanted);
    declare(&mut vhost, ExchangeDeclaration { durable: true, ..exchange("amq.topic", "topic") });
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn an_exchange_that_differs_is_told_in_the_order_type_durable_auto_delete_internal_alternate() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let mut wanted = ExchangeDeclaration {
        durable: true,
        auto_delete: true,
        internal: true,
        arguments: alternate("ae"),
        ..exchange("x", "fanout")
    };
    let told = |difference: &str| {
        let text = format!("inequivalent arg {difference}");
        (ReplyCode::PreconditionFailed, text)
    };
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'")
    );
    wanted.kind = name("direct");
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'durable' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.durable = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.auto_delete = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted.clone()),
        told("'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'")
    );
    wanted.internal = false;
    assert_eq!(
        exchange_refused(&mut vhost, wanted),
        told(
            "'alternate-exchange' for exchange 'x' in vhost '/': received the value 'ae' of type 'longstr' but \
             current is none"
        )
    );
}

#[test]
fn an_alternate_exchange_that_differs_or_is_left_out_is_told() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { arguments: alternate("one"), ..exchange("x", "direct") });
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments: alternate("two"), ..exchange("x", "direct") }),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received 'two' but current is 'one'"
        )
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("x", "direct")),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': received none but current is the \
             value 'one' of type 'longstr'"
        )
    );
}

#[test]
fn other_arguments_of_exchanges_are_not_compared() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let arguments = table(&[("x-colour", text("red"))]);
    declare(&mut vhost, ExchangeDeclaration { arguments, ..exchange("x", "direct") });
    assert!(vhost.topology().exchange(b"x").unwrap().arguments.is_empty(), "the old ones stay in force");
}

#[test]
fn refuses_exchanges_with_bad_types_names_and_alternates() {
    let mut vhost = vhost();
    assert_eq!(
        exchange_refused(&mut vhost, exchange("", "x-nope")),
        refusal(ReplyCode::PreconditionFailed, "unknown exchange type 'x-nope'")
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("", "direct")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    assert_eq!(
        exchange_refused(&mut vhost, exchange("amq.mine", "direct")),
        refusal(ReplyCode::AccessRefused, "exchange name 'amq.mine' contains reserved prefix 'amq.*'")
    );
    let arguments = table(&[("alternate-exchange", FieldValue::I32(5))]);
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments, ..exchange("x", "direct") }),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
        )
    );
}

#[test]
fn an_alternate_exchange_needs_read_on_the_exchange_and_write_on_the_alternate() {
    let mut vhost = vhost();
    let wanted = ExchangeDeclaration { arguments: alternate("ae"), ..exchange("x", "direct") };
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, ".*", ".*", ""), wanted.clone(), &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "read access to exchange 'x' in vhost '/' refused for user 'guest'")
    );
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, ".*", "", ".*"), wanted, &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "write access to exchange 'ae' in vhost '/' refused for user 'guest'")
    );
    assert_eq!(
        told(vhost.declare_exchange(&permitted(ANN, "", ".*", ".*"), exchange("x", "direct"), &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "configure access to exchange 'x' in vhost '/' refused for user 'guest'")
    );
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn passive_exchange_declare_looks_at_the_name_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "direct"));
    let passive =
        |exchange_name: &str| ExchangeDeclaration { passive: true, durable: true, ..exchange(exchange_name, "") };
    declare(&mut vhost, passive("x"));
    assert_eq!(
        exchange_refused(&mut vhost, passive("y")),
        refusal(ReplyCode::NotFound, "no exchange 'y' in vhost '/'")
    );
    assert_eq!(
        exchange_refused(&mut vhost, passive("")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
}

#[test]
fn exchange_delete_refuses_system_exchanges_and_used_ones_and_minds_no_missing_one() {
    let mut vhost = vhost();
    assert_eq!(
        told(vhost.delete_exchange(&actor(ANN), &name(""), false, &mut Vec::new())),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    for system in ["amq.direct", "amq.missing"] {
        let expected = format!("deletion of system exchange '{system}' in vhost '/' not allowed");
        assert_eq!(
            told(vhost.delete_exchange(&actor(ANN), &name(system), false, &mut Vec::new())),
            (ReplyCode::AccessRefused, expected)
        );
    }
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("missing"), true, &mut Vec::new()), Ok(()));
    declare(&mut vhost, exchange("x", "fanout"));
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("x", "q", "")]);
    assert_eq!(
        told(vhost.delete_exchange(&actor(ANN), &name("x"), true, &mut Vec::new())),
        refusal(ReplyCode::PreconditionFailed, "exchange 'x' in vhost '/' in use")
    );
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()), Ok(()));
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn an_exchange_declared_anew_has_none_of_the_old_bindings() {
    let mut vhost = vhost();
    for kind in ["fanout", "direct"] {
        declare(&mut vhost, exchange("x", kind));
        assert!(routed(&vhost, "x", &[""]).is_empty());
        if vhost.topology().queue(b"q").is_none() {
            declare_new(&mut vhost, ANN, queue("q"));
        }
        bind(&mut vhost, &[to_queue("x", "q", "")]);
        assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
        vhost.delete_exchange(&actor(ANN), &name("x"), false, &mut Vec::new()).unwrap();
    }
}

#[test]
fn being_a_destination_is_no_use_of_an_exchange() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "fanout"));
    bind(&mut vhost, &[to_exchange("amq.fanout", "x", "")]);
    assert_eq!(vhost.delete_exchange(&actor(ANN), &name("x"), true, &mut Vec::new()), Ok(()));
}

#[test]
fn an_exchange_with_arguments_that_its_type_refuses_is_not_declared() {
    let mut vhost = vhost();
    let arguments = table(&[("hash-property", FieldValue::text("app_id"))]);
    assert_eq!(
        exchange_refused(&mut vhost, ExchangeDeclaration { arguments, ..exchange("x", "x-consistent-hash") }),
        refusal(ReplyCode::PreconditionFailed, "Unsupported property: app_id")
    );
    assert!(!has_exchange(&vhost, "x"));
}
