//! What goes with a connection, however it ends.

use leveret_protocol::{basic, connection, queue};

use super::client::{Client, call, consume, content, declare, declared, deliver, name, node, publish, told};

#[test]
fn what_a_vanished_client_held_comes_back_and_its_exclusive_queues_go() {
    let node = node();
    let mut client = Client::open(&node);
    let exclusive = queue::Declare { exclusive: true, ..declare("mine") };
    client.send(&[call(1, declare("q")), call(1, exclusive.clone()), call(1, consume("q", "C"))]);
    assert_eq!(client.send(&[publish(1, "", "q", "job")]), vec![content(1, deliver("C", 1, "", "q"), "job")]);
    client.vanish();
    let mut other = Client::open(&node);
    assert_eq!(other.send(&[call(1, exclusive)]), vec![told(1, declared("mine"))]);
    let redelivered = basic::Deliver { redelivered: true, ..deliver("D", 1, "", "q") };
    assert_eq!(
        other.send(&[call(1, consume("q", "D"))]),
        vec![told(1, basic::ConsumeOk { consumer_tag: name("D") }), content(1, redelivered, "job")]
    );
    assert_eq!(node.outboxes.len(), 1, "nothing is left of the client");
}

#[test]
fn close_ok_means_that_exclusive_queues_are_gone() {
    let node = node();
    let mut client = Client::open(&node);
    let exclusive = queue::Declare { exclusive: true, ..declare("mine") };
    client.send(&[call(1, exclusive)]);
    let close = connection::Close { reply_code: 200, ..connection::Close::default() };
    assert_eq!(client.send(&[call(0, close)]), vec![told(0, connection::CloseOk {})]);
    assert!(client.session.is_closed());
    let mut other = Client::open(&node);
    assert_eq!(other.send(&[call(1, declare("mine"))]), vec![told(1, declared("mine"))]);
}

#[test]
fn a_forced_close_is_told_to_every_client_with_the_reason() {
    let node = node();
    let (mut one, mut two) = (Client::open(&node), Client::open(&node));
    node.close_all("broker forced connection closure with reason 'shutdown'");
    for client in [&mut one, &mut two] {
        let close = connection::Close {
            reply_code: 320,
            reply_text: name("CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
            class_id: 0,
            method_id: 0,
        };
        assert_eq!(client.read(), vec![told(0, close)]);
        assert!(!client.session.is_closed(), "it waits for close-ok");
        assert_eq!(client.send(&[call(0, connection::CloseOk {})]), vec![]);
        assert!(client.session.is_closed());
    }
}
