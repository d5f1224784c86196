//! Binding and unbinding.

use leveret_protocol::{FieldValue, ReplyCode};

use super::{
    ANN, BOB, actor, bind, declare_new, permitted, queue, refusal, routed, table, text, to_exchange, to_queue, told,
    unbind, vhost,
};
use crate::broker::exchange::Envelope;
use crate::broker::vhost::{Link, QueueDeclaration, Vhost};

#[test]
fn bind_tells_what_is_missing_the_source_first() {
    let mut vhost = vhost();
    let told_of = |vhost: &mut Vhost, link: &Link| told(vhost.bind(&actor(ANN), link, &mut Vec::new()));
    assert_eq!(
        told_of(&mut vhost, &to_queue("x", "q", "")),
        refusal(ReplyCode::NotFound, "no exchange 'x' in vhost '/'")
    );
    assert_eq!(
        told_of(&mut vhost, &to_queue("amq.direct", "q", "")),
        refusal(ReplyCode::NotFound, "no queue 'q' in vhost '/'")
    );
    assert_eq!(
        told_of(&mut vhost, &to_exchange("amq.direct", "y", "")),
        refusal(ReplyCode::NotFound, "no exchange 'y' in vhost '/'")
    );
}

#[test]
fn bind_and_unbind_refuse_the_default_exchange_and_reply_queues() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let default = refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange");
    for link in [to_queue("", "q", "q"), to_exchange("", "amq.direct", ""), to_exchange("amq.direct", "", "")] {
        assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), default);
        assert_eq!(told(vhost.unbind(&actor(ANN), &link, &mut Vec::new())), default);
    }
    let link = to_queue("amq.direct", "amq.rabbitmq.reply-to.0123456789012345678901", "");
    let expected = refusal(ReplyCode::AccessRefused, "cannot bind or unbind to a volatile (direct reply-to) queue");
    assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&actor(ANN), &link, &mut Vec::new())), expected);
}

#[test]
fn a_binding_that_makes_no_sense_is_told_before_a_locked_queue() {
    let mut vhost = vhost();
    declare_new(&mut vhost, BOB, QueueDeclaration { exclusive: true, ..queue("q") });
    let senseless = Link { arguments: table(&[("x-match", text("some"))]), ..to_queue("amq.headers", "q", "") };
    assert_eq!(told(vhost.bind(&actor(ANN), &senseless, &mut Vec::new())).0, ReplyCode::PreconditionFailed);
    assert_eq!(
        told(vhost.bind(&actor(ANN), &to_queue("amq.headers", "q", ""), &mut Vec::new())).0,
        ReplyCode::ResourceLocked
    );
}

#[test]
fn the_bare_name_of_direct_reply_to_is_no_queue_to_bind() {
    let mut vhost = vhost();
    let link = to_queue("amq.direct", "amq.rabbitmq.reply-to", "");
    let expected = refusal(ReplyCode::NotFound, "no queue 'amq.rabbitmq.reply-to' in vhost '/'");
    assert_eq!(told(vhost.bind(&actor(ANN), &link, &mut Vec::new())), expected);
    assert_eq!(vhost.unbind(&actor(ANN), &link, &mut Vec::new()), Ok(()));
}

#[test]
fn bind_and_unbind_need_write_on_the_destination_and_read_on_the_source() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let link = to_queue("amq.direct", "q", "");
    let no_write = permitted(ANN, ".*", "", ".*");
    let expected = refusal(ReplyCode::AccessRefused, "write access to queue 'q' in vhost '/' refused for user 'guest'");
    assert_eq!(told(vhost.bind(&no_write, &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&no_write, &link, &mut Vec::new())), expected);
    let no_read = permitted(ANN, ".*", ".*", "");
    let expected =
        refusal(ReplyCode::AccessRefused, "read access to exchange 'amq.direct' in vhost '/' refused for user 'guest'");
    assert_eq!(told(vhost.bind(&no_read, &link, &mut Vec::new())), expected);
    assert_eq!(told(vhost.unbind(&no_read, &link, &mut Vec::new())), expected);
}

#[test]
fn bind_asks_the_exchange_type_about_the_arguments() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let link = Link { arguments: table(&[("x-match", text("some"))]), ..to_queue("amq.headers", "q", "") };
    assert_eq!(
        told(vhost.bind(&actor(ANN), &link, &mut Vec::new())),
        refusal(
            ReplyCode::PreconditionFailed,
            "Invalid x-match field value <<\"some\">>; expected all, any, all-with-x, or any-with-x"
        )
    );
}

#[test]
fn binding_again_changes_nothing_and_arguments_in_another_order_are_the_same_binding() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let (one, two) = (("one", FieldValue::I32(1)), ("two", FieldValue::I32(2)));
    let with =
        |arguments: &[(&str, FieldValue)]| Link { arguments: table(arguments), ..to_queue("amq.direct", "q", "k") };
    bind(&mut vhost, &[with(&[one.clone(), two.clone()])]);
    let number = vhost.topology().number;
    bind(&mut vhost, &[with(&[two.clone(), one.clone()])]);
    assert_eq!(vhost.topology().number, number);
    unbind(&mut vhost, &with(&[two, one]));
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}

#[test]
fn unbind_wants_key_and_arguments_to_match() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let plain = to_queue("amq.direct", "q", "k");
    let with_arguments = Link { arguments: table(&[("n", FieldValue::I32(1))]), ..plain.clone() };
    bind(&mut vhost, &[plain.clone(), with_arguments.clone()]);
    let number = vhost.topology().number;
    unbind(&mut vhost, &to_queue("amq.direct", "q", "other"));
    unbind(&mut vhost, &Link { arguments: table(&[("n", FieldValue::I32(2))]), ..plain.clone() });
    assert_eq!(vhost.topology().number, number);
    unbind(&mut vhost, &plain);
    assert_eq!(routed(&vhost, "amq.direct", &["k"]), ["q"], "the one with arguments is left");
    unbind(&mut vhost, &with_arguments);
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}

#[test]
fn unbinding_what_is_not_there_is_no_error() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    let number = vhost.topology().number;
    for link in [
        to_queue("missing", "q", ""),
        to_queue("amq.direct", "missing", ""),
        to_queue("amq.direct", "q", "missing"),
        to_exchange("amq.direct", "missing", ""),
    ] {
        unbind(&mut vhost, &link);
    }
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn a_published_topology_stays_as_it_was() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("amq.direct", "q", "k")]);
    let before = vhost.topology().clone();
    unbind(&mut vhost, &to_queue("amq.direct", "q", "k"));
    let envelope = Envelope { routing_keys: &[b"k"], headers: None, ..Envelope::default() };
    assert_eq!(before.route(b"amq.direct", &envelope).queues.len(), 1);
    assert!(vhost.topology().number > before.number);
}
